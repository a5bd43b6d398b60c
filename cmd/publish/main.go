// Publish runs an experiment: it sends each host its part of a datapoint over the queue, starts
// all processes at one instant, collects their output, and writes it to disk.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"downbeat/internal/interrupt"
	"downbeat/internal/runner"
	"downbeat/internal/secrecy"
)

func main() {
	if runner.GuardMain(os.Args) {
		return
	}
	if err := secrecy.Hide(); err != nil {
		fmt.Fprintf(os.Stderr, "publish: warning: processes of this user may read what publish knows: %v\n", err)
	}
	lower := raiseHeapFloor()
	var at stage
	ctx, release := interruptible(context.Background(), &at)
	status := run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr, &at})
	release()
	lower()
	os.Exit(status)
}

// stdio holds the standard streams of a command.
type stdio struct {
	in       io.Reader
	out, err *os.File
	at       *stage
}

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, std stdio) int {
	root, a := newRoot(std)
	root.SetArgs(args)
	status := a.statusOf(ctx, root.ExecuteContext(ctx))
	if err := a.closeRunner(); err != nil {
		a.say("publish: warning: %v\n", err)
	}
	if !a.deliver() && status == exitOK {
		status = exitFailed
	}
	if a.live != nil {
		a.live.Close()
	}
	return status
}

// statusOf prints an error and returns its exit status.
func (a *app) statusOf(ctx context.Context, err error) int {
	if err == nil || a.told(err) {
		return exitOK
	}
	var e *exitError
	if !errors.As(err, &e) {
		// Cobra's own errors are about the command line.
		e = &exitError{status: exitUsage, err: fmt.Errorf("%w (see publish --help)", err)}
	}
	if i, ok := errors.AsType[*interruption](context.Cause(ctx)); ok && e.status == exitUnreachable {
		e = &exitError{status: exitSignal + int(i.signal), err: i} // while connecting: nothing was started
	}
	if e.err != nil {
		a.say("publish: %v\n", e.err)
	}
	return e.status
}

// Exit statuses; see the contract in docs/guide.md.
const (
	exitOK          = 0
	exitFailed      = 1 // a datapoint failed, was refused, lost or timed out
	exitUsage       = 2 // the file, a flag or the configuration is wrong
	exitUnreachable = 3 // the queue, or a host: nothing was started
	exitSignal      = 128
)

// An exitError ends the program with that status; err, if any, is printed.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(err error) error { return &exitError{exitUsage, err} }

// An interruption is the cause with which a signal ends the context.
type interruption struct{ signal syscall.Signal }

func (i *interruption) Error() string {
	names := map[syscall.Signal]string{
		syscall.SIGINT: "interrupted", syscall.SIGTERM: "told to terminate", syscall.SIGHUP: "the terminal was closed",
	}
	return names[i.signal]
}

// interruptible makes a context that is cancelled by the first SIGINT, SIGTERM or SIGHUP. The
// second one, if it comes more than a second later, ends the program at once (see
// [interrupt.Signals]).
func interruptible(parent context.Context, at *stage) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 4)
	watched := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // it is under nohup
		watched = append(watched, syscall.SIGHUP)
	}
	signal.Notify(signals, watched...)
	// When the reader of standard output has exited, the run must go on: the results have
	// everything. Writes then fail with EPIPE. SIGPIPE is caught and not ignored, because the
	// processes of embedded workers would inherit that it is ignored.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ended := make(chan struct{})
	go obey(signals, ended, func(s syscall.Signal) { cancel(&interruption{s}) }, func(s syscall.Signal) { leave(s, at.parting()) })
	return ctx, func() {
		signal.Stop(signals)
		close(ended)
		cancel(nil)
	}
}

// obey calls stop at the first signal and leave at the second, until ended is closed.
func obey(signals <-chan os.Signal, ended <-chan struct{}, stop, leave func(syscall.Signal)) {
	var seen interrupt.Signals
	for {
		select {
		case s := <-signals:
			switch seen.Next() {
			case interrupt.Stop:
				stop(s.(syscall.Signal))
			case interrupt.Leave:
				leave(s.(syscall.Signal))
			case interrupt.Repeat:
			}
		case <-ended:
			return
		}
	}
}

// A stage is how far the program has come, as far as it matters for what to say when it is
// ended at once.
type stage struct {
	playing    atomic.Bool // the workers are embedded in this process
	delivering atomic.Bool // everything is over except that readers still take output
}

// parting says what will happen to the run when the program ends at once.
func (s *stage) parting() string {
	switch {
	case s.delivering.Load():
		return "what was not printed yet is in the results"
	case s.playing.Load():
		return "the processes end with it"
	}
	return "workers stop the run by themselves when its lease is over"
}

// leave ends the program. It does not wait for a reader that does not take its last message.
func leave(s syscall.Signal, words string) {
	said := make(chan struct{})
	go func() {
		defer close(said)
		fmt.Fprintln(os.Stderr, "publish: leaving at once; "+words)
	}()
	select {
	case <-said:
	case <-time.After(lastWordsWithin):
	}
	os.Exit(exitSignal + int(s))
}

// lastWordsWithin bounds the wait for a reader that takes nothing.
const lastWordsWithin = 200 * time.Millisecond
