package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/worker/course"
)

// processes are a run's commands that are held together, as one set of the runner's: those
// of [message.PhaseRun] and [message.PhaseAction].
type processes struct {
	runner  *runner.Runner
	mail    *mailbox
	clock   *clock.Clock
	numbers []int       // of each, among the job's commands
	members map[int]int // by that number: which of the set it is

	// Of the goroutine that prepares until its end is posted, and then of the one
	// that owns the run.
	set *runner.Set
	// Of the one that owns the run.
	released bool // something of the set was, and it is not over
	stops    map[int]bool
	watchers sync.WaitGroup // which post what becomes of a release or a stop
}

func newProcesses(job *message.Job, r *runner.Runner, c *clock.Clock, mail *mailbox) *processes {
	p := &processes{runner: r, mail: mail, clock: c, members: make(map[int]int), stops: make(map[int]bool)}
	for n := range job.Commands {
		if isHeld(&job.Commands[n]) {
			p.members[n] = len(p.numbers)
			p.numbers = append(p.numbers, n)
		}
	}
	return p
}

// isHeld reports whether a command is one of the set.
func isHeld(c *message.Command) bool {
	return c.Phase == message.PhaseRun || c.Phase == message.PhaseAction
}

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

// release lets the processes of a beat begin at that instant, and posts when it has come.
// The set knows of it at once: a stop that comes next must not find it still held.
func (p *processes) release(beat int, at time.Time) {
	p.released = true
	set := p.set
	_ = set.Arm(beat, p.clock.Local(at)) // each can only be armed once, which it is
	p.watchers.Go(func() {
		select {
		case <-set.Released(beat):
			p.mail.post(course.Released{Beat: beat})
		case <-set.Done(): // it is over without that
		}
	})
}

// stop has the processes stopped from a beat on, and posts when they were, once for each beat.
func (p *processes) stop(e course.Stop) {
	set, from := p.set, e.FromBeat
	set.Stop(p.clock.Local(e.At), e.Grace, from)
	if p.stops[from] {
		return
	}
	p.stops[from] = true
	p.watchers.Go(func() {
		stopped := set.Stopped(from)
		select {
		case <-stopped:
		case <-set.Done():
			select {
			case <-stopped:
			default: // they had ended by themselves
				return
			}
		}
		p.mail.post(course.TermSent{At: p.clock.At(set.StoppedAt(from)), FromBeat: from})
	})
}

// act has something done to a command. What the set doesn't take, it says at once.
func (p *processes) act(e course.Act) error {
	a := runner.Action{Token: e.Token, Command: p.members[e.Command], At: p.clock.Local(e.At)}
	switch e.Do {
	case message.ActSignal:
		sig, err := signalOf(e.Signal)
		if err != nil {
			return err
		}
		return p.set.Signal(a, sig)
	case message.ActPause:
		return p.set.Pause(a, e.For)
	case message.ActStart, message.ActRun:
		return p.set.Start(a)
	case message.ActStop:
		return p.set.StopCommand(a, e.Grace)
	}
	return fmt.Errorf("%q can't be done here", e.Do)
}

// signalOf is the signal of that name, which is without SIG.
func signalOf(name string) (syscall.Signal, error) {
	sig := unix.SignalNum("SIG" + name)
	if sig == 0 {
		return 0, fmt.Errorf("%s is not a signal of this system", name)
	}
	return sig, nil
}

// done is closed when no process is left; nil if that is of no interest.
func (p *processes) done() <-chan struct{} {
	if !p.released {
		return nil
	}
	return p.set.Done()
}

// over reports what the processes have come to, after all that is posted before.
func (p *processes) over() course.SetDone {
	p.released = false
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
