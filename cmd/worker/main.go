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

	"downbeat/internal/interrupt"
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
	if !signal.Ignored(syscall.SIGHUP) { // as nohup would have it
		watched = append(watched, syscall.SIGHUP)
	}
	signal.Notify(signals, watched...)
	go obey(signals, cancel)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr, exposed)
	os.Exit(status)
}

// obey leaves in order at the first signal. The second, which is one that comes
// later than a second after it (see [interrupt.Signals]), ends the program as
// signals do, and the runner's guard what it has started; the next start then
// reports the run as lost.
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

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the configuration is wrong
	exitQueue  = 3 // the queue can't be reached: with --check only, as the daemon goes on trying
)

// run carries out one command line and returns the exit status; exposed is why
// others may read what this program knows.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, exposed error) int {
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { printHelp(stdout) }
	check := flags.Bool("check", false, "check configuration and connection, and leave")
	showVersion := flags.Bool("version", false, "print the version, and leave")
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
		err = c.serve(ctx, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "worker: %v\n", err)
		return statusOf(err)
	}
	return exitOK
}
