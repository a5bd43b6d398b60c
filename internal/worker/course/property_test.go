package course

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/message"
)

// A fake host carries effects out, as far as a run's rules need it, and checks that they
// make sense.
type fakeHost struct {
	t   *rapid.T
	run *Run
	job *message.Job
	now time.Time

	working     func(well bool) Input // ends what is under way
	collecting  bool
	clearing    bool
	has, asked  bool // it has the host; it waits for it
	owed        bool // a teardown
	torn        bool // which has begun
	down        int  // commands of the teardown still to come
	held, alive bool // prepared; released and not ended
	set         *fakeSet
	committed   bool // and nothing else since
	ended       bool // the last event is logged
	over        bool

	asks map[uint64]bool
	book book
}

func (h *fakeHost) feed(in Input) {
	for _, e := range h.run.Step(h.now, in) {
		h.carryOut(e)
	}
	if in != nil {
		for _, e := range h.run.Step(h.now, nil) {
			h.carryOut(e)
		}
	}
	if next := h.run.Next(); !next.IsZero() && !next.After(h.now) {
		h.t.Fatalf("%s: it wants to be called again at once", h.run.State())
	}
}

func (h *fakeHost) must(holds bool, what string) {
	if !holds {
		h.t.Fatalf("%s: %s", h.run.State(), what)
	}
}

func (h *fakeHost) begin(end func(well bool) Input) {
	h.must(h.has, "something is begun without the host")
	h.must(h.working == nil && !h.held && !h.alive, "something is begun beside something else")
	h.working = end
}

func (h *fakeHost) carryOut(e Effect) {
	h.must(!h.over, "something is done after the end")
	switch e := e.(type) {
	case Yield:
		h.must(h.has && h.working == nil && !h.held && !h.owed, "the host is given back before it is free")
		h.has = false
	case LeaveHost:
		h.must(h.working == nil && !h.held && !h.alive && !h.owed, "the host is left before it is free")
		h.has, h.asked = false, false
	case MakeDir:
		h.owed, h.torn = e.Owe, false
		h.begin(func(well bool) Input {
			if !well {
				h.owed = false
				return DirMade{Err: "no space"}
			}
			return DirMade{}
		})
	case Supply:
		h.begin(func(well bool) Input {
			if !well {
				return Supplied{Err: "gone"}
			}
			return Supplied{}
		})
	case Prepare:
		h.begin(func(well bool) Input {
			h.held = well
			if !well {
				return Prepared{Err: "no such file"}
			}
			h.set = newFakeSet(h, e.Open)
			return Prepared{}
		})
	case RunCommand:
		if h.job.Commands[e.Command].Phase == message.PhaseTeardown {
			h.must(h.down > 0, "a command of the teardown comes by itself")
			h.down--
		}
		h.begin(func(well bool) Input {
			exit := &message.ExitedInfo{Command: e.Command, StartedAt: h.now, EndedAt: h.now}
			if !well {
				exit.ExitCode = 1
			}
			return CommandEnded{Exit: exit}
		})
	case GatherFacts, HurryFacts, BeginSamples, EndSamples: // these jobs ask for none
	case Interrupt:
	case Discard:
		h.must(h.held, "nothing is held")
		h.held = false
	case Release:
		h.must((h.held || h.alive) && h.committed, "the release is of nothing that is committed")
		h.held, h.alive = false, true
		h.set.release(e.Beat)
	case Stop:
		h.must(h.alive, "nothing is there to stop")
		h.set.stop(e.FromBeat)
	case Act:
		h.must(h.alive, "something is done to what has not been released")
		h.set.act(e)
	case CloseSet:
		h.set.close()
	case Probe:
		h.must(h.set.procs[e.Command].alive, "what is probed does not run")
	case EndProbe:
	case Answered:
		h.must(h.asks[e.Token], "an answer is for nothing that was asked")
		delete(h.asks, e.Token)
	case BeginTeardown:
		h.must(h.owed && h.has, "no teardown is owed")
		h.down, h.torn = 2, true
	case EndTeardown:
		h.must(h.owed && h.torn && h.down == 0 && h.working == nil, "the teardown is not over")
		h.owed = false
	case KeepEnd:
		h.must(!h.alive, "the end is known before it comes")
	case Collect:
		h.must(!h.has && !h.alive, "files are collected too early")
		h.collecting = true
	case StopCollecting:
		h.must(h.collecting, "nothing is collected")
	case Clear:
		h.must(!h.collecting && !h.alive && !h.held && h.working == nil, "the directory is removed too early")
		h.clearing = true
	case NoteLeft, Ack, Reply, Log:
	case Journal:
		h.must(!h.ended, "something follows the last event")
		h.book.enter(h, e.Event)
		switch e.Event.Kind {
		case message.Committed:
			h.committed = true
		case message.Ready, message.Waiting:
			h.committed = false
		default:
		}
	case JournalLast:
		h.must(!h.ended && !h.has && !h.asked, "the last event comes twice, or before the host is free")
		h.ended = true
	case End:
		h.over = true
		h.must(len(h.asks) == 0, "somebody waits for an answer")
	}
}

// In any order of events nothing runs without the host, the host is free before the end is
// told, the teardown that is owed is run, and the run comes to an end.
func TestRunKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := job(drawChanges(t)...)
		h := &fakeHost{t: t, job: j, now: epoch, run: New(testConfig(j), epoch), asked: true, asks: map[uint64]bool{}}
		h.live(t)
	})
}

// So it does whatever happens once it has been released, with all that can happen then.
func TestReleasedRunKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := job(append(drawChanges(t), drawInTime(t)...)...)
		h := &fakeHost{t: t, job: j, now: epoch, run: New(testConfig(j), epoch), asked: true, asks: map[uint64]bool{}}
		for h.run.State() != Ready {
			h.goOn(true)
		}
		h.feed(ControlTaken{Control: &message.Control{Kind: message.Commit}, Taken: h.now})
		h.feed(ControlTaken{Control: &message.Control{Kind: message.Start, At: h.now}, Taken: h.now})
		h.live(t, "stop", "leave", "gone", "log fails", "unreadable") // which would soon be the end
	})
}

// So it does if it was found at the worker's start.
func TestFoundRunKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := job(drawChanges(t)...)
		h := &fakeHost{t: t, job: j, now: epoch, run: Recover(testConfig(j), epoch), asks: map[uint64]bool{}}
		var in Recovered
		switch rapid.SampledFrom([]string{"lost", "ended", "collecting", "collected"}).Draw(t, "found") {
		case "lost":
			in.Reason, h.asked = "died", true
			h.owed = j.Has(message.PhaseTeardown) && rapid.Bool().Draw(t, "owed")
			in.Owed = h.owed
		case "ended":
			in.Ended, h.ended = true, true
		case "collecting":
			in.Resume = &message.DoneInfo{}
		case "collected":
			in.Resume = &message.DoneInfo{Files: &message.FileTotals{}}
		}
		if rapid.Bool().Draw(t, "leaves") {
			h.feed(Leaving{})
		}
		h.feed(in)
		h.live(t)
	})
}

func drawChanges(t *rapid.T) []func(*message.Job) {
	var change []func(*message.Job)
	if rapid.Bool().Draw(t, "steps") {
		change = append(change, steps)
	}
	if rapid.Bool().Draw(t, "collects") {
		change = append(change, collecting)
	}
	if rapid.Bool().Draw(t, "ships") {
		change = append(change, shipping)
	}
	if rapid.Bool().Draw(t, "in time") {
		change = append(change, drawInTime(t)...)
	}
	return change
}

func drawInTime(t *rapid.T) []func(*message.Job) {
	change := []func(*message.Job){
		eventful, restarting(1, message.RestartAlways, 3, 2*time.Second), readyBy(1, message.Readiness{Line: "x", WithinMS: 3000}),
	}
	if rapid.Bool().Draw(t, "timed alone") {
		change = append(change, acting(
			message.Action{Number: 0, Do: message.ActStart, AfterMS: 3000, Commands: []int{0}},
			message.Action{Number: 1, Do: message.ActSignal, Signal: "KILL", AfterMS: 2000, Commands: []int{0, 1}},
		))
	}
	return change
}

// live has anything happen to the run; then the publisher is silent, the host does its
// part, and the run has to end.
func (h *fakeHost) live(t *rapid.T, without ...string) {
	tell := func(c message.Control) func(*rapid.T) {
		return func(*rapid.T) { h.feed(ControlTaken{Control: &c, Taken: h.now, Last: 5}) }
	}
	may := map[string]func(*rapid.T){
		"keepalive": tell(message.Control{Kind: message.Keepalive}),
		"ahead":     tell(message.Control{Kind: message.Keepalive, Ack: 9}),
		"commit":    tell(message.Control{Kind: message.Commit}),
		"uncommit":  tell(message.Control{Kind: message.Uncommit}),
		"beat":      tell(message.Control{Kind: message.Start, Beat: 1, At: epoch}),
		"part stop": tell(message.Control{Kind: message.Stop, Cause: message.StopRule, FromBeat: 1}),
		"act":       func(t *rapid.T) { h.call(rapid.IntRange(0, 3).Draw(t, "turn")) },
		"ask":       func(*rapid.T) { h.ask() },
		"ready":     func(t *rapid.T) { h.ready(rapid.IntRange(0, 1).Draw(t, "command")) },
		"start":     tell(message.Control{Kind: message.Start, At: epoch}),
		"stop":      tell(message.Control{Kind: message.Stop, Cause: message.StopRule}),
		"on":        func(t *rapid.T) { h.goOn(rapid.IntRange(0, 9).Draw(t, "well") > 0) },
		"further":   func(t *rapid.T) { h.goOn(true) },
		"wound": func(*rapid.T) {
			if h.has {
				h.feed(Wounded{})
			}
		},
		"pass":       func(t *rapid.T) { h.pass(time.Duration(rapid.IntRange(0, 12_000).Draw(t, "ms")) * time.Millisecond) },
		"leave":      func(*rapid.T) { h.feed(Leaving{}) },
		"gone":       func(*rapid.T) { h.feed(PublisherGone{}) },
		"log fails":  func(*rapid.T) { h.feed(LogFailed{"no space"}) },
		"unreadable": func(*rapid.T) { h.feed(LogUnreadable{"damaged"}) },
		"unlogged": func(*rapid.T) {
			if h.ended {
				h.feed(LastFailed{"no space"})
			}
		},
	}
	for _, name := range without {
		delete(may, name)
	}
	t.Repeat(may)
	for range 100 {
		h.goOn(true)
		h.pass(time.Second)
	}
	if !h.run.Over() || !h.over || h.has {
		t.Fatalf("in the end the run is %s, and has the host: %t", h.run.State(), h.has)
	}
}

// goOn ends one thing that is under way.
func (h *fakeHost) goOn(well bool) {
	switch {
	case h.working != nil:
		end := h.working
		h.working = nil
		h.feed(end(well))
	case h.alive:
		if h.set.goOn(well) {
			h.alive = false
			h.feed(TermSent{At: h.now})
			h.feed(SetDone{})
		}
	case h.collecting:
		h.collecting = false
		h.feed(Collected{&message.FileTotals{}})
	case h.clearing:
		h.clearing = false
		h.feed(Cleared{})
	case h.asked && !h.has:
		h.has = true
		h.feed(Granted{})
	case h.run.State() == Finished && well:
		h.feed(AllAcked{})
	}
}

func (h *fakeHost) pass(d time.Duration) {
	until := h.now.Add(d)
	for next := h.run.Next(); !next.IsZero() && !next.After(until); next = h.run.Next() {
		h.now = next
		h.feed(nil)
	}
	h.now = until
}
