package runner

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"downbeat/internal/streams"

	"golang.org/x/sys/unix"
)

// readSize is how much is read from a pipe at a time, which is its capacity.
const readSize = 64 << 10

// buffers are in use only while there is something to read and pass on, so memory depends on
// the streams that are active, not on the number of processes.
var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// An output is one stream of a command, from the pipe (or terminal) to the sink. All lives of the
// command write to the same pipe: so what they write comes in the order in which it was written,
// even if descendants of an earlier one are still there.
type output struct {
	slot   *slot
	stream streams.Stream
	read   *os.File // our end, non-blocking
	readFD int      // the same
	write  int      // the child's end; -1 once it's closed here. Guarded by the set's mutex once it is prepared

	passed streams.Counter // to be read once pump has returned
}

// newOutput makes the pipe. The child's end is blocking, as programs expect.
func newOutput(sl *slot, stream streams.Stream) (*output, error) {
	fds, err := pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	return &output{slot: sl, stream: stream, read: os.NewFile(uintptr(fds[0]), "|0"), readFD: fds[0], write: fds[1]}, nil
}

// closeWrite closes the child's end in this program, when the child has it or will never need
// it.
func (o *output) closeWrite() {
	if o.write >= 0 {
		unix.Close(o.write) //nolint:errcheck // a pipe's end has nothing to lose
		o.write = -1
	}
}

// pump passes everything on to the sink until the last writer has closed the pipe, or
// [output.cutOff] was called.
func (o *output) pump(sink Sink) {
	defer o.read.Close()
	defer o.close(sink)
	conn, err := o.read.SyscallConn()
	if err != nil {
		return // the file is open, so it has one
	}
	for {
		err := o.pass(conn.Read, sink)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			o.rest(sink)
			return
		}
		if err != nil {
			return
		}
	}
}

// close tells a [StreamSink] that the stream has ended.
func (o *output) close(sink Sink) {
	if s, ok := sink.(StreamSink); ok {
		<-o.slot.life.Load().announced
		if o.slot.told.Load() {
			s.Closed(o.slot.index, o.stream)
		}
	}
}

// pass reads once, using await to wait until there is something to read, and passes it on. The
// error is io.EOF at the end.
func (o *output) pass(await func(func(fd uintptr) bool) error, sink Sink) error {
	var (
		buf     *[readSize]byte
		n       int
		readErr error
		at      time.Time
	)
	err := await(func(fd uintptr) bool {
		buf = buffers.Get().(*[readSize]byte)
		n, readErr = readRetrying(int(fd), buf[:])
		if errors.Is(readErr, syscall.EAGAIN) {
			buffers.Put(buf)
			buf = nil
			return false
		}
		at = time.Now()
		return true
	})
	if buf != nil {
		defer buffers.Put(buf)
	}
	switch {
	case err != nil:
		return err
	case readErr != nil:
		return readErr
	case n == 0:
		return io.EOF
	}
	o.hand(sink, at, buf[:n])
	return nil
}

// hand counts data and gives it to the sink, but not before the sink was told that the life which
// may have written it has begun.
func (o *output) hand(sink Sink, at time.Time, data []byte) {
	o.passed.Add(data)
	<-o.slot.life.Load().announced
	sink.Output(o.slot.index, o.stream, at, data)
}

// rest passes on what is in the pipe at this moment. The processes of the set have all ended,
// so anything written later does not come from them.
func (o *output) rest(sink Sink) {
	there, err := unix.IoctlGetInt(o.readFD, readable)
	if err != nil {
		return
	}
	now := func(read func(fd uintptr) bool) error {
		if !read(uintptr(o.readFD)) {
			return syscall.EAGAIN
		}
		return nil
	}
	for limit := o.passed.Bytes + uint64(there); err == nil && o.passed.Bytes < limit; {
		err = o.pass(now, sink)
	}
	if err == nil || errors.Is(err, syscall.EAGAIN) {
		o.slot.set.runner.log.Warn("a process outside the set holds the output open; no more of it is read",
			"command", o.slot.command.Name, "stream", o.stream.String())
	}
}

// cutOff makes pump pass on what is in the pipe, and end.
func (o *output) cutOff() {
	o.read.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // it fails only if it is closed already
}

func readRetrying(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Read(fd, buf)
		if err != unix.EINTR {
			return n, err
		}
	}
}
