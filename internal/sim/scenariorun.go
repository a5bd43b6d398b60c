package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"downbeat/internal/message"
)

// publish begins a run.
func (s *Scenario) publish(words, below []string) error {
	p, number, err := s.enlist(words, below)
	if err != nil {
		return err
	}
	p.label = words[1]
	p.begin(number)
	return nil
}

// enlist plans a run that a step publishes: it is that publisher's, of that number.
func (s *Scenario) enlist(words, below []string) (p *publisher, number int, err error) {
	run := RunPlan{Lease: 10 * time.Second, ReadyTimeout: 5 * time.Second, Timeout: time.Minute, Grace: time.Second, StopOnFailure: true, Window: 1 << 20}
	by := 0
	for _, option := range words[2:] {
		if err := setRun(&run, &by, option); err != nil {
			return nil, 0, err
		}
	}
	for _, line := range below {
		if err := s.command(&run, strings.Fields(line)); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", line, err)
		}
	}
	for len(s.plan.Publishers) <= by {
		s.plan.Publishers = append(s.plan.Publishers, Publisher{})
	}
	plan := &s.plan.Publishers[by]
	for len(s.w.pubs) <= by {
		s.w.pubs = append(s.w.pubs, newPublisher(s.w, len(s.w.pubs), nil))
	}
	p = s.w.pubs[by]
	p.plan = plan
	plan.Runs = append(plan.Runs, run)
	return p, len(plan.Runs) - 1, nil
}

func setRun(run *RunPlan, by *int, option string) (err error) {
	key, value, _ := strings.Cut(option, "=")
	durations := map[string]*time.Duration{
		"lease": &run.Lease, "ready": &run.ReadyTimeout, "timeout": &run.Timeout, "grace": &run.Grace, "after": &run.StopAfter,
	}
	switch {
	case durations[key] != nil:
		*durations[key], err = time.ParseDuration(value)
	case key == "when":
		run.StopWhen = strings.Split(value, ",")
	case key == "window":
		run.Window, err = strconv.Atoi(value)
	case key == "by":
		*by, err = strconv.Atoi(value)
		*by--
	case key == "gated":
		run.Overlaps = true
	default:
		err = fmt.Errorf("a run has no %q", key)
	}
	return err
}

// command adds what a line says to a run: HOST NAME PHASE [KEY=VALUE ...], or HOST
// collect NAME BYTES, or HOST ship NAME BYTES.
func (s *Scenario) command(run *RunPlan, words []string) error {
	part, err := s.part(run, words[0])
	if err != nil {
		return err
	}
	if words[1] == "collect" || words[1] == "ship" {
		n, err := strconv.Atoi(words[3])
		if words[1] == "collect" {
			part.Collect = append(part.Collect, Collected{Path: words[2], Bytes: n})
		} else {
			part.Ships = append(part.Ships, Shipped{Path: words[2], Bytes: n})
		}
		return err
	}
	c := Command{Name: words[1], Phase: message.Phase(words[2]), OKExit: []int{0}, Life: Life{TermCode: -1}}
	c.Group, _, _ = strings.Cut(c.Name, ".")
	if c.Phase != message.PhaseRun {
		c.Group, c.Timeout = "", 5*time.Second
	}
	for _, option := range words[3:] {
		if err := setCommand(&c, option); err != nil {
			return err
		}
	}
	part.Commands = append(part.Commands, c)
	return nil
}

// part is a host's part in a run.
func (s *Scenario) part(run *RunPlan, host string) (*Part, error) {
	n := slices.IndexFunc(s.plan.Hosts, func(h Host) bool { return h.Name == host })
	if n < 0 {
		return nil, fmt.Errorf("there is no host %q", host)
	}
	for i := range run.Parts {
		if run.Parts[i].Host == n {
			return &run.Parts[i], nil
		}
	}
	run.Parts = append(run.Parts, Part{Host: n})
	return &run.Parts[len(run.Parts)-1], nil
}

func setCommand(c *Command, option string) (err error) {
	key, value, _ := strings.Cut(option, "=")
	durations := map[string]*time.Duration{
		"runs": &c.Life.Runs, "delay": &c.Delay, "timeout": &c.Timeout, "prepare": &c.Life.PrepareTakes, "term": &c.Life.TermTakes,
	}
	switch {
	case durations[key] != nil:
		*durations[key], err = time.ParseDuration(value)
	case key == "exit":
		c.Life.Code, err = strconv.Atoi(value)
	case key == "signal":
		c.Life.Signal = value
	case key == "prints":
		var n int
		n, err = strconv.Atoi(value)
		c.Life.Output = append(c.Life.Output, Written{After: time.Duration(len(c.Life.Output)) * time.Second, Bytes: n})
	case key == "unprepared":
		c.Life.Unprepared = true
	case key == "ignores-term":
		c.Life.IgnoresTerm = true
	case key == "forks":
		c.Life.Forks, err = strconv.Atoi(value)
	default:
		err = fmt.Errorf("a command has no %q", key)
	}
	return err
}
