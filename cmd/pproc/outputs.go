package main

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"downbeat/internal/interrupt"
	"downbeat/internal/outlet"
	"downbeat/internal/terminal"
)

// No deadline and no signal waits for who reads the processes' lines: they go
// through a spool. Processes themselves do wait, as in any pipe, but not before a
// good deal is kept.

// outputs are the two that pproc writes to.
type outputs struct {
	out, errs *outlet.Spool // one, where both are the same terminal or pipe
}

const (
	// paused is how long a reader takes nothing until it is taken for one that pauses,
	// whose lines go to a file; one that is only slow holds the processes back.
	paused = time.Second
	// mostKept is how much waits in a file until processes wait, too.
	mostKept = 256 << 20
	// readerWithin is how long after the timeout a reader may take nothing until it
	// isn't waited for any more: who gives a timeout wants an end.
	readerWithin = 15 * time.Second
)

// newOutputs puts a spool before each; failed is called when the first can't be
// written any more.
func newOutputs(out, errs io.Writer, failed func(error)) *outputs {
	options := outlet.Options{Patience: paused, Disk: mostKept, Wait: true, Failed: failed}
	o := &outputs{out: outlet.NewSpool(out, options)}
	if o.errs = o.out; !same(out, errs) {
		options.Failed = nil // nobody is left to tell
		o.errs = outlet.NewSpool(errs, options)
	}
	return o
}

// same reports whether both are the same terminal, pipe or file.
func same(a, b io.Writer) bool {
	x, okX := a.(*os.File)
	y, okY := b.(*os.File)
	if !okX || !okY {
		return false
	}
	infoX, errX := x.Stat()
	infoY, errY := y.Stat()
	return errX == nil && errY == nil && os.SameFile(infoX, infoY)
}

// say says something on standard error, without waiting for who reads it.
func (o *outputs) say(format string, args ...any) {
	_, _ = o.errs.Put(fmt.Appendf(nil, "pproc: "+format+"\n", args...))
}

// Write is for a log.
func (o *outputs) Write(p []byte) (int, error) { return o.errs.Put(p) }

// unbind is for when no process is left that could print much.
func (o *outputs) unbind() {
	o.out.Unbind()
	o.errs.Unbind()
}

// deliver waits until the readers have taken what is left. The second signal
// leaves, by leave; bounded, so does a reader that takes nothing.
func (o *outputs) deliver(signals <-chan os.Signal, seen *interrupt.Signals, leave func(os.Signal), bounded bool) {
	for _, s := range []*outlet.Spool{o.out, o.errs} {
		if s == o.out && o.out == o.errs {
			continue // once is enough
		}
		s.Close()
		o.await(s, signals, seen, leave, bounded)
	}
}

func (o *outputs) await(s *outlet.Spool, signals <-chan os.Signal, seen *interrupt.Signals, leave func(os.Signal), bounded bool) {
	ticker := time.NewTicker(readerWithin / 15)
	defer ticker.Stop()
	_, before := s.Behind()
	still := time.Now()
	for {
		select {
		case <-s.Done():
			return
		case sig := <-signals:
			if seen.Next() == interrupt.Leave {
				leave(sig)
				return
			}
		case <-ticker.C:
		}
		left, taken := s.Behind()
		if taken != before {
			before, still = taken, time.Now()
		}
		if bounded && time.Since(still) >= readerWithin {
			if s == o.out && o.out != o.errs {
				o.say("nobody has read standard output for %v: %s of it are lost", readerWithin, terminal.Size(left))
			}
			return
		}
	}
}

// unwritten is the status with which pproc ends when its output can't be written.
func unwritten(err error) int {
	if outlet.Gone(err) {
		return exitSignal + int(syscall.SIGPIPE)
	}
	return exitFailed
}
