package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oklog/ulid/v2"

	"downbeat/internal/interrupt"
	"downbeat/internal/outcome"
	"downbeat/internal/outlet"
	"downbeat/internal/runner"
	"downbeat/internal/streams"
	"downbeat/internal/terminal"
)

// A job is the commands to run, and when to stop them.
type job struct {
	commands  []runner.Command
	tag       bool
	stopAfter int // how many have to end before the rest is stopped
	timeout   time.Duration
	grace     time.Duration
}

// mark names the environment variable by which pproc recognises its processes.
const mark = "DOWNBEAT_PPROC"

// run runs the job to its end, and waits until its readers have taken the output. The error is
// a *statusError.
func (j *job) run(out, errs io.Writer) error {
	stop, release := signals()
	defer release()
	w := newWatch(j, stop)
	w.prints(out, errs)
	problem := w.run()
	if problem != nil && problem.err != nil {
		w.say("%v", problem.err)
	}
	w.deliver(stop, &w.seen, leave, w.timedOut())
	if problem != nil {
		return &statusError{status: problem.status}
	}
	return w.verdict()
}

// leave ends pproc at once: the kernel and the guard end what is left.
func leave(s os.Signal) { os.Exit(exitSignal + int(s.(syscall.Signal))) }

// run runs the commands. The error says why they could not be run.
func (w *watch) run() *statusError {
	log := slog.New(slog.NewTextHandler(w.outputs, &slog.HandlerOptions{Level: slog.LevelError}))
	r, err := runner.New(runner.Options{Log: log, Exclusive: true, Guard: true})
	if err != nil {
		return &statusError{exitFailed, err}
	}
	defer r.Close() //nolint:errcheck // only that of /dev/null
	set, err := r.Prepare(context.Background(), runner.Spec{
		Commands: w.job.commands, Mark: []string{mark + "=" + ulid.Make().String()}, Sink: w,
	})
	if err != nil {
		return w.prepareError(err)
	}
	if err := set.Release(time.Now()); err != nil {
		return &statusError{exitFailed, err}
	}
	w.see(set)
	return nil
}

// prepareError prints what is wrong with each command, and returns the exit status for the
// first of them: 127 not found, 126 not executable.
func (w *watch) prepareError(err error) *statusError {
	var prepare *runner.PrepareError
	if !errors.As(err, &prepare) {
		return &statusError{exitFailed, err}
	}
	for _, p := range prepare.Problems {
		w.say("%s: %v", w.job.describe(p.Command), p.Err)
	}
	if errors.Is(prepare.Problems[0].Err, fs.ErrNotExist) {
		return &statusError{exitNotFound, nil}
	}
	return &statusError{exitForbidden, nil}
}

// describe names a process for a person.
func (j *job) describe(i int) string {
	c := j.commands[i]
	return fmt.Sprintf("%s (%s)", c.Name, shorten(strings.Join(c.Argv, " ")))
}

// A watch is the runner's sink: it is told what the processes do, and decides when to stop them
// and with which status pproc exits.
type watch struct {
	*outputs
	job     *job
	signals <-chan os.Signal
	seen    interrupt.Signals // belongs to the goroutine of job.run
	sources [][2]*terminal.Source
	ends    chan struct{} // enough processes have ended; closed
	broken  chan struct{} // nobody reads what is printed; closed
	once    sync.Once

	mu     sync.Mutex
	ended  int
	failed *statusError // the first that failed
	status int          // of a stop for another reason than --stop-when; 0: there was none
}

func newWatch(j *job, signals <-chan os.Signal) *watch {
	return &watch{job: j, signals: signals, ends: make(chan struct{}), broken: make(chan struct{})}
}

// prints sets where lines go.
func (w *watch) prints(out, errs io.Writer) {
	j := w.job
	w.outputs = newOutputs(out, errs, w.written)
	lines := terminal.NewLines(w.out, w.errs)
	if j.tag { // without tags, programs may use the terminal as they like
		lines.Shown(display(out), display(errs))
	}
	for _, c := range j.commands {
		tag := ""
		if j.tag {
			tag = c.Name + " | "
		}
		w.sources = append(w.sources, [2]*terminal.Source{lines.Source(tag, false), lines.Source(tag, true)})
	}
}

// display is how lines are shown on w, if that is a terminal.
func display(w io.Writer) *terminal.Display {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	return terminal.DisplayOn(f, os.Getenv("TERM"))
}

// Started implements [runner.Sink].
func (w *watch) Started(int, runner.Start) {}

// Output implements [runner.Sink].
func (w *watch) Output(i int, stream streams.Stream, _ time.Time, data []byte) {
	w.written(w.sources[i][stream].Write(data))
}

// Closed implements [runner.StreamSink].
func (w *watch) Closed(i int, stream streams.Stream) {
	w.written(w.sources[i][stream].Close())
}

// written notes that the output can't be written: there is no reader any more to run for.
func (w *watch) written(err error) {
	if err == nil {
		return
	}
	w.once.Do(func() {
		w.mu.Lock()
		w.status = unwritten(err)
		w.mu.Unlock()
		if !outlet.Gone(err) {
			w.say("write the output: %v", err)
		}
		close(w.broken)
	})
}

// Exited implements [runner.Sink].
func (w *watch) Exited(i int, exit runner.Exit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if status, what := w.job.judge(exit); what != "" {
		w.say("%s: %s", w.job.describe(i), what)
		if status != 0 && w.failed == nil {
			w.failed = &statusError{status: status}
		}
	}
	if w.ended++; w.ended == w.job.stopAfter {
		close(w.ends)
	}
	if w.ended == len(w.job.commands) {
		w.unbind() // only what is in their pipes is still to come
	}
}

// judge gives the exit status for the end of a process, and a message if there is something to
// say. Processes are stopped only by pproc's own rules, which is not a failure.
func (j *job) judge(exit runner.Exit) (status int, what string) {
	ended := outcome.Exit{
		Code: exit.Code, Signal: exit.Signal, StartedAt: exit.Started, EndedAt: exit.Ended, Stopped: exit.Stopped, Killed: exit.Killed,
	}
	if exit.Err != nil {
		ended.Reason, ended.Left = exit.Err.Error(), errors.Is(exit.Err, runner.ErrNotEnded)
	}
	word, what := outcome.Judge(ended, outcome.Circumstances{OKExit: []int{0}, Grace: j.grace, Stop: outcome.StopRule})
	switch {
	case word != outcome.CommandFailed:
		return 0, what
	case exit.Err != nil:
		return exitForbidden, what
	case exit.Signal != "":
		return exitSignal + int(unix.SignalNum(exit.Signal)), what // the number on this system
	}
	return exit.Code, what
}

// see waits for the end of the set, and stops it when necessary.
func (w *watch) see(set *runner.Set) {
	var timeout <-chan time.Time
	if w.job.timeout > 0 {
		timer := time.NewTimer(w.job.timeout)
		defer timer.Stop()
		timeout = timer.C
	}
	ends, broken := w.ends, w.broken
	for {
		select {
		case <-set.Done():
			return
		case <-ends:
			ends = nil
			w.stop(set, 0, w.ruleReason())
		case <-broken:
			broken = nil
			w.stop(set, 0, "")
		case <-timeout:
			w.stop(set, exitTimeout, fmt.Sprintf("the timeout of %v is over", w.job.timeout))
		case s := <-w.signals:
			status := exitSignal + int(s.(syscall.Signal))
			switch w.seen.Next() {
			case interrupt.Stop:
				w.stop(set, status, s.String())
			case interrupt.Leave:
				leave(s)
			case interrupt.Repeat:
			}
		}
	}
}

// ruleReason is why --stop-when stops the rest; empty if there is no rest.
func (w *watch) ruleReason() string {
	if w.job.stopAfter == len(w.job.commands) {
		return ""
	}
	return count(w.job.stopAfter, "process") + " ended (--stop-when)"
}

// stop stops what is left; status is used unless there was an earlier reason to stop.
func (w *watch) stop(set *runner.Set, status int, reason string) {
	w.mu.Lock()
	left := len(w.job.commands) - w.ended
	if w.status == 0 {
		w.status = status
	}
	w.mu.Unlock()
	set.Stop(time.Now(), w.job.grace, 0)
	if reason != "" && left > 0 {
		w.say("%s: stopping %s", reason, count(left, "process"))
	}
}

// timedOut reports whether the timeout ended it.
func (w *watch) timedOut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status == exitTimeout
}

// verdict is how pproc ends: nil, or a *statusError.
func (w *watch) verdict() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.status != 0:
		return &statusError{status: w.status}
	case w.failed != nil:
		return w.failed
	}
	return nil
}
