package sim

import (
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
	"downbeat/internal/worker/course"
)

// A hostRun is a run on a host: its rules, and what they have had begun.
type hostRun struct {
	worker *worker
	w      *world
	ledger *ledgerHost
	core   *course.Run
	clock  runClock
	dir    *runDir
	window *course.Window

	serials []uint64 // of the controls that were taken
	mail    mail[course.Input]
	soon    bool    // mail is about to be read
	wakeAt  instant // when the rules want to be called

	draining, waking call // of drain and of wake

	set       *set                // of the processes
	step      *set                // of a command of the setup or the teardown
	last      *message.ExitedInfo // how that command ended
	questions []*question         // of processes, by their tokens, from 1
	watched   []int               // how many lines of each watch were told of
	probes    map[int]*probe      // the last of each process
	interrupt func()              // ends what is under way early; nil: nothing is
	wants     func(*chunk)

	// The journal.
	batch    []message.Segment
	flushing bool
	flushed  instant
	tallies  []streams.Tally
	failed   bool // the log takes no more
	sampling bool // samples are taken
	missing  bool // output was dropped since
	late     []*message.Event
	mute     bool

	collecting  string // why collecting is to be broken off; empty: it is not
	stopReading func() // ends the reading of a file early
	over        bool
}

func newHostRun(w *worker, dir *runDir) *hostRun {
	t := &hostRun{
		worker: w, w: w.h.w, dir: dir, clock: w.h.clock.forRun(), wakeAt: never,
		ledger: w.h.w.ledger.on(dir.job.Run, w.h), tallies: dir.tallies(),
	}
	t.draining, t.waking = t.drain, t.wake
	t.window = course.NewWindow(int(dir.job.WindowBytes), 0, t.now())
	return t
}

func (t *hostRun) now() time.Time { return t.clock.at(t.w.e.now) }

// post has the rules told of something.
func (t *hostRun) post(in course.Input) {
	t.mail.put(in)
	t.read()
}

func (t *hostRun) read() {
	if t.soon {
		return
	}
	t.soon = true
	t.w.e.plan(max(t.w.e.now, t.worker.h.stalled), t.draining)
}

// drain has the rules take everything in that was posted.
func (t *hostRun) drain() {
	t.soon = false
	if t.worker.h.stalled > t.w.e.now && !t.worker.dead {
		t.read()
		return
	}
	for !t.mail.empty() && !t.over && !t.worker.dead {
		t.feed(t.mail.take())
	}
}

// feed has the rules take one step, and carries out what they ask for.
func (t *hostRun) feed(in course.Input) {
	t.carry(t.core.Step(t.now(), in))
	if t.worker.dead || t.over {
		return
	}
	if t.w.idle.percent(t.w.plan.IdleSteps) {
		t.after(time.Duration(t.w.idle.below(5_000_000)), t.idle)
	}
	t.plan()
}

// idle has the rules take a step when they have not asked for one, which changes nothing.
func (t *hostRun) idle() {
	if next := t.core.Next(); !next.IsZero() && !next.After(t.now()) {
		return
	}
	if effects := t.core.Step(t.now(), nil); len(effects) > 0 {
		t.w.ledger.violate("a step with nothing to do: %s does %T", t.worker.h.name, effects[0])
	}
}

// plan has the rules called when they want to be.
func (t *hostRun) plan() {
	if t.over || t.worker.dead {
		return
	}
	next := t.core.Next()
	if next.IsZero() {
		return
	}
	at := max(t.clock.local(next), t.w.e.now)
	if at >= t.wakeAt {
		return
	}
	t.wakeAt = at
	t.w.e.plan(at, t.waking)
}

// wake has the rules called if it is now that they want to be.
func (t *hostRun) wake() {
	if t.wakeAt != t.w.e.now || t.over || t.worker.dead {
		return
	}
	if stalled := t.worker.h.stalled; stalled > t.w.e.now {
		t.wakeAt = stalled
		t.w.e.plan(stalled, t.waking)
		return
	}
	t.wakeAt = never
	t.carry(t.core.Step(t.now(), nil))
	t.plan()
}

// carry carries effects out, until the worker dies of it.
func (t *hostRun) carry(effects []course.Effect) {
	for _, e := range effects {
		t.do(e)
		if t.worker.dead || t.worker.h.effect() {
			return
		}
	}
}

// do carries one effect out.
func (t *hostRun) do(e course.Effect) {
	switch e := e.(type) {
	case course.Yield:
		t.ledger.yields++
		t.ledger.prepared = false
		t.worker.yield(t)
	case course.LeaveHost:
		t.worker.free(t)
	case course.MakeDir:
		t.makeDir(e.Owe)
	case course.Supply:
		t.supply()
	case course.RunCommand:
		t.runCommand(e.Command)
	case course.Prepare:
		t.prepare(e.Open)
	case course.GatherFacts:
		t.after(t.ledger.part.factsTake(), func() { t.post(course.FactsGathered{Facts: new(message.FactsInfo)}) })
	case course.Interrupt:
		if t.interrupt != nil {
			t.interrupt()
		}
	case course.Release:
		t.release(e)
	case course.BeginSamples:
		t.beginSamples()
	case course.EndSamples:
		t.endSamples()
	case course.Probe:
		t.probe(e)
	case course.EndProbe:
		t.endProbe(e.Command)
	case course.Act:
		t.act(e)
	case course.CloseSet:
		t.set.close()
	case course.Answered:
		t.answered(e)
	case course.Collect:
		t.collect(e.Anew)
	case course.StopCollecting:
		t.collecting = e.Reason
		t.stopReading()
	case course.Clear:
		t.after(t.ledger.part.ClearTakes, func() { t.post(course.Cleared{}) })
	case course.Discard:
		if t.set != nil {
			t.set.sink = nil
			t.set.stop(t.w.e.now, 0)
			t.set = nil
		}
	case course.Stop:
		t.stop(e)
	case course.EndTeardown:
		t.dir.owed = false
	case course.KeepEnd:
		done := *e.Done
		t.dir.end = &done
	case course.HurryFacts, course.BeginTeardown, course.NoteLeft:
	case course.End:
		t.end(e.Keep)
	case course.Journal:
		t.journal(e.Event)
	case course.JournalLast:
		t.journalLast(e.Event)
	case course.Reply:
		t.reply(e.Event)
	case course.Ack:
		t.ack(e.Seq, e.Resend)
	case course.Log:
		if e.What == course.PublisherSilent {
			t.w.ledger.givenUp(t.ledger)
		}
	}
}

func (t *hostRun) makeDir(owe bool) {
	t.dir.owed = t.dir.owed || owe
	why := ""
	if t.worker.h.disk.full {
		why = "no space left on device"
	}
	t.post(course.DirMade{Err: why})
}

func (t *hostRun) release(e course.Release) {
	at := t.clock.local(e.At)
	if t.w.notes != nil {
		t.w.note("%s: %s will be released in %s", t.worker.h.name, t.w.short(t.dir.job.Run), time.Duration(at-t.w.e.now))
	}
	t.ledger.release(e.Beat, at)
	t.set.release(e.Beat, at)
}

// after has something done later, if the worker is still there then.
func (t *hostRun) after(d time.Duration, do func()) {
	t.w.e.after(d, func() {
		if !t.worker.dead && !t.over {
			do()
		}
	})
}

func (t *hostRun) end(keep bool) {
	if t.w.notes != nil {
		t.w.note("%s: %s is over here", t.worker.h.name, t.w.short(t.dir.job.Run))
	}
	t.over = true
	t.w.ledger.over(t.dir.job.Run, t.worker.h)
	t.worker.forget(t, keep)
}

// control hands a control on.
func (t *hostRun) control(c *message.Control, taken time.Time) {
	t.post(course.ControlTaken{Control: c, Taken: taken, Last: t.dir.last()})
}

// mustStop checks that processes which are to be released, or have been, are told to end
// at the instant that a stop says, or at once.
func (t *hostRun) mustStop(c *message.Control) {
	s := t.set
	if c.FromBeat > 0 || s == nil || s.state != setArmed && s.state != setRunning {
		return
	}
	at := t.w.e.now
	if !c.At.IsZero() {
		at = max(at, t.clock.local(c.At))
	}
	at = max(at, t.worker.h.stalled)
	t.w.e.at(at.add(5*time.Millisecond), func() {
		if s.sink != nil && (s.state == setArmed || s.state == setRunning) && t.w.e.now >= t.worker.h.stalled.add(5*time.Millisecond) {
			t.w.ledger.violate("together: %s is told to stop %s, and does not", t.worker.h.name, t.w.short(s.run))
		}
	})
}

func (t *hostRun) config() course.Config {
	features := simulated
	if t.w.plain {
		features = features[:plainFeatures]
	}
	return course.Config{Job: t.dir.job, Lease: workerLease, Version: "sim", Features: features, Clock: t.answersAt()}
}

func (t *hostRun) stop(e course.Stop) {
	at := t.clock.local(e.At)
	t.ledger.stop(e.FromBeat, at)
	if e.FromBeat > 0 {
		t.set.stopBeats(e.FromBeat, at, e.Grace)
		return
	}
	t.set.stop(at, e.Grace)
}

// plainFeatures is how many of those of [simulated] the hosts of scenarios have: these need
// no more, and what they say of themselves is written down.
const plainFeatures = 5

// simulated is what hosts of the simulator can do.
var simulated = []message.Feature{
	message.FeatureSetup, message.FeatureTeardown, message.FeaturePty, message.FeatureFiles, message.FeatureCollect,
	message.FeatureBeats, message.FeatureReady, message.FeatureRestart, message.FeatureActions, message.FeatureStops, message.FeatureSamples,
}

// workerLease is the longest that workers let a publisher be silent.
const workerLease = 25 * time.Second

// recover takes up what a worker before has left of the run.
func (t *hostRun) recover(swept, left int) {
	found := course.Recovered{Ended: t.dir.ended(), Resume: t.dir.end, Owed: t.dir.owed, Swept: swept}
	for _, tally := range t.tallies {
		found.Totals = append(found.Totals, tally.Total())
	}
	if left > 0 {
		found.Left = &course.Remains{Left: []message.Leftover{{PID: 1, Command: "hangs"}}}
		found.Resume = nil
	}
	if !found.Ended && found.Resume == nil {
		found.Reason = "the worker on " + t.worker.h.name + " died in mid-run"
	}
	t.core = course.Recover(t.config(), t.now())
	t.worker.enter(t)
	t.feed(found)
	if !t.worker.dead && !t.over && t.core.State() == course.Waiting {
		t.worker.admit(t)
	}
	t.pump()
}
