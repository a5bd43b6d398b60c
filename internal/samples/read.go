package samples

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/klauspost/compress/zlib"
)

// A Reader reads a file of samples row by row. The memory that it takes is that of a block.
type Reader struct {
	r      *bufio.Reader
	begun  bool
	packed []byte
	raw    bytes.Buffer
	zlib   io.ReadCloser

	block  *block
	rows   parser
	last   int64
	values [][]int64 // by subject, as of the latest row that has it
	row    Row
	filled int // how many of its values may be set
}

// NewReader reads a file.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReader(r)} }

// Next gives the next row, which is valid until it is called again. At the end it returns
// [io.EOF], or [ErrCut] where the last block is not whole.
func (r *Reader) Next() (*Row, error) {
	if !r.begun {
		if err := r.header(); err != nil {
			return nil, err
		}
	}
	for len(r.rows.rest) == 0 {
		if err := r.next(); err != nil {
			return nil, err
		}
	}
	s := r.block.step(&r.rows, r.last)
	r.last = s.at
	r.row.At, r.row.Bound = time.Unix(0, s.at).UTC(), time.Duration(s.bound)*time.Microsecond
	clear(r.row.Values[:r.filled]) // no more of it than that: a row may have few of many subjects
	r.filled = s.subjects
	for i := range s.subjects {
		if r.block.values(&r.rows, i, r.values[i]) {
			r.row.Values[i] = r.values[i]
		}
	}
	if r.rows.bad {
		r.rows.rest = nil
		return nil, malformed("a block ends in the middle of a row")
	}
	return &r.row, nil
}

func (r *Reader) header() error {
	head := make([]byte, len(Header))
	n, err := io.ReadFull(r.r, head)
	switch {
	case string(head[:n]) != Header[:n]:
		return malformed("it doesn't begin with %q", Header)
	case n == 0:
		return io.EOF
	case err != nil:
		return cut(err)
	}
	r.begun = true
	return nil
}

// next goes on to the next block.
func (r *Reader) next() error {
	size, err := binary.ReadUvarint(r.r)
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case err != nil:
		return cut(err)
	case size > 2*MaxBlock:
		return malformed("a block of %d bytes", size)
	}
	if uint64(cap(r.packed)) < size {
		r.packed = make([]byte, size)
	}
	r.packed = r.packed[:size]
	if _, err := io.ReadFull(r.r, r.packed); err != nil {
		return cut(err)
	}
	if err := r.unpack(); err != nil {
		return malformed("%v", err)
	}
	b, err := parse(r.raw.Bytes())
	if err != nil {
		return err
	}
	r.begin(b)
	return nil
}

func (r *Reader) unpack() error {
	var err error
	if r.zlib == nil {
		r.zlib, err = zlib.NewReader(bytes.NewReader(r.packed))
	} else {
		err = r.zlib.(zlib.Resetter).Reset(bytes.NewReader(r.packed), nil)
	}
	if err != nil {
		return err
	}
	r.raw.Reset()
	_, err = r.raw.ReadFrom(io.LimitReader(r.zlib, MaxBlock+1))
	return err
}

// begin begins the rows of a block.
func (r *Reader) begin(b *block) {
	r.block, r.rows, r.last, r.filled = b, parser{rest: b.rows}, 0, 0
	r.row = Row{Tables: b.tables, Subjects: b.subjects, Values: make([][]int64, len(b.subjects))}
	r.values = make([][]int64, len(b.subjects))
	for i, s := range b.subjects {
		r.values[i] = make([]int64, len(b.tables[s.Table].Fields))
	}
}

// cut is the error of a file that ends too early.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrCut
	}
	return err
}
