package worker

import (
	"context"
	"errors"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/streams"
	"downbeat/internal/worker/course"
)

// processes are a run's commands of [message.PhaseRun], as one set of the runner's.
type processes struct {
	runner  *runner.Runner
	mail    *mailbox
	numbers []int // of each, among the job's commands

	// Of the goroutine that prepares until its end is posted, and then of the one
	// that owns the run.
	set *runner.Set
	// Of the one that owns the run.
	phase setPhase
}

// setPhase is what may still be heard of a set.
type setPhase uint8

const (
	setHeld     setPhase = iota // nothing, until it is released
	setReleased                 // that TERM was sent, and that it is over
	setStopped                  // that it is over
	setOver                     // nothing
)

// preparation prepares and holds the processes; hide makes a text fit for others' eyes.
func (p *processes) preparation(spec runner.Spec, hide func(string) string) func(context.Context) course.Input {
	return func(ctx context.Context) course.Input {
		set, err := p.runner.Prepare(ctx, spec)
		if err != nil {
			return notPrepared(err, hide)
		}
		p.set = set
		return course.Prepared{Hold: string(set.Hold()), Unheld: set.Unheld()}
	}
}

func notPrepared(err error, hide func(string) string) course.Prepared {
	refused := course.Prepared{Err: err.Error()}
	if each, ok := errors.AsType[*runner.PrepareError](err); ok {
		for _, problem := range each.Problems {
			refused.Problems = append(refused.Problems, message.Problem{Process: problem.Name, Reason: hide(problem.Err.Error())})
		}
	}
	return refused
}

// discard kills a set that was never released: none of its processes has
// executed an instruction, and that takes no time worth speaking of.
func (p *processes) discard() {
	p.set.Stop(time.Now(), 0, 0)
	<-p.set.Done()
	p.set = nil
}

// release lets the processes begin at that instant, for which a goroutine of task waits.
// The set knows of it at once: a stop that comes next must not find it still held.
func (p *processes) release(at time.Time, task *task) {
	p.phase = setReleased
	set := p.set
	_ = set.Arm(0, at) // it can only be armed once, which it is
	task.begin(func(context.Context) course.Input {
		<-set.Released(0)
		return course.Released{}
	})
}

// termSent is closed when the processes are sent TERM; nil if that is of no interest.
func (p *processes) termSent() <-chan struct{} {
	if p.phase != setReleased {
		return nil
	}
	return p.set.Stopped(0)
}

// done is closed when no process is left; nil if that is of no interest.
func (p *processes) done() <-chan struct{} {
	if p.phase != setReleased && p.phase != setStopped {
		return nil
	}
	return p.set.Done()
}

// stopped reports when the processes were sent TERM, by the run's clock.
func (p *processes) stopped(c *clock.Clock) course.TermSent {
	p.phase = setStopped
	return course.TermSent{At: c.At(p.set.StoppedAt(0))}
}

// over reports what the processes have come to.
func (p *processes) over() course.SetDone {
	p.phase = setOver
	result := p.set.Result()
	return course.SetDone{Swept: result.Swept, Left: remains(result.Left), Totals: result.Totals}
}

// remains are processes that can't be ended, as the run tells of them; nil if none.
func remains(left *runner.LeftError) *course.Remains {
	if left == nil {
		return nil
	}
	all := new(course.Remains)
	for _, l := range left.Left {
		all.Left = append(all.Left, message.Leftover{PID: l.PID, Command: l.Command})
	}
	if left.Unseen != nil {
		all.Unseen = left.Unseen.Error()
	}
	return all
}

// A processSink is what the runner sees of a run while its processes run. The runner
// calls it from goroutines of its own.
type processSink struct {
	numbers []int
	clock   *clock.Clock
	journal *journal
	mail    *mailbox
}

// Started implements [runner.Sink].
func (s *processSink) Started(command int, start runner.Start) {
	s.mail.post(course.Begun{Started: message.StartedInfo{Command: s.numbers[command], PID: start.PID, StartedAt: s.clock.At(start.At)}})
}

// Output implements [runner.Sink].
func (s *processSink) Output(command int, stream streams.Stream, at time.Time, data []byte) {
	s.journal.output(s.numbers[command], stream, at, data)
}

// Exited implements [runner.Sink].
func (s *processSink) Exited(command int, exit runner.Exit) {
	s.mail.post(course.Exited{Exit: exitedInfo(s.clock, s.numbers[command], &exit)})
}

// exitedInfo is the end of a command on the run's clock.
func exitedInfo(c *clock.Clock, command int, e *runner.Exit) *message.ExitedInfo {
	info := &message.ExitedInfo{
		Command: command, ExitCode: e.Code, Signal: e.Signal,
		UserUS: e.User.Microseconds(), SystemUS: e.System.Microseconds(), MaxRSSBytes: e.MaxRSS,
		Stopped: e.Stopped, Killed: e.Killed,
	}
	if !e.Started.IsZero() {
		info.StartedAt, info.EndedAt = c.At(e.Started), c.At(e.Ended)
	}
	if e.Err != nil {
		info.Reason, info.Left = e.Err.Error(), errors.Is(e.Err, runner.ErrNotEnded)
	}
	return info
}
