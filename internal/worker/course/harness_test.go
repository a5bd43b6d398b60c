package course

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is when the tests' runs begin.
var epoch = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

const (
	testLease = 30 * time.Second
	testGrace = 2 * time.Second
)

// job has two processes, p.0 and p.1, with numbers 0 and 1; change adapts it.
func job(change ...func(*message.Job)) *message.Job {
	j := &message.Job{
		Run: "01RUN", Host: "alpha", Since: "01RUN", LeaseMS: testLease.Milliseconds(), GraceMS: testGrace.Milliseconds(), WindowBytes: 1 << 20,
		Commands: []message.Command{process(0), process(1)},
	}
	for _, c := range change {
		c(j)
	}
	return j
}

func process(n int) message.Command {
	return message.Command{Name: fmt.Sprintf("p.%d", n), Phase: message.PhaseRun, Group: "p", Index: n, Argv: []string{"./p"}, OKExit: []int{0}}
}

// step adds commands of a phase, which last up to 10 s.
func step(phase message.Phase, names ...string) func(*message.Job) {
	return func(j *message.Job) {
		for _, name := range names {
			j.Commands = append(j.Commands, message.Command{
				Name: name, Phase: phase, Argv: []string{"./" + name, "-v"}, OKExit: []int{0}, TimeoutMS: 10_000,
			})
		}
	}
}

// steps gives a job setup.0, teardown.0 and teardown.1, with numbers 2 to 4.
func steps(j *message.Job) {
	step(message.PhaseSetup, "setup.0")(j)
	step(message.PhaseTeardown, "teardown.0", "teardown.1")(j)
}

func collecting(j *message.Job) { j.Collect = []string{"*"} }
func shipping(j *message.Job)   { j.Files = []message.File{{Path: "data", Text: "x"}} }

// A site is a run on virtual time, and what came of it.
type site struct {
	t   *testing.T
	run *Run
	job *message.Job
	now time.Time
	// did are the effects since they were last looked at, in short; see show.
	did []string
	// again is when a run that is finished sent again what is not acknowledged.
	again []time.Time
	// said are all the events that were logged or sent.
	said []*message.Event
	done []*message.Event // that were logged last
	kept *message.DoneInfo
}

func testConfig(j *message.Job) Config {
	return Config{Job: j, Lease: time.Hour, Version: "v9", Features: []message.Feature{message.FeatureSetup}}
}

func newSite(t *testing.T, change ...func(*message.Job)) *site {
	t.Helper()
	j := job(change...)
	return &site{t: t, job: j, now: epoch, run: New(testConfig(j), epoch)}
}

// found is a run that a worker finds at its start.
func found(t *testing.T, in Recovered, change ...func(*message.Job)) *site {
	t.Helper()
	j := job(change...)
	s := &site{t: t, job: j, now: epoch, run: Recover(testConfig(j), epoch)}
	s.in(in)
	return s
}

// in feeds inputs.
func (s *site) in(inputs ...Input) *site {
	s.t.Helper()
	for _, in := range inputs {
		s.take(s.run.Step(s.now, in))
	}
	return s
}

// pass lets time pass. The run is called as it wants to be.
func (s *site) pass(d time.Duration) *site {
	s.t.Helper()
	until := s.now.Add(d)
	for {
		next := s.run.Next()
		if next.IsZero() || next.After(until) {
			break
		}
		if next.Before(s.now) {
			s.t.Fatalf("the run wants to be called at %s, which is over", next.Sub(epoch))
		}
		s.now = next
		s.take(s.run.Step(s.now, nil))
		if again := s.run.Next(); !again.IsZero() && !again.After(s.now) {
			s.t.Fatalf("the run wants to be called again at once, at %s", s.now.Sub(epoch))
		}
	}
	s.now = until
	return s
}

func (s *site) take(effects []Effect) {
	for _, e := range effects {
		if e == (Ack{Resend: true}) && s.run.State() == Finished {
			s.again = append(s.again, s.now)
			continue
		}
		s.did = append(s.did, show(e))
		if e, ok := e.(Journal); ok {
			s.said = append(s.said, e.Event)
		}
		if e, ok := e.(JournalLast); ok {
			s.said = append(s.said, e.Event)
			s.done = append(s.done, e.Event)
		}
		if e, ok := e.(KeepEnd); ok {
			kept := *e.Done
			s.kept = &kept
		}
		if e, ok := e.(Reply); ok {
			s.said = append(s.said, e.Event)
		}
	}
}

// want compares the effects since it was called last, and the state.
func (s *site) want(state State, effects string) *site {
	s.t.Helper()
	if got := strings.Join(s.did, ", "); got != effects {
		s.t.Errorf("effects:\n got %s\nwant %s", got, effects)
	}
	if s.run.State() != state {
		s.t.Errorf("the run is %s, want %s", s.run.State(), state)
	}
	s.did = nil
	return s
}

// skip forgets what was done.
func (s *site) skip() *site {
	s.did = nil
	return s
}

// last is the newest event of a kind.
func (s *site) last(kind message.EventKind) *message.Event {
	s.t.Helper()
	for _, e := range slices.Backward(s.said) {
		if e.Kind == kind {
			return e
		}
	}
	s.t.Fatalf("no %s was said", kind)
	return nil
}

// count is how many events of a kind there were.
func (s *site) count(kind message.EventKind) int {
	n := 0
	for _, e := range s.said {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// ask feeds a control of that kind.
func (s *site) ask(kind message.ControlKind) *site { return s.tell(message.Control{Kind: kind}) }

func (s *site) tell(c message.Control) *site {
	s.t.Helper()
	return s.in(ControlTaken{Control: &c, Taken: s.now, Last: 7})
}

// stop is a stop by the publisher.
func (s *site) stop() *site {
	return s.tell(message.Control{Kind: message.Stop, Cause: message.StopAbort, Reason: "why", GraceMS: 1000})
}

// ended is the end of a command with that status.
func (s *site) ended(command, code int) CommandEnded {
	return CommandEnded{Exit: &message.ExitedInfo{Command: command, ExitCode: code, StartedAt: s.now, EndedAt: s.now.Add(time.Second)}, Total: streams.Total{StdoutLines: 1}}
}

// interrupted is the end of a command that got TERM.
func (s *site) interrupted(command int) CommandEnded {
	return CommandEnded{Exit: &message.ExitedInfo{Command: command, ExitCode: -1, Signal: "SIGTERM", StartedAt: s.now, EndedAt: s.now, Stopped: true}}
}

// exit is the end of a process.
func (s *site) exit(command int) Exited {
	return Exited{&message.ExitedInfo{Command: command, StartedAt: s.now, EndedAt: s.now}}
}

func setDone() SetDone { return SetDone{Totals: []streams.Total{{StdoutBytes: 5}, {StdoutBytes: 6}}} }

// reach takes the run on to a state, as if all went well, and forgets what was done on
// the way.
func (s *site) reach(state State) *site {
	s.t.Helper()
	for range 30 {
		if s.run.State() == state && s.run.task != makingDir && s.run.task != supplying {
			return s.skip()
		}
		s.goOn(state)
	}
	s.t.Fatalf("the run is %s, want it %s", s.run.State(), state)
	return nil
}

// goOn feeds what comes next on the way to a state.
func (s *site) goOn(to State) {
	s.t.Helper()
	switch s.run.State() {
	case Waiting:
		s.in(Granted{})
	case SettingUp, Preparing:
		s.in(s.taskDone())
	case Ready:
		s.ask(message.Commit)
	case Committed:
		s.tell(message.Control{Kind: message.Start, At: s.now.Add(time.Second)})
	case Armed:
		s.in(Released{})
	case Running:
		if to == Stopping {
			s.stop()
		} else {
			s.in(setDone())
		}
	case Stopping:
		s.in(setDone())
	case TearingDown:
		s.in(s.taskDone())
	case Collecting:
		s.in(Collected{&message.FileTotals{Files: 1}})
	case Clearing:
		s.in(Cleared{})
	case Finished:
		s.in(AllAcked{})
	case Found, Over:
	}
}

// taskDone is the good end of what is under way.
func (s *site) taskDone() Input {
	switch s.run.task {
	case makingDir:
		return DirMade{}
	case supplying:
		return Supplied{}
	case runningCommand:
		return s.ended(s.run.sequence.running, 0)
	case preparing:
		return Prepared{Hold: "ptrace"}
	case noTask:
	}
	s.t.Fatal("nothing is under way")
	return nil
}

// tornDown ends the commands of the teardown, if there are any.
func (s *site) tornDown() *site {
	for s.run.State() == TearingDown {
		s.in(s.ended(s.run.sequence.running, 0))
	}
	return s
}

// show gives an effect in short.
func show(e Effect) string {
	switch e := e.(type) {
	case Yield:
		return "yield"
	case LeaveHost:
		return "leave host"
	case MakeDir:
		if e.Owe {
			return "make dir and owe"
		}
		return "make dir"
	case Supply:
		return "supply"
	case RunCommand:
		return fmt.Sprintf("run %d", e.Command)
	case Prepare:
		if e.Open {
			return "prepare open"
		}
		return "prepare"
	case Interrupt:
		return "interrupt"
	case Release:
		if e.Beat > 0 {
			return fmt.Sprintf("release beat %d at %s", e.Beat, at(e.At))
		}
		return "release at " + at(e.At)
	case BeginSamples:
		return "begin samples at " + at(e.At)
	case EndSamples:
		return "end samples"
	case Act:
		return showAct(&e)
	case Probe:
		return fmt.Sprintf("probe %d.%d", e.Command, e.Life)
	case EndProbe:
		return fmt.Sprintf("end probe %d", e.Command)
	case GatherFacts:
		return "gather facts"
	case HurryFacts:
		return "hurry facts"
	case CloseSet:
		return "close set"
	case Answered:
		return showAnswer(&e)
	case Collect:
		if e.Anew {
			return "collect anew"
		}
		return "collect"
	case StopCollecting:
		return "stop collecting: " + e.Reason
	case Clear:
		return "clear"
	case Discard:
		return "discard"
	case Stop:
		if e.FromBeat > 0 {
			return fmt.Sprintf("stop from beat %d at %s with %s", e.FromBeat, at(e.At), e.Grace)
		}
		return fmt.Sprintf("stop at %s with %s", at(e.At), e.Grace)
	case BeginTeardown:
		return "begin teardown"
	case EndTeardown:
		return "end teardown"
	case KeepEnd:
		return "keep end"
	case NoteLeft:
		return "note left"
	case End:
		if e.Keep {
			return "end and keep"
		}
		return "end"
	case Journal:
		return "log " + string(e.Event.Kind)
	case JournalLast:
		return "log last " + string(e.Event.Kind)
	case Reply:
		return "reply " + string(e.Event.Kind)
	case Ack:
		if e.Resend {
			return fmt.Sprintf("ack %d and resend", e.Seq)
		}
		return fmt.Sprintf("ack %d", e.Seq)
	case Log:
		return "remark " + [...]string{"stopping", "yielded", "refused", "command failed", "collection ended", "log end lost", "publisher silent"}[e.What]
	}
	panic("an effect of a kind that isn't known")
}

func showAct(e *Act) string {
	text := fmt.Sprintf("%s %d at %s as #%d", e.Do, e.Command, at(e.At), e.Token)
	switch e.Do {
	case message.ActSignal:
		text += " by " + e.Signal
	case message.ActPause:
		text += " for " + e.For.String()
	case message.ActStop:
		text += " with " + e.Grace.String()
	case message.ActStart, message.ActRun:
	}
	return text
}

func showAnswer(e *Answered) string {
	text := fmt.Sprintf("answer #%d", e.Token)
	if !e.At.IsZero() {
		text += " at " + at(e.At)
	}
	if e.Value != nil {
		text += " with " + string(e.Value)
	}
	if e.TimedOut {
		text += " too late"
	}
	if e.Error != "" {
		text += ": " + e.Error
	}
	return text
}

// at gives an instant as it is seen from the beginning of the test.
func at(t time.Time) string { return t.Sub(epoch).String() }
