package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Scenario is a world that is told step by step what happens. A step is a line
// of a few words, perhaps with lines below it that say more; what came of it is
// text. See testdata for what they look like, and [Scenario.Do] for the steps.
type Scenario struct {
	plan  *Plan
	notes *strings.Builder
	w     *world
	told  int // of notes
	rules []*filterRule
}

// A filterRule decides about messages of a kind, to or from a host.
type filterRule struct {
	what string   // hold, drop or twice
	kind string   // of message
	of   []string // a host, a run, or both; none: of any
	left int      // how many more; negative: all
	held []*parcel
}

// concerns reports whether the rule is about a message.
func (r *filterRule) concerns(p *parcel, run string) bool {
	if r.left == 0 || r.kind != p.what() {
		return false
	}
	for _, of := range r.of {
		if of != p.host && of != run {
			return false
		}
	}
	return true
}

// NewScenario makes an empty one.
func NewScenario() *Scenario {
	return &Scenario{plan: &Plan{Network: Network{Delay: time.Millisecond, Ordered: true}}, notes: new(strings.Builder)}
}

// scenarioSteps are the steps, by their first word.
var scenarioSteps = map[string]func(*Scenario, []string, []string) error{
	"hosts":     (*Scenario).hosts,
	"publish":   (*Scenario).publish,
	"advance":   (*Scenario).advance,
	"until":     (*Scenario).until,
	"hold":      (*Scenario).rule,
	"drop":      (*Scenario).rule,
	"twice":     (*Scenario).rule,
	"deliver":   (*Scenario).deliver,
	"kill":      (*Scenario).fault,
	"power-off": (*Scenario).fault,
	"leave":     (*Scenario).fault,
	"cut-off":   (*Scenario).fault,
	"fill-disk": (*Scenario).fault,
	"restart":   (*Scenario).fault,
	"cancel":    (*Scenario).fault,
	"interrupt": (*Scenario).fault,
	"judge":     (*Scenario).verdict,
}

// Do carries out one step and says what came of it:
//
//	hosts alpha bravo ...            there are these hosts, each with a worker
//	publish RUN [KEY=VALUE ...]      begin a run; below it, HOST COMMAND PHASE [KEY=VALUE ...]
//	advance 3s                       let time pass
//	until WORDS                      let time pass until a line with these words came out
//	hold KIND [HOST] [RUN]           keep messages of a kind
//	deliver KIND [HOST] [RUN]        let those go that are kept, and keep no more
//	drop KIND, twice KIND            lose the next one, or have it come twice
//	kill HOST [DURATION]             kill -9 of its worker, which starts again after a while
//	power-off HOST DURATION [KEEPS]  so many of a hundred records are on the disk then
//	leave HOST, cut-off HOST DURATION, fill-disk HOST
//	restart broker DURATION
//	cancel RUN, interrupt RUN, kill publisherN
//	judge                            say how the runs ended, and which promise was broken
func (s *Scenario) Do(step string, below []string) (string, error) {
	words := strings.Fields(step)
	do := scenarioSteps[words[0]]
	if do == nil {
		return "", fmt.Errorf("there is no step %q", words[0])
	}
	if s.w == nil && words[0] != "hosts" {
		return "", fmt.Errorf("hosts comes first")
	}
	if err := do(s, words, below); err != nil {
		return "", err
	}
	out := s.notes.String()[s.told:]
	s.told = s.notes.Len()
	return out, nil
}

func (s *Scenario) hosts(words, _ []string) error {
	for _, name := range words[1:] {
		s.plan.Hosts = append(s.plan.Hosts, Host{Name: name})
	}
	s.w = newWorld(s.plan, s.notes)
	s.w.plain = true
	s.w.net.filter = s.filter
	return nil
}

// advance lets time pass.
func (s *Scenario) advance(words, _ []string) error {
	d, err := time.ParseDuration(words[1])
	if err != nil {
		return err
	}
	until := s.w.e.now.add(d)
	for s.w.e.next(until) {
	}
	s.w.e.now = until
	return nil
}

// until lets time pass until something has been noted.
func (s *Scenario) until(words, _ []string) error {
	wanted := strings.Join(words[1:], " ")
	limit := s.w.e.now.add(10 * time.Minute)
	for !strings.Contains(s.notes.String()[s.told:], wanted) {
		if !s.w.e.next(limit) {
			return fmt.Errorf("it never came to %q; what came was\n%s", wanted, s.notes.String()[s.told:])
		}
	}
	return nil
}

func (s *Scenario) rule(words, _ []string) error {
	r := &filterRule{what: words[0], kind: words[1], of: words[2:], left: 1}
	if r.what == "hold" {
		r.left = -1
	}
	s.rules = append(s.rules, r)
	return nil
}

// filter applies the rules to a message.
func (s *Scenario) filter(p *parcel) int {
	for _, r := range s.rules {
		if !r.concerns(p, s.w.short(p.run)) {
			continue
		}
		r.left--
		switch r.what {
		case "drop":
			s.w.note("(lost: %s)", s.w.parcel(p))
			s.w.hear(p, true)
			return 0
		case "twice":
			return 2
		}
		s.w.note("(held: %s)", s.w.parcel(p))
		r.held = append(r.held, p)
		return 0
	}
	return 1
}

// what is the kind of a message, as the steps name it.
func (p *parcel) what() string {
	switch p.kind {
	case jobParcel:
		return "job"
	case controlParcel, cancelParcel:
		return string(p.control.Kind)
	case chunkParcel:
		return "chunk"
	case eventParcel:
	}
	switch {
	case p.record.event != nil:
		return string(p.record.event.Kind)
	case p.record.output != nil:
		return "output"
	}
	return "files"
}

// deliver lets held messages go, and holds no more of them.
func (s *Scenario) deliver(words, _ []string) error {
	i := slices.IndexFunc(s.rules, func(r *filterRule) bool {
		return r.what == "hold" && r.kind == words[1] && slices.Equal(r.of, words[2:])
	})
	if i < 0 {
		return fmt.Errorf("nothing of that is held")
	}
	r := s.rules[i]
	s.rules = slices.Delete(s.rules, i, i+1)
	for _, p := range r.held {
		s.w.net.post(p, 1)
	}
	return s.advance([]string{"advance", "1ms"}, nil)
}

// fault has something go wrong at once.
func (s *Scenario) fault(words, _ []string) error {
	f := Fault{Keeps: 100}
	kinds := map[string]FaultKind{
		"kill": WorkerKilled, "power-off": HostDown, "leave": WorkerLeaves, "cut-off": HostCutOff, "fill-disk": HostDiskFull,
		"restart": BrokerRestarted, "cancel": Cancelled, "interrupt": Interrupted,
	}
	f.Kind = kinds[words[0]]
	if len(words) > 2 {
		d, err := time.ParseDuration(words[2])
		if err != nil {
			return err
		}
		f.Lasts = d
	} else {
		f.Lasts = Forever
	}
	if len(words) > 3 {
		keeps, err := strconv.Atoi(words[3])
		if err != nil {
			return err
		}
		f.Keeps = keeps
	}
	if f.Kind == BrokerRestarted {
		s.w.strike(&f)
		return nil
	}
	for i, h := range s.w.hosts {
		if h.name == words[1] {
			f.Who = i
			s.w.strike(&f)
			return nil
		}
	}
	for i, p := range s.w.pubs {
		if p.name == words[1] {
			f.Kind, f.Who = PublisherKilled, i
			s.w.strike(&f)
			return nil
		}
		for k, c := range p.runs {
			if s.w.short(c.id) == words[1] {
				f.Who, f.Run = i, k
				if f.Kind == Cancelled {
					s.cancel(p, c.id)
				} else {
					s.w.strike(&f)
				}
				return s.advance([]string{"advance", "0s"}, nil)
			}
		}
	}
	return fmt.Errorf("there is no %q", words[1])
}

// verdict says how the runs ended.
func (s *Scenario) verdict(_, _ []string) error {
	for _, o := range s.w.ledger.outcomes() {
		s.w.note("%s", o)
	}
	return nil
}
