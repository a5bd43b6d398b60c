package conduct

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// Step is wanted exactly when something is due: who calls it each millisecond beside sees
// the same effects at the same times as who calls it only with what happens and when Next
// says so.
func TestNothingIsDoneLateOrEarly(t *testing.T) {
	t.Parallel()
	seeds := uint64(16)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		want, end := play(t, seed, 0)
		got, _ := play(t, seed, time.Millisecond)
		if !slices.Equal(got, want) {
			at := 0
			for at < min(len(got), len(want)) && got[at] == want[at] {
				at++
			}
			t.Fatalf("seed %d: effect %d of %d is %s, want %s", seed, at, len(got), rest(got, at), rest(want, at))
		}
		if end > 4*time.Minute {
			t.Errorf("seed %d: it took %s", seed, end)
		}
	}
}

func rest(trace []string, at int) string {
	if at < len(trace) {
		return trace[at]
	}
	return "nothing"
}

// play plays a run with hosts that do what they are asked to as a rule, through a network
// that is late and loses some, and gives its effects. It calls Step that often beside.
func play(t *testing.T, seed uint64, every time.Duration) (trace []string, took time.Duration) {
	t.Helper()
	l := newHarness(t)
	draw := rand.New(rand.NewPCG(seed, 11))
	l.spec.Lease = time.Duration(2+draw.IntN(10)) * time.Second
	l.spec.ReadyTimeout, l.spec.CompleteWithin = time.Duration(1+draw.IntN(20))*time.Second, 10*time.Second
	l.spec.Timeout = time.Duration(5+draw.IntN(30)) * time.Second
	l.spec.Stop = StopRule{After: time.Duration(draw.IntN(20)) * time.Second, Grace: 2 * time.Second, OnFailure: draw.IntN(2) == 0}
	if draw.IntN(3) == 0 {
		l.spec.Stop.When = []string{"g0"}
	}
	var robots []*robot
	for i := range 1 + draw.IntN(3) {
		w := l.worker(fmt.Sprintf("host%d", i), proc("g0", 0), proc("g1", 1), step(message.PhaseSetup, 0), step(message.PhaseTeardown, 0))
		if draw.IntN(3) == 0 {
			w.job.Collect = []string{"*"}
		}
		w.direct, w.directTakes = draw.IntN(3) > 0, time.Duration(draw.IntN(40_000))*time.Microsecond
		robots = append(robots, &robot{worker: w, draw: rand.New(rand.NewPCG(seed, uint64(i))), loss: draw.Float64() * 0.2})
	}
	l.spec.Direct = draw.IntN(2) == 0
	l.start()
	for _, r := range robots {
		r.later(func() { r.begin() })
	}
	if draw.IntN(4) == 0 {
		l.later(time.Duration(draw.IntN(20_000))*time.Millisecond, func() { l.input(Interrupted{Reason: "interrupted"}) })
	}
	seen := 0
	look := func() {
		for _, e := range l.effects[seen:] {
			trace = append(trace, fmt.Sprintf("%s %T %s", l.now.Sub(epoch), e, summary(e)))
		}
		seen = len(l.effects)
		for _, r := range robots {
			r.obeyAll()
		}
	}
	look()
	for until := epoch.Add(time.Hour); !l.run.Over(); {
		if every > 0 {
			until = l.now.Truncate(every).Add(every)
		}
		if l.happen(until) {
			look()
			continue
		}
		if every == 0 {
			t.Fatalf("seed %d: it does not end, and is %s", seed, l.run.Stage())
		}
		l.now = until
		before := len(l.effects)
		l.input(nil)
		if len(l.effects) > before {
			t.Fatalf("seed %d: at %s there is %+v, and Step was not wanted", seed, l.now.Sub(epoch), l.effects[before])
		}
	}
	return trace, l.now.Sub(epoch)
}

// summary is what is compared of an effect.
func summary(e Effect) string {
	switch e := e.(type) {
	case Send:
		return fmt.Sprint(e.Host, e.Control.Kind, e.Control.Ack, e.Control.Resend, e.Control.At, e.Control.Reason)
	case HostMoved:
		return fmt.Sprint(e.Host, e.Phase, e.Detail)
	case SendJob, Inquire, Measure, Ship, Store, StoreFiles, StoreSamples, CloseFiles, Flush, Started, Exited, BeatBegins, ProcessReady, Acted, Marked, StopBegun, HostsFree, Warn:
	}
	return ""
}

// A robot is a host that does what it is asked to, after a while.
type robot struct {
	*worker
	draw  *rand.Rand
	loss  float64 // the share of what it sends that is lost
	stage string
	over  bool
}

// later does something after a while, now and then after a long one.
func (r *robot) later(do func()) {
	after := time.Duration(r.draw.IntN(30_000)) * time.Microsecond
	if r.draw.IntN(20) == 0 {
		after = time.Duration(r.draw.IntN(4000)) * time.Millisecond
	}
	r.l.later(after, do)
}

// tells logs an event and has it come after a while, or not at all.
func (r *robot) tells(c Content) {
	a := r.logs(c, 100)
	r.arrives(a)
}

func (r *robot) arrives(a Received) {
	if r.draw.Float64() >= r.loss {
		r.later(func() { r.sends(a) })
	}
}

func (r *robot) event(e message.Event) { r.tells(Event{&e}) }

func (r *robot) begin() {
	if r.draw.IntN(10) == 0 {
		r.muted = true // it never answers
		return
	}
	r.event(message.Event{Kind: message.SettingUp})
	r.command(2, 0)
	r.ready()
}

func (r *robot) ready() {
	r.stage = "ready"
	r.event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Features: message.Features(), Clock: listening}})
}

func (r *robot) command(n, code int) {
	r.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: n, PID: 9, StartedAt: r.clock()}}})
	r.tells(r.writes(n, streams.Stdout, "x\n"))
	r.event(message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{Command: n, ExitCode: code, StartedAt: r.clock(), EndedAt: r.clock()}})
}

// obeyAll does what it was asked to since.
func (r *robot) obeyAll() {
	for _, c := range r.controls {
		r.later(func() { r.obeys(c) })
	}
	r.controls = nil
	for _, after := range r.resends {
		for _, a := range r.log[min(after, uint64(len(r.log))):] {
			r.arrives(a)
		}
	}
	r.resends = nil
}

func (r *robot) obeys(c message.Control) {
	switch {
	case r.over || r.muted:
	case c.Kind == message.Commit && (r.stage == "ready" || r.stage == "committed"):
		if r.stage == "ready" && r.draw.IntN(8) == 0 {
			r.event(message.Event{Kind: message.Waiting, Waiting: &message.WaitingInfo{Behind: otherRun}})
			r.event(message.Event{Kind: message.SettingUp})
			r.command(2, 0)
			r.later(r.ready)
			r.stage = "waiting"
			return
		}
		r.stage = "committed"
		r.event(message.Event{Kind: message.Committed})
	case c.Kind == message.Uncommit && r.stage == "committed":
		r.ready()
	case c.Kind == message.Start && r.stage == "committed":
		r.stage = "running"
		r.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{PID: 7, StartedAt: c.At}, {Command: 1, PID: 8, StartedAt: c.At}}})
		r.l.later(time.Duration(r.draw.IntN(10_000))*time.Millisecond, func() { r.ends() })
	case c.Kind == message.Stop:
		stopped := message.Event{Kind: message.Stopping, Time: c.At, Stopping: &message.StoppingInfo{Cause: c.Cause}}
		if r.stage == "running" {
			r.event(stopped)
		}
		r.finish(true)
	}
}

func (r *robot) ends() {
	if !r.over {
		r.finish(false)
	}
}

// finish reports the end of both processes, and of all.
func (r *robot) finish(stopped bool) {
	if r.over {
		return
	}
	r.over = true
	if r.stage == "running" {
		for n := range 2 {
			e := message.ExitedInfo{Command: n, StartedAt: r.clock(), EndedAt: r.clock(), ExitCode: r.draw.IntN(2) * r.draw.IntN(2)}
			if stopped {
				e.ExitCode, e.Signal, e.Stopped = -1, "SIGTERM", true
			}
			r.event(message.Event{Kind: message.Exited, Exited: &e})
		}
	}
	r.event(message.Event{Kind: message.TearingDown})
	r.command(3, 0)
	d := &message.DoneInfo{Outcome: message.HostDone, Totals: slices.Clone(r.totals)}
	if r.job.Collect != nil && r.stage == "running" {
		r.event(message.Event{Kind: message.Ended})
		r.tells(packed(file("x", strings.Repeat("x", 9))))
		d.Files = &message.FileTotals{Files: 1, Bytes: 9}
	} else if r.job.Collect != nil {
		d.Files = &message.FileTotals{}
	}
	r.event(message.Event{Kind: message.Done, Done: d})
}

// Whatever a host says, once it falls silent or the run is interrupted the run comes to its
// end, and each of its hosts and processes to an outcome. (One that says that it waits for
// another run is waited for.)
func TestWhateverAHostSaysTheRunEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l := newHarness(t)
		l.spec.Lease, l.spec.Timeout = 8*time.Second, 30*time.Second
		alpha, bravo := l.worker("alpha", proc("a", 0), step(message.PhaseSetup, 0), step(message.PhaseTeardown, 0)), l.worker("bravo", proc("b", 0))
		alpha.job.Collect = []string{"*"}
		l.start()
		bravo.ready()
		for range rapid.IntRange(0, 12).Draw(rt, "events") {
			if rapid.Bool().Draw(rt, "as it should be") {
				sayNext(alpha)
			} else {
				alpha.event(*drawAnything(rt, alpha))
			}
			l.advance(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "pause")) * time.Millisecond)
		}
		if rapid.Bool().Draw(rt, "silent") {
			alpha.muted = true
		} else {
			l.input(Interrupted{Reason: "interrupted"})
		}
		res := l.end()
		if res.Outcome == "" || res.Outcome == outcome.RunSucceeded {
			rt.Fatalf("outcome %q (%s), and bravo has never started", res.Outcome, res.Reason)
		}
		for i, h := range res.Hosts {
			if h.Outcome == "" || res.Processes[i].Outcome == "" {
				rt.Fatalf("host %d %q, its process %q", i, h.Outcome, res.Processes[i].Outcome)
			}
		}
	})
}

// sayNext says what should come next of a host that has come so far.
func sayNext(w *worker) {
	switch w.l.run.hosts[w.index].phase {
	case Asked, Waiting, Fetching:
		w.settingUp()
	case SettingUp:
		w.step(1, 0)
		w.ready()
	case Withdrawing:
		w.step(2, 0)
		w.waiting(otherRun)
	case Ready:
		w.committed()
	case Committed:
		w.started(w.clock())
	case Released:
		w.exit(0, 0)
		w.tearingDown()
	case TearingDown:
		w.step(2, 0)
		w.event(message.Event{Kind: message.Ended})
	case Ended:
		w.accounts(message.FileTotals{})
	case Completed:
	}
}

func drawAnything(t *rapid.T, w *worker) *message.Event {
	switch rapid.IntRange(0, 6).Draw(t, "what") {
	case 0:
		return &message.Event{Kind: message.Waiting, Waiting: &message.WaitingInfo{Behind: otherRun}}
	case 1:
		return &message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Features: message.Features()}}
	case 2:
		return &message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: "no"}}
	case 3:
		return &message.Event{Kind: message.Stopping, Stopping: &message.StoppingInfo{Cause: message.StopLease}}
	}
	return drawEvent(t, w.clock())
}
