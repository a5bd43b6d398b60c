package message

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"time"
)

// Stream is which of its two outputs a process wrote to.
type Stream uint8

// The streams.
const (
	Stdout Stream = 0
	Stderr Stream = 1
)

// String names the stream.
func (s Stream) String() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

// A Segment is what a worker read from one stream in one go. Lines are not
// taken apart on the way: a segment may end anywhere in one.
type Segment struct {
	Process int // in Job.Processes, and behind them Job.Steps
	Stream  Stream
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

// MaxBatch is the largest batch of output or of files that is accepted, in bytes.
const MaxBatch = 513 << 10

// An output batch on the wire: "DBO", the version, then the run and the host
// (each a length and bytes), the sequence number, the time of the batch (8
// bytes, nanoseconds since 1970, little endian), the segments, and a CRC-32C
// of all that (4 bytes, little endian). A segment is process*2+stream, the
// nanoseconds since the batch's time (zigzag), offset, line, length and bytes.
// Numbers are varints.
const outputMagic = "DBO"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Batch builds the wire form of an [Output] piece by piece in one buffer,
// which it uses again after Reset.
type Batch struct {
	buf  []byte
	base int64
	head int // length of what Reset wrote
}

// Reset begins a new batch; the slice that Bytes returned is no longer valid.
func (b *Batch) Reset(run, host string, seq uint64, at time.Time) {
	b.base = at.UnixNano()
	b.buf = append(b.buf[:0], outputMagic...)
	b.buf = append(b.buf, Version)
	b.buf = appendString(b.buf, run)
	b.buf = appendString(b.buf, host)
	b.buf = binary.AppendUvarint(b.buf, seq)
	b.buf = binary.LittleEndian.AppendUint64(b.buf, uint64(b.base))
	b.head = len(b.buf)
}

// Add appends a segment.
func (b *Batch) Add(s Segment) {
	b.buf = binary.AppendUvarint(b.buf, uint64(s.Process)<<1|uint64(s.Stream))
	b.buf = binary.AppendVarint(b.buf, s.At.UnixNano()-b.base)
	b.buf = binary.AppendUvarint(b.buf, s.Offset)
	b.buf = binary.AppendUvarint(b.buf, s.Line)
	b.buf = binary.AppendUvarint(b.buf, uint64(len(s.Data)))
	b.buf = append(b.buf, s.Data...)
}

// Len is the size of the batch so far; Empty says that it holds no segment.
func (b *Batch) Len() int { return len(b.buf) }

// Empty reports whether nothing was added since Reset.
func (b *Batch) Empty() bool { return len(b.buf) == b.head }

// Bytes closes the batch and gives its wire form, valid until Reset.
func (b *Batch) Bytes() []byte {
	b.buf = binary.LittleEndian.AppendUint32(b.buf, crc32.Checksum(b.buf, castagnoli))
	return b.buf
}

func appendString(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

// IsOutput tells an output batch from a lifecycle event.
func IsOutput(data []byte) bool {
	return len(data) >= len(outputMagic) && string(data[:len(outputMagic)]) == outputMagic
}

// DecodeOutput reads an output batch. Its segments point into data.
func DecodeOutput(data []byte) (*Output, error) {
	r, err := openBatch(data, outputMagic, "output batch")
	if err != nil {
		return nil, err
	}
	o := &Output{Run: string(r.name()), Host: string(r.name()), Seq: r.uvarint(), base: int64(r.uint64())}
	o.segments = r.rest
	for !r.bad && len(r.rest) > 0 {
		r.segment(o.base)
	}
	if r.bad {
		return nil, fmt.Errorf("%w: output batch ends in the middle", ErrMalformed)
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
	s := Segment{Process: int(head >> 1), Stream: Stream(head & 1)}
	s.At = time.Unix(0, base+r.varint())
	s.Offset, s.Line = r.uvarint(), r.uvarint()
	s.Data = r.bytes()
	return s
}

// reader takes fields off a byte slice; bad is set, for good, by the first that
// is not there.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) skip(n int) {
	if n <= 0 {
		r.bad, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}

func (r *reader) uint64() uint64 {
	v := r.take(8)
	if r.bad {
		return 0
	}
	return binary.LittleEndian.Uint64(v)
}

// take takes n bytes off.
func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	v := r.rest[:n:n]
	r.rest = r.rest[n:]
	return v
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	v := r.rest[:n:n]
	r.rest = r.rest[n:]
	return v
}
