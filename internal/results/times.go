package results

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"downbeat/internal/streams"
)

// timesHeader begins every .times file: what it is, and the version of its format.
const timesHeader = "downbeat times 1\n"

// A segment is the result of one read of the worker: size bytes of a stream at a time
// (nanoseconds since 1970, on the publisher's clock). After the header, a .times file has one
// entry for each segment of a process, in the order in which they came:
//
//	uvarint  2*size, plus 1 for standard error
//	varint   nanoseconds since the entry before; the first: since 1970
//
// both as in encoding/binary (and Protocol Buffers: base 128, the signed one zigzag).
type segment struct {
	stream streams.Stream
	at     int64
	size   int64
}

// A timesEncoder appends entries; its zero value begins a file.
type timesEncoder struct {
	begun bool
	last  int64
}

func (e *timesEncoder) append(b []byte, s segment) []byte {
	if !e.begun {
		b = append(b, timesHeader...)
		e.begun = true
	}
	b = binary.AppendUvarint(b, uint64(s.size)<<1|uint64(s.stream))
	b = binary.AppendVarint(b, s.at-e.last)
	e.last = s.at
	return b
}

// errTimesCut: the file ends within an entry or its header, because its writer was interrupted.
var errTimesCut = errors.New("ends in the middle of an entry")

// A timesDecoder reads a .times file entry by entry.
type timesDecoder struct {
	r      *bufio.Reader
	offset int64 // of the entry that was read last, in bytes
	next   int64 // of the entry to be read next
	last   int64
}

func newTimesDecoder(r io.Reader, bufferSize int) *timesDecoder {
	return &timesDecoder{r: bufio.NewReaderSize(r, bufferSize)}
}

// read returns the next segment; io.EOF at the end, errTimesCut at an early end,
// and otherwise an error that says what is wrong with the entry at offset.
func (d *timesDecoder) read() (segment, error) {
	if d.next == 0 {
		if err := d.readHeader(); err != nil {
			return segment{}, err
		}
	}
	d.offset = d.next
	head, err := d.uvarint()
	if err != nil {
		if errors.Is(err, io.EOF) && d.next == d.offset {
			return segment{}, io.EOF
		}
		return segment{}, cut(err)
	}
	delta, err := d.uvarint()
	if err != nil {
		return segment{}, cut(err)
	}
	size := head >> 1
	if size == 0 {
		return segment{}, errors.New("a segment of no bytes")
	}
	d.last += int64(delta>>1) ^ -int64(delta&1)
	return segment{stream: streams.Stream(head & 1), at: d.last, size: int64(size)}, nil
}

func (d *timesDecoder) readHeader() error {
	var header [len(timesHeader)]byte
	n, err := io.ReadFull(d.r, header[:])
	if string(header[:n]) != timesHeader[:n] {
		return fmt.Errorf("doesn't begin with %q: it is not a times file, or one of another version", timesHeader)
	}
	if err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return io.EOF
		}
		return cut(err)
	}
	d.next = int64(n)
	return nil
}

// uvarint is binary.ReadUvarint with the bytes counted.
func (d *timesDecoder) uvarint() (uint64, error) {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		b, err := d.r.ReadByte()
		if err != nil {
			return 0, err
		}
		d.next++
		if shift == 63 && b > 1 {
			break
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, nil
		}
	}
	return 0, errors.New("a number of more than 64 bits")
}

func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTimesCut
	}
	return err
}
