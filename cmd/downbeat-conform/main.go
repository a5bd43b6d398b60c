// Downbeat-conform examines a worker or a publisher that was written in another
// language: it is the other half of each conversation, loses, doubles and reorders
// messages, and holds all that the program says against the rules of docs/protocol.md.
//
// Standard output carries the results, standard error notices.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"downbeat/internal/conform"
	"downbeat/internal/queue"
	"downbeat/internal/runner"
)

func main() {
	if runner.GuardMain(os.Args) {
		return
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// Exit statuses.
const (
	exitFailed      = 1 // a case failed
	exitUsage       = 2
	exitQueue       = 3 // the broker can't be used
	exitInterrupted = 130
)

// run is downbeat-conform with these arguments; it returns the exit status.
func run(args []string, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second one leaves at once
	root := newRoot(out, errs)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	status := statusOf(ctx, err)
	if status != exitFailed || !errors.Is(err, errCaseFailed) { // the cases that failed have been told
		fmt.Fprintf(errs, "downbeat-conform: %v\n", err)
	}
	if status == exitUsage {
		fmt.Fprintln(errs, "See downbeat-conform --help.")
	}
	return status
}

// errCaseFailed: a case failed that was not expected to.
var errCaseFailed = errors.New("a case failed")

// A failure is an error that is not about the command line.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

func statusOf(ctx context.Context, err error) int {
	var f *failure
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.Is(err, queue.ErrBadURL), errors.Is(err, conform.ErrNotRabbitMQ):
		return exitUsage
	case errors.Is(err, conform.ErrBroker):
		return exitQueue
	case errors.Is(err, errCaseFailed), errors.As(err, &f):
		return exitFailed
	}
	return exitUsage
}
