package conduct

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// epoch is when the runs of these tests begin, in virtual time.
var epoch = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

const (
	hostSkew     = 5 * time.Second      // by how much the hosts' clocks are ahead
	oneWay       = 1 * time.Millisecond // what a message takes
	readyTimeout = 20 * time.Second
)

// testRun is the id of the run of these tests, ownRun another of the same publisher and
// otherRun one of another publisher.
const (
	testRun  = "01JD5W9M4QX3T0C9V8Z7Y6R5PK"
	ownRun   = "01JD5W9M4PX3T0C9V8Z7AAAAAA"
	otherRun = "01JD5W9M4PQQQQQQQQQQAAAAAA"
)

// A harness is a run in virtual time, with hosts that say what the test tells them to.
type harness struct {
	t    *testing.T
	spec Spec
	run  *Run
	now  time.Time

	hosts    []*worker
	coming   []appointment // what happens later, in order
	effects  []Effect
	told     map[string][]Phase // of each host
	details  map[string]string
	stored   map[string]string // what was written, by host/command.stream
	causes   []message.StopCause
	exited   int
	steps    []int
	warned   []Warning
	freed    []outcome.Run
	measures []Measure
	known    string // what is known of hosts that don't answer
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	return &harness{
		t: t, now: epoch, told: make(map[string][]Phase), details: make(map[string]string), stored: make(map[string]string),
		known: "no worker is connected",
		spec: Spec{
			Run: testRun, Timeout: time.Hour, ReadyTimeout: readyTimeout, Lease: readyTimeout / 2,
			Stop: StopRule{Grace: 7 * time.Second, OnFailure: true},
		},
	}
}

// start begins the run.
func (l *harness) start() {
	l.t.Helper()
	processes, rest := 0, 0 // numbers, those of the rest after all processes'
	for _, w := range l.hosts {
		rest += w.job.Count(message.PhaseRun)
	}
	for _, w := range l.hosts {
		w.job.GraceMS, w.job.Needs = l.spec.Stop.Grace.Milliseconds(), w.job.Uses()
		var numbers []int
		for i := range w.job.Commands {
			if w.job.Commands[i].Phase == message.PhaseRun {
				numbers = append(numbers, processes)
				processes++
			} else {
				numbers = append(numbers, rest)
				rest++
			}
		}
		l.spec.Hosts = append(l.spec.Hosts, HostSpec{Job: w.job, Numbers: numbers})
	}
	l.run = New(l.spec, l.now)
	l.input(nil)
}

// input has the run take it now.
func (l *harness) input(in Input) {
	l.t.Helper()
	for _, e := range l.run.Step(l.now, in) {
		l.carryOut(e)
	}
	l.check()
	for n := 0; !l.run.Over() && !l.run.Next().IsZero() && !l.run.Next().After(l.now); n++ {
		if n == 10_000 {
			l.t.Fatal("Step is wanted again and again, and does nothing")
		}
		for _, e := range l.run.Step(l.now, nil) {
			l.carryOut(e)
		}
		l.check()
	}
}

// carryOut does what an effect says.
func (l *harness) carryOut(e Effect) {
	l.effects = append(l.effects, e)
	switch e := e.(type) {
	case SendJob:
		l.hosts[e.Host].jobs++
	case Send:
		w := l.hosts[e.Host]
		c := *e.Control
		if c.Ack > w.told && w.unflushed {
			l.t.Fatalf("%s is told that event %d is safe before it is on the disk", w.host, c.Ack)
		}
		w.told = max(w.told, c.Ack)
		if c.Probe != nil {
			probe := *c.Probe
			probe.SentAt = l.now
			c.Probe = &probe
		}
		l.later(oneWay, func() { w.control(c) })
	case Measure:
		l.measures = append(l.measures, e)
		l.later(l.hosts[e.Host].directTakes, func() { l.input(Measured{Host: e.Host, Samples: l.hosts[e.Host].exchanges(e.Times)}) })
	case Inquire:
		l.later(oneWay, func() { l.input(Inquired{Host: e.Host, Late: e.Late, Why: l.known}) })
	case Ship:
		l.hosts[e.Host].shipped = append(l.hosts[e.Host].shipped, e.Want)
	case Store:
		l.hosts[e.Host].unflushed = true
		for _, p := range e.Pieces {
			l.stored[fmt.Sprintf("%s/%s.%s", l.hosts[e.Host].host, l.run.commands[p.Command].Name, p.Stream)] += string(p.Data)
		}
	case StoreFiles:
		l.hosts[e.Host].unflushed = true
		for range e.Pieces {
			l.hosts[e.Host].pieces++
		}
	case StoreSamples:
		l.hosts[e.Host].unflushed = true
		l.hosts[e.Host].blocks = append(l.hosts[e.Host].blocks, slices.Clone(e.Block))
	case CloseFiles:
		l.hosts[e.Host].closed = append(l.hosts[e.Host].closed, e)
	case HostMoved:
		host := l.hosts[e.Host].host
		l.told[host] = append(l.told[host], e.Phase)
		l.details[host] = e.Detail
	case Started, BeatBegins, ProcessReady, Acted, Marked:
	case Flush:
		for _, w := range l.hosts {
			w.unflushed = false
		}
	case Exited:
		if e.Ran.Phase == message.PhaseRun {
			l.exited++
		} else {
			l.steps = append(l.steps, e.Command)
		}
	case StopBegun:
		l.causes = append(l.causes, e.Cause)
	case HostsFree:
		l.freed = append(l.freed, e.Outcome)
	case Warn:
		l.warned = append(l.warned, e.What)
	}
}

// end lets time pass until the run is over, and gives what it came to.
func (l *harness) end() Result {
	l.t.Helper()
	for until := l.now.Add(time.Hour); !l.run.Over(); {
		if !l.happen(until) {
			l.t.Fatalf("the run does not end: it is %s", l.run.Stage())
		}
	}
	return l.run.Result()
}

// hostOf picks a host's result.
func (l *harness) hostOf(res Result, host string) HostResult {
	l.t.Helper()
	return res.Hosts[slices.IndexFunc(l.hosts, func(w *worker) bool { return w.host == host })]
}

// wants makes sure that the run came to that, for a reason that contains the text.
func (l *harness) wants(res Result, word outcome.Run, reason string) {
	l.t.Helper()
	if res.Outcome != word || !strings.Contains(res.Reason, reason) || reason == "" && res.Reason != "" {
		l.t.Errorf("outcome %s (%s), want %s (%s)", res.Outcome, res.Reason, word, reason)
	}
}
