// Worker is Downbeat's daemon: one on every host that takes part in experiments.
// It takes the host's jobs from the queue, starts each job's processes at the
// agreed instant, and reports everything they do. It is configured by the
// environment alone; `worker --help` lists the variables.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"downbeat/internal/interrupt"
	"downbeat/internal/outlet"
	"downbeat/internal/queue/dial"
	"downbeat/internal/runner"
	"downbeat/internal/secrecy"
	"downbeat/internal/version"
)

func main() {
	if runner.GuardMain(os.Args) {
		return
	}
	exposed := secrecy.Hide()
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 4)
	watched := []os.Signal{syscall.SIGTERM, syscall.SIGINT}
	if !signal.Ignored(syscall.SIGHUP) { // it is under nohup
		watched = append(watched, syscall.SIGHUP)
	}
	signal.Notify(signals, watched...)
	// A run goes on when the reader of the log has exited: writing fails with EPIPE. SIGPIPE is
	// caught and not ignored, because processes would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go obey(signals, cancel)
	stdout := &outlet.Checked{W: os.Stdout}
	status := run(ctx, os.Args[1:], stdout, os.Stderr, exposed)
	if err := stdout.Err(); err != nil && !outlet.Gone(err) && status == exitOK {
		fmt.Fprintf(os.Stderr, "worker: standard output: %v\n", err)
		status = exitFailed
	}
	os.Exit(status)
}

// obey calls leave at the first signal, for a proper end. The second signal, if it comes more
// than a second later (see [interrupt.Signals]), ends the program as it would by default, and
// the runner's guard ends the processes; the next start then reports the run as lost.
func obey(signals chan os.Signal, leave func()) {
	var seen interrupt.Signals
	for s := range signals {
		switch seen.Next() {
		case interrupt.Stop:
			leave()
		case interrupt.Leave:
			signal.Reset(s)
			_ = syscall.Kill(os.Getpid(), s.(syscall.Signal))
		case interrupt.Repeat:
		}
	}
}

// lastWordsWithin bounds the wait at the end for a reader of the log that takes nothing.
const lastWordsWithin = time.Second

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the configuration is wrong
	exitQueue  = 3 // the queue can't be reached: with --check only, because the daemon keeps trying
)

// run carries out one command line and returns the exit status; exposed is the error if other
// programs can read this one's memory.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, exposed error) int {
	if len(args) > 0 && args[0] == "sync" {
		return syncMain(ctx, args[1:], stdout, stderr)
	}
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { printHelp(stdout) }
	check := flags.Bool("check", false, "check configuration and connection, and exit")
	showVersion := flags.Bool("version", false, "print the version, and exit")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitOK
	} else if err != nil {
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "worker: it takes no arguments, not %q; it is configured by the environment (see worker --help)\n", dial.RedactAll(flags.Args()))
		return exitUsage
	}
	if *showVersion {
		fmt.Fprintln(stdout, "worker", version.String())
		return exitOK
	}
	c, err := configure()
	if err != nil {
		fmt.Fprintf(stderr, "worker: %v\n", err)
		return exitUsage
	}
	c.exposed = exposed
	if *check {
		err = c.check(ctx, stdout)
	} else {
		// Nothing that the worker does waits for the reader of its log.
		log := outlet.NewLog(stderr, c.dropped)
		defer log.Close(lastWordsWithin)
		stderr = log
		err = c.serve(ctx, log)
	}
	if err != nil {
		fmt.Fprintf(stderr, "worker: %v\n", err)
		return statusOf(err)
	}
	return exitOK
}
