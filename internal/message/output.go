package message

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"time"

	"downbeat/internal/streams"
)

// A Segment is what a worker read from one stream in one go. Lines are not
// taken apart on the way: a segment may end anywhere in one.
type Segment struct {
	Command int // in Job.Commands
	Stream  streams.Stream
	// At is when the worker read it, on the host's clock of the run.
	At time.Time
	// Offset counts the bytes, Line the newlines that the stream had before.
	Offset uint64
	Line   uint64
	Data   []byte
}

// Output is a batch of segments: an event like others, counted by the same
// sequence, but binary. It takes the memory of its message, and no more.
type Output struct {
	Run, Host string
	Seq       uint64

	base     int64
	segments []byte
}

// The body of an output frame is the time of the batch (8 bytes, nanoseconds since
// 1970, little endian) and the segments to the end. A segment is process*2+stream, the
// nanoseconds since the batch's time (zigzag), offset, line, length and bytes. Numbers
// are varints. It is never compressed: a batch that comes early waits as it came, and
// takes no more memory than its message did.

// A Batch builds the wire form of an [Output] segment by segment in one buffer,
// which it uses again after Reset.
type Batch struct {
	preface []byte // of the frame, up to the size of the body
	buf     []byte // room for the preface and the size, and then the body
	room    int
	base    int64
}

// Reset begins a new batch; the slice that Bytes returned is no longer valid.
func (b *Batch) Reset(run, host string, seq uint64, at time.Time) {
	b.base = at.UnixNano()
	b.preface = appendPreface(b.preface[:0], FrameOutput, run, host, seq, CodecPlain)
	b.room = len(b.preface) + binary.MaxVarintLen64
	b.buf = slices.Grow(b.buf[:0], b.room)[:b.room]
	b.buf = binary.LittleEndian.AppendUint64(b.buf, uint64(b.base))
}

// Add appends a segment.
func (b *Batch) Add(s Segment) {
	b.buf = binary.AppendUvarint(b.buf, uint64(s.Command)<<1|uint64(s.Stream))
	b.buf = binary.AppendVarint(b.buf, s.At.UnixNano()-b.base)
	b.buf = binary.AppendUvarint(b.buf, s.Offset)
	b.buf = binary.AppendUvarint(b.buf, s.Line)
	b.buf = binary.AppendUvarint(b.buf, uint64(len(s.Data)))
	b.buf = append(b.buf, s.Data...)
}

// Len is the size of the batch so far.
func (b *Batch) Len() int { return len(b.buf) }

// Bytes closes the batch and gives its wire form, valid until Reset.
func (b *Batch) Bytes() []byte {
	var size [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(size[:], uint64(len(b.buf)-b.room))
	start := b.room - n - len(b.preface)
	copy(b.buf[start:], b.preface)
	copy(b.buf[b.room-n:], size[:n])
	b.buf = appendSum(b.buf, start)
	return b.buf[start:]
}

// DecodeOutput reads an output batch. Its segments point into data.
func DecodeOutput(data []byte) (*Output, error) {
	f, err := openFrame(data, FrameOutput)
	if err != nil {
		return nil, err
	}
	if err := f.plain(FrameOutput); err != nil {
		return nil, err
	}
	r := reader{rest: f.body}
	o := &Output{Run: f.run, Host: f.host, Seq: f.seq, base: int64(r.uint64())}
	o.segments = r.rest
	for !r.bad && len(r.rest) > 0 {
		r.segment(o.base)
	}
	if r.bad {
		return nil, fmt.Errorf("%w: output frame ends in the middle", ErrMalformed)
	}
	return o, nil
}

// Segments gives the segments in their order.
func (o *Output) Segments() iter.Seq[Segment] {
	return func(yield func(Segment) bool) {
		r := reader{rest: o.segments}
		for len(r.rest) > 0 && yield(r.segment(o.base)) {
			continue
		}
	}
}

// segment takes a segment off.
func (r *reader) segment(base int64) Segment {
	head := r.uvarint()
	if head > 1<<32 {
		r.bad = true
	}
	s := Segment{Command: int(head >> 1), Stream: streams.Stream(head & 1)}
	s.At = time.Unix(0, base+r.varint())
	s.Offset, s.Line = r.uvarint(), r.uvarint()
	s.Data = r.bytes()
	return s
}
