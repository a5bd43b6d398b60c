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

// A slow reader must not delay deadlines and signals, so the processes' lines go through a
// spool. The processes themselves do block, as with any pipe, but only once the spool is full.

// outputs are standard output and standard error.
type outputs struct {
	out, errs *outlet.Spool // one, where both are the same terminal or pipe
}

const (
	// paused is how long a reader takes nothing before it counts as paused, and its lines go to
	// a file; a reader that is only slow slows the processes down.
	paused = time.Second
	// mostKept is how much is kept in a file before the processes block.
	mostKept = 256 << 20
	// readerWithin is how long, after the timeout, a reader may take nothing before pproc gives
	// up on it: a timeout is meant to end the program.
	readerWithin = 15 * time.Second
)

// newOutputs puts a spool before each; failed is called when out can't be written any more.
func newOutputs(out, errs io.Writer, failed func(error)) *outputs {
	options := outlet.Options{Timeout: paused, Disk: mostKept, Wait: true, Failed: failed}
	o := &outputs{out: outlet.NewSpool(out, options)}
	if o.errs = o.out; !same(out, errs) {
		options.Failed = nil // an error can't be reported there
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

// say prints on standard error, without waiting for its reader.
func (o *outputs) say(format string, args ...any) {
	_, _ = o.errs.Put(fmt.Appendf(nil, "pproc: "+format+"\n", args...))
}

// Write is for a log.
func (o *outputs) Write(p []byte) (int, error) { return o.errs.Put(p) }

// unbind lifts the limit of what is kept, when the processes can't print much more.
func (o *outputs) unbind() {
	o.out.Unbind()
	o.errs.Unbind()
}

// deliver waits until the readers have taken what is left, or until the second signal, for
// which it calls leave. If bounded, it gives up on a reader that takes nothing.
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
