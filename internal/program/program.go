// Package program runs a program on this machine, to its end: for a limited time, with a limited
// part of its output kept, and with nothing of it left afterwards. Programs that judge a run are
// run so.
package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"downbeat/internal/lastwords"
	"downbeat/internal/outcome"
	"downbeat/internal/runner"
	"downbeat/internal/streams"
)

// A Command is a program with its arguments.
type Command struct {
	Argv    []string
	Dir     string        // where it starts
	Env     []string      // the whole environment, "KEY=value"
	Timeout time.Duration // more than 0
}

// A Result is what came of a program.
type Result struct {
	// Output is what it wrote to its standard output, or the last [MaxOutput] bytes of that; Cut
	// says that there was more.
	Output []byte
	Cut    bool
	// Err says why it did not succeed: a sentence that goes on after the program's name.
	Err error
	// Undecided says that it says nothing about what it was to judge: it could not be started,
	// or was interrupted.
	Undecided bool
}

// MaxOutput is how much of the end of its standard output is kept, in bytes.
const MaxOutput = 1 << 20

// grace is what a program has between TERM and KILL when its time is over.
const grace = 2 * time.Second

// errTimeout is the cause with which the time of a program ends.
var errTimeout = errors.New("its time is over")

// Mark is the variable by which descendants of a program are known that have left its group.
const Mark = "DOWNBEAT_PROGRAM"

// started counts the programs, to tell them apart.
var started atomic.Uint64

// Run runs a program to its end. When ctx ends, it is stopped.
func Run(ctx context.Context, r *runner.Runner, c Command) Result {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
	defer cancel()
	w := &witness{}
	mark := Mark + "=" + strconv.Itoa(os.Getpid()) + "." + strconv.FormatUint(started.Add(1), 10)
	set, err := r.Prepare(ctx, runner.Spec{
		Commands: []runner.Command{{Argv: c.Argv, Dir: c.Dir, Env: c.Env}}, Sink: w, Mark: []string{mark},
	})
	switch {
	case ctx.Err() != nil && err != nil:
		return w.stopped(ctx, c.Timeout)
	case err != nil:
		return Result{Err: fmt.Errorf("can't be run: %w", bare(err)), Undecided: true}
	}
	_ = set.Release(time.Now()) // it can only be released once, which it is
	select {
	case <-set.Done():
	case <-ctx.Done():
		set.Stop(time.Now(), grace, 0)
		<-set.Done()
	}
	return w.result(ctx, c.Timeout, set.Result())
}

// bare is what is wrong with the one command of a set.
func bare(err error) error {
	if p, ok := errors.AsType[*runner.PrepareError](err); ok {
		return p.Problems[0].Err
	}
	return err
}

// A witness is the [runner.Sink] of a program.
type witness struct {
	mu    sync.Mutex // its methods are called from several goroutines
	exit  *runner.Exit
	out   []byte
	cut   bool
	words [2]lastwords.Finder // of each stream
}

// Started implements [runner.Sink].
func (w *witness) Started(int, runner.Start) {}

// Output implements [runner.Sink].
func (w *witness) Output(_ int, stream streams.Stream, _ time.Time, data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.words[stream].Write(data) // it can't fail
	if stream != streams.Stdout {
		return
	}
	w.out = append(w.out, data...)
	if len(w.out) > 2*MaxOutput {
		w.trim()
	}
}

// trim keeps the end of the output.
func (w *witness) trim() {
	if over := len(w.out) - MaxOutput; over > 0 {
		w.out, w.cut = append(w.out[:0], w.out[over:]...), true
	}
}

// Exited implements [runner.Sink].
func (w *witness) Exited(_ int, exit runner.Exit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.exit = &exit
}

// result is what came of a program that was begun, once its set is over.
func (w *witness) result(ctx context.Context, timeout time.Duration, of runner.Result) Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trim()
	switch {
	case of.Left != nil:
		return Result{Err: fmt.Errorf("could not be ended: %w", of.Left)}
	case w.exit == nil, w.exit.Stopped, w.exit.Killed:
		return w.stopped(ctx, timeout)
	}
	e := outcome.Exit{Code: w.exit.Code, Signal: w.exit.Signal, StartedAt: w.exit.Started, EndedAt: w.exit.Ended}
	if w.exit.Err != nil {
		e.Reason = w.exit.Err.Error()
	}
	word, reason := outcome.Judge(e, outcome.Circumstances{OKExit: []int{0}, Timeout: timeout})
	if word != outcome.CommandSucceeded {
		return Result{Err: errors.New(reason + w.lastWords()), Undecided: w.exit.Err != nil}
	}
	return Result{Output: w.out, Cut: w.cut}
}

// stopped is what came of a program that was made to end.
func (w *witness) stopped(ctx context.Context, timeout time.Duration) Result {
	if cause := context.Cause(ctx); !errors.Is(cause, errTimeout) {
		return Result{Err: fmt.Errorf("was stopped: %w", cause), Undecided: true}
	}
	return Result{Err: fmt.Errorf("was not over within %s%s", timeout, w.lastWords())}
}

// lastWords are the line that says why it failed, of its standard error if it wrote there.
func (w *witness) lastWords() string {
	for _, stream := range []streams.Stream{streams.Stderr, streams.Stdout} {
		if line := w.words[stream].Words(); len(line) > 0 {
			return ": " + string(line)
		}
	}
	return ""
}
