package campaign

import (
	"context"
	"errors"
	"sync"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// A Runner makes runs, and is told how the campaign gets on. All calls come from the
// goroutine that called [Run], in the order of what they tell.
type Runner interface {
	// Make reserves a run of the attempt. Nothing is sent for it yet.
	Make(Attempt) (Task, error)
	// Retrying tells that another attempt follows the run that was over last.
	Retrying(Retry)
	// Pausing tells that the campaign pauses before the next datapoint.
	Pausing(Pause)
}

// A Task is one run that is to be made.
type Task interface {
	// Run is the run's id.
	Run() string
	// Number is which attempt at its datapoint it is, from 1, those of earlier campaigns
	// included.
	Number() int
	// Do makes the run. It returns once the record is written, with an error if that
	// can't be done. It is called once, on a goroutine of its own.
	//
	// No process is released before the channel open is closed. Do calls ended at most
	// once, when no process of the run is left on any host. When ctx ends, it stops the
	// run; one that was not open by then leaves nothing behind, and what Do returns of it
	// is not looked at.
	Do(ctx context.Context, open <-chan struct{}, ended func(outcome.Run)) (results.Record, error)
	// Opened tells that the run is about to be opened: it is the one to show.
	Opened(Progress)
	// Over tells how a run went that was opened. Do has returned.
	Over(Report)
}

// ErrGivenUp is the cause with which the context of a run ends that was not opened, and
// is not wanted any more.
var ErrGivenUp = errors.New("another run comes first")

// Run runs a campaign to its end, and returns when all its runs are over. When ctx ends,
// it stops the run under way, with the cause of ctx, and begins no other.
func Run(ctx context.Context, config Config, runner Runner) Result {
	d := &driver{
		campaign: New(config), runner: runner, tasks: make(map[string]*begun),
		answers: []Input{Begin{}}, inputs: make(chan Input, mostInputs),
	}
	for d.result == nil {
		in := d.wait(ctx)
		for _, effect := range d.campaign.Step(time.Now(), in) {
			d.carryOut(ctx, effect)
		}
	}
	d.running.Wait()
	return *d.result
}

// mostInputs is how many inputs may wait, so that no run waits for the driver: there
// are two runs at most at a time, with two inputs each.
const mostInputs = 4

// A driver carries out what a campaign decides. It belongs to the goroutine that called
// [Run], but for inputs, on which the goroutines of the runs send.
type driver struct {
	campaign    *Campaign
	runner      Runner
	tasks       map[string]*begun // by run
	answers     []Input           // to what was carried out
	interrupted bool
	result      *Result

	inputs  chan Input
	running sync.WaitGroup
}

// A begun is a task that has a goroutine.
type begun struct {
	Task
	open   chan struct{}
	cancel context.CancelCauseFunc
}

// wait gives the next input; nil: time has passed.
func (d *driver) wait(ctx context.Context) Input {
	done := ctx.Done()
	switch {
	case d.interrupted:
		done = nil
	case ctx.Err() != nil: // whatever else there is
		d.interrupted = true
		return Interrupt{}
	}
	if len(d.answers) > 0 {
		in := d.answers[0]
		d.answers = d.answers[1:]
		return in
	}
	var passed <-chan time.Time
	if next := d.campaign.Next(); !next.IsZero() {
		passed = time.After(time.Until(next))
	}
	select {
	case in := <-d.inputs:
		return in
	case <-done:
		d.interrupted = true
		return Interrupt{}
	case <-passed:
		return nil
	}
}

func (d *driver) carryOut(ctx context.Context, effect Effect) {
	switch e := effect.(type) {
	case Make:
		d.make(ctx, e.Attempt)
	case Open:
		d.tasks[e.Run].Opened(e.Progress)
		close(d.tasks[e.Run].open)
	case GiveUp:
		d.tasks[e.Run].cancel(ErrGivenUp)
		delete(d.tasks, e.Run)
	case Stop:
		d.tasks[e.Run].cancel(context.Cause(ctx))
	case Report:
		d.tasks[e.Run].Over(e)
		delete(d.tasks, e.Run)
	case Retry:
		d.runner.Retrying(e)
	case Pause:
		d.runner.Pausing(e)
	case Finish:
		d.result = &e.Result
	}
}

// make makes a run of the attempt and has its hosts prepare it.
func (d *driver) make(ctx context.Context, a Attempt) {
	task, err := d.runner.Make(a)
	if err != nil {
		d.answers = append(d.answers, NotMade{err})
		return
	}
	d.answers = append(d.answers, Made{Attempt: a, Run: task.Run(), Number: task.Number()})
	s := &begun{Task: task, open: make(chan struct{})}
	// The campaign decides what an interrupt ends.
	ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	d.tasks[task.Run()] = s
	d.running.Go(func() {
		defer s.cancel(nil)
		record, err := task.Do(ctx, s.open, func(o outcome.Run) { d.inputs <- Ended{task.Run(), o} })
		d.inputs <- Over{task.Run(), record, err}
	})
}
