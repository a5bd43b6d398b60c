package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"downbeat/internal/outlet"
	"downbeat/internal/terminal"
)

// A slow reader, such as a pager that pauses or a terminal stopped with ^S, must not slow a run
// down. So standard error, and standard output while there are runs, go through a spool, which
// never waits for its reader and loses nothing. At the end publish waits until everything has
// been read.

// outputs are standard output and standard error.
type outputs struct {
	std    stdio
	direct *outlet.Checked // standard output for commands without runs
	out    io.Writer       // what is printed: direct, or the spool
	err    io.Writer       // everything else: standard error, or its spool

	outSpool, errSpool *outlet.Spool // nil: not made yet

	mu   sync.Mutex
	lost error // why part of standard output could not be written
}

func newOutputs(std stdio) *outputs {
	direct := &outlet.Checked{W: std.out}
	return &outputs{std: std, direct: direct, out: direct, err: std.err}
}

// behind is how long a run waits for a reader that takes nothing before its output goes to a
// file: too short to be noticed.
const behind = 20 * time.Millisecond

// spoolErr puts a spool before standard error, whose lines are written above the live line. Its
// files are made in dir, where the results are, if possible.
func (o *outputs) spoolErr(live *terminal.Live, dir string) {
	o.errSpool = outlet.NewSpool(live.Writer(o.std.err), outlet.Options{Timeout: behind, Dirs: []string{dir}, Failed: o.errFailed})
	o.err = o.errSpool
}

// spoolOut puts a spool before standard output, too. Its files are made where the results are,
// which need as much room anyway. If both outputs are the same file (a terminal, 2>&1), they
// share a spool, and the order of lines is kept.
func (o *outputs) spoolOut(live *terminal.Live, dir string) {
	if sameFile(o.std.out, o.std.err) {
		o.outSpool = o.errSpool
	} else {
		o.outSpool = outlet.NewSpool(live.Writer(o.std.out), outlet.Options{Timeout: behind, Dirs: []string{dir}, Failed: o.outFailed})
	}
	o.out = o.outSpool
}

func sameFile(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// outFailed is called when standard output can't be written any more. The run goes on: the
// results have its output.
func (o *outputs) outFailed(err error) {
	if outlet.Gone(err) {
		return // the reader has exited
	}
	o.mu.Lock()
	o.lost = err
	o.mu.Unlock()
	o.put("publish: standard output: %v; the rest of the lines is only in the results\n", err)
}

// errFailed is called when standard error can't be written any more, so it can't be reported
// there.
func (o *outputs) errFailed(err error) {
	if o.outSpool == o.errSpool {
		o.outFailed(err)
	}
}

// put prints on standard error at once, ahead of what waits there already.
func (o *outputs) put(format string, args ...any) {
	text := fmt.Appendf(nil, format, args...)
	if o.errSpool != nil {
		_, _ = o.errSpool.Put(text)
		return
	}
	_, _ = o.std.err.Write(text)
}

// told reports whether err only says that standard output can't be written, which is reported
// at the end anyway.
func (o *outputs) told(err error) bool {
	failed := o.direct.Err()
	return failed != nil && errors.Is(err, failed)
}

// deliver waits until the readers have taken everything. It reports false if part of standard
// output could not be written, unless its reader has exited. The second signal ends the wait,
// and the program.
func (o *outputs) deliver() bool {
	o.std.at.delivering.Store(true)
	if o.outSpool != nil && o.outSpool != o.errSpool {
		o.await(o.outSpool, "standard output")
	}
	err := o.direct.Err()
	if err != nil && !outlet.Gone(err) {
		o.put("publish: standard output: %v\n", err)
	}
	if o.errSpool != nil {
		o.await(o.errSpool, "standard error")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost == nil && (err == nil || outlet.Gone(err))
}

// await waits for one reader, and says so if that takes long.
func (o *outputs) await(s *outlet.Spool, name string) {
	s.Close()
	select {
	case <-s.Done():
		return
	case <-time.After(soon):
	}
	if left, _ := s.Behind(); s != o.errSpool {
		o.put("publish: %s of output are waiting for the reader of %s; a second ^C quits without them\n", terminal.Size(left), name)
	}
	<-s.Done()
}

// soon is how long readers have to take the rest before the user is told.
const soon = 2 * time.Second
