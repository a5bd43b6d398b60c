// Pproc runs commands concurrently on this host and prints their lines, whole, as they come.
// All of them start at the same instant, or none does, and when it ends nothing of them is
// left.
//
// Standard output carries only the commands' standard output and standard error
// only their standard error and pproc's own notices, each beginning "pproc: ".
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"downbeat/internal/outlet"
	"downbeat/internal/runner"
)

func main() {
	if runner.GuardMain(os.Args) {
		return
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit statuses, besides those of commands.
const (
	exitFailed    = 1 // something went wrong that is not a command's fault
	exitUsage     = 2
	exitTimeout   = 124 // as of timeout(1)
	exitForbidden = 126 // a command can't be executed
	exitNotFound  = 127 // a command isn't there
	exitSignal    = 128 // and the signal's number
)

// run is pproc with these arguments; it returns the exit status.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	root := newRoot(in, out, errs)
	help := &outlet.Checked{W: out}
	root.SetOut(help)
	root.SetArgs(args)
	err := root.Execute()
	if err == nil && help.Err() != nil && !outlet.Gone(help.Err()) {
		err = &statusError{exitFailed, help.Err()}
	}
	if err == nil {
		return 0
	}
	var status *statusError
	if !errors.As(err, &status) { // cobra's own errors are about the flags
		fmt.Fprintf(errs, "pproc: %v (see pproc --help)\n", err)
		return exitUsage
	}
	if status.err != nil {
		fmt.Fprintf(errs, "pproc: %v\n", status.err)
	}
	return status.status
}

// A statusError ends pproc with a status; err, if any, is printed.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return fmt.Sprintf("exit status %d: %v", e.status, e.err) }
func (e *statusError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &statusError{exitUsage, fmt.Errorf(format, args...)}
}

// signals delivers the signals that ask pproc to stop. It also catches SIGPIPE, by which the Go
// runtime would end the program at once: writing fails with EPIPE instead. SIGPIPE is not
// ignored, because the commands would inherit that.
func signals() (<-chan os.Signal, func()) {
	stop := make(chan os.Signal, 4)
	watched := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		watched = append(watched, syscall.SIGHUP)
	}
	signal.Notify(stop, watched...)
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	return stop, func() {
		signal.Stop(stop)
		signal.Stop(pipes)
	}
}
