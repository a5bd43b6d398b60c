package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/terminal"
)

// The part of `publish check` that describes the course of a run.

// describeCourse prints when a process begins, when it can be used, and what becomes of it.
func describeCourse(w io.Writer, dp *experiment.Datapoint, p *experiment.Command) {
	if len(dp.Beats) > 1 {
		fmt.Fprintf(w, "    on beat %d\n", p.Beat)
	}
	if p.DelayMS > 0 {
		fmt.Fprintf(w, "    %s after the release\n", terminal.Duration(p.Delay()))
	}
	if p.Ready != nil {
		fmt.Fprintf(w, "    ready by %s within %s\n", p.Ready, terminal.Duration(p.Ready.Within()))
	}
	if r := p.Restart; r != nil {
		when := map[message.RestartOn]string{message.RestartOnFailure: "when it has failed", message.RestartAlways: "when it has ended"}[r.On]
		after := ""
		if r.WaitMS > 0 {
			after = fmt.Sprintf(", %s later", terminal.Duration(r.Wait()))
		}
		fmt.Fprintf(w, "    begins anew %s%s, %s at most\n", when, after, terminal.Count(uint64(r.AtMost), "time"))
	}
	if s := p.Stop; s != nil {
		fmt.Fprintf(w, "    stopped by %s\n", stopWords(s))
	}
}

func stopWords(s *message.CommandStop) string {
	words := "TERM"
	if s.Signal != "" {
		words = s.Signal
	}
	switch {
	case s.GraceMS != nil && *s.GraceMS == 0:
		words += ", and KILL at once"
	case s.GraceMS != nil:
		words += fmt.Sprintf(", and KILL after %s", terminal.Duration(time.Duration(*s.GraceMS)*time.Millisecond))
	}
	return words
}

// describeBeats prints what begins when, and what is done in the course of a run.
func describeBeats(w io.Writer, dp *experiment.Datapoint) {
	if len(dp.Beats) > 1 {
		fmt.Fprintln(w, "\nBeats:")
		for i, b := range dp.Beats {
			fmt.Fprintf(w, "  %d: %s, %s\n", i, beatGroups(dp, i), b.Begins())
		}
	}
	if len(dp.Actions) > 0 {
		fmt.Fprintln(w, "\nActions:")
	}
	for _, a := range dp.Actions {
		optional := ""
		if a.Optional {
			optional = " (optional)"
		}
		fmt.Fprintf(w, "  %d: %s%s\n", a.Number, a.Text, optional)
	}
}

// beatGroups names what begins on a beat.
func beatGroups(dp *experiment.Datapoint, beat int) string {
	groups := dp.Beats[beat].Groups
	for _, p := range dp.Processes {
		if p.Group == "" && beat == 0 {
			groups = append([]string{"the commands of the hosts"}, groups...)
			break
		}
	}
	return strings.Join(groups, ", ")
}

// ofTheLast says which release is meant where there are several.
func ofTheLast(dp *experiment.Datapoint) string {
	if len(dp.Beats) > 1 {
		return " of the last beat"
	}
	return ""
}

type checkedBeat struct {
	Beat   int           `json:"beat"`
	Groups []string      `json:"groups"`
	After  []checkedWait `json:"after"`
}

type checkedWait struct {
	Group   string `json:"group"`
	Ended   bool   `json:"ended"`
	DelayMS int64  `json:"delay_ms"`
}

type checkedAction struct {
	Action   int             `json:"action"`
	Do       string          `json:"do"`
	Text     string          `json:"text"`
	Optional bool            `json:"optional"`
	Targets  []checkedTarget `json:"targets"`
}

type checkedTarget struct {
	Host string `json:"host"`
	Name string `json:"name"`
}

// addCourse adds what there is to say about the course of a run.
func (c *checked) addCourse(dp *experiment.Datapoint) {
	for i, b := range dp.Beats {
		beat := checkedBeat{Beat: i, Groups: append([]string{}, b.Groups...), After: []checkedWait{}}
		for _, a := range b.After {
			beat.After = append(beat.After, checkedWait{a.Group, a.Ended, a.Delay.Milliseconds()})
		}
		c.Beats = append(c.Beats, beat)
	}
	if len(dp.Acts) > 0 {
		c.Acts = checkedSteps(dp.Acts)
	}
	all := dp.Commands()
	for _, a := range dp.Actions {
		action := checkedAction{Action: a.Number, Do: string(a.Do), Text: a.Text, Optional: a.Optional}
		for _, n := range a.Targets {
			action.Targets = append(action.Targets, checkedTarget{all[n].Host, all[n].Name})
		}
		c.Actions = append(c.Actions, action)
	}
	if dp.Stop.LastBeatFirst {
		c.Stop.Order = "last-beat-first"
	}
}
