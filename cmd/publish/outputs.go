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

// No run may come to know how fast somebody reads: a pager that pauses, a terminal
// that was stopped with ^S. So standard error, and standard output while there are
// runs, have a spool in front of them, which never waits for its reader and loses
// nothing. At the end publish waits until everything has been taken.

// outputs are the two that publish writes to.
type outputs struct {
	std    stdio
	direct *outlet.Checked // standard output of what prints and is done
	out    io.Writer       // what is printed: direct, or the spool
	err    io.Writer       // everything else: standard error, or its spool

	outSpool, errSpool *outlet.Spool // nil: not yet

	mu   sync.Mutex
	lost error // why something of standard output could not be written
}

func newOutputs(std stdio) *outputs {
	direct := &outlet.Checked{W: std.out}
	return &outputs{std: std, direct: direct, out: direct, err: std.err}
}

// behind is how long a run waits for a reader that takes nothing before what it
// prints goes to a file: shorter than anybody would notice.
const behind = 20 * time.Millisecond

// spoolErr puts a spool before standard error, which is written below live.
// Its files are made where the results are, if that can be.
func (o *outputs) spoolErr(live *terminal.Live, dir string) {
	o.errSpool = outlet.NewSpool(live.Writer(o.std.err), outlet.Options{Patience: behind, Dirs: []string{dir}, Failed: o.errFailed})
	o.err = o.errSpool
}

// spoolOut puts a spool before standard output, too. Its files are made where the
// results are: there has to be room for as much anyhow. Where both outputs are one
// (a terminal, 2>&1), so is the spool, and the order remains.
func (o *outputs) spoolOut(live *terminal.Live, dir string) {
	if sameFile(o.std.out, o.std.err) {
		o.outSpool = o.errSpool
	} else {
		o.outSpool = outlet.NewSpool(live.Writer(o.std.out), outlet.Options{Patience: behind, Dirs: []string{dir}, Failed: o.outFailed})
	}
	o.out = o.outSpool
}

func sameFile(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// outFailed is called when standard output can't be written any more. The run
// goes on: what it prints is in the results.
func (o *outputs) outFailed(err error) {
	if outlet.Gone(err) {
		return // whoever read it has enough
	}
	o.mu.Lock()
	o.lost = err
	o.mu.Unlock()
	o.put("publish: standard output: %v; the rest of the lines is only in the results\n", err)
}

// errFailed is called when standard error can't be written any more: nobody is left to tell.
func (o *outputs) errFailed(err error) {
	if o.outSpool == o.errSpool {
		o.outFailed(err)
	}
}

// put says something on standard error at once, whatever waits there already.
func (o *outputs) put(format string, args ...any) {
	text := fmt.Appendf(nil, format, args...)
	if o.errSpool != nil {
		_, _ = o.errSpool.Put(text)
		return
	}
	_, _ = o.std.err.Write(text)
}

// told reports whether err is only that standard output can't be written, which
// is told at the end anyhow.
func (o *outputs) told(err error) bool {
	failed := o.direct.Err()
	return failed != nil && errors.Is(err, failed)
}

// deliver waits until the readers have taken everything, and reports whether
// standard output was written in full, or its reader had enough. The second
// signal ends the wait, and the program.
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

// await waits for one reader. If that takes long, it says so.
func (o *outputs) await(s *outlet.Spool, name string) {
	s.Close()
	select {
	case <-s.Done():
		return
	case <-time.After(soon):
	}
	if left, _ := s.Behind(); s != o.errSpool {
		o.put("publish: %s of output wait for whoever reads %s; a second ^C leaves without them\n", terminal.Size(left), name)
	}
	<-s.Done()
}

// soon is when a reader should have taken the rest.
const soon = 2 * time.Second
