package samples

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zlib"
)

// A Builder makes a block, row by row, of the tables of this build. Its zero value is empty; it
// is for one goroutine.
type Builder struct {
	subjects []Subject
	index    map[Subject]int
	values   [][]int64 // by subject: of its row before, in this block
	row      [][]int64 // by subject: of the row that was begun; nil: not sampled
	begun    bool
	at       int64
	bound    int64
	last     int64 // the time of the row before
	rows     []byte
	count    int
	buf      []byte
}

// Row begins a row.
func (b *Builder) Row(at time.Time) {
	b.end()
	b.begun, b.at = true, at.UnixNano()
	for i := range b.row {
		b.row[i] = b.row[i][:0]
	}
}

// Put adds a subject to the row, with the values of its table's fields.
func (b *Builder) Put(table int, name string, values []int64) {
	s := Subject{table, name}
	i, ok := b.index[s]
	if !ok {
		if b.index == nil {
			b.index = make(map[Subject]int)
		}
		i = len(b.subjects)
		b.index[s] = i
		b.subjects = append(b.subjects, s)
		b.values = append(b.values, make([]int64, len(tables[table].Fields)))
		b.row = append(b.row, nil)
	}
	b.row[i] = append(b.row[i][:0], values...)
}

// Rows is how many rows there are, Len about how large the block is.
func (b *Builder) Rows() int { b.end(); return b.count }

// Len is about how large the block is, in bytes.
func (b *Builder) Len() int {
	b.end()
	n := len(b.rows) + 1<<10
	for _, s := range b.subjects {
		n += len(s.Name) + 4
	}
	return n
}

// Block closes the block and begins the next; what it returns is valid until that is closed.
func (b *Builder) Block() []byte {
	b.end()
	b.buf = appendTables(b.buf[:0], tables)
	b.buf = appendSubjects(b.buf, b.subjects)
	b.buf = append(b.buf, b.rows...)
	buf := b.buf
	*b = Builder{rows: b.rows[:0], buf: buf}
	return buf
}

// end encodes the row that was begun.
func (b *Builder) end() {
	if !b.begun {
		return
	}
	b.begun = false
	b.count++
	b.rows = binary.AppendVarint(b.rows, b.at-b.last)
	b.rows = binary.AppendUvarint(b.rows, uint64(b.bound))
	b.last = b.at
	b.rows = binary.AppendUvarint(b.rows, uint64(len(b.subjects)))
	for i, values := range b.row {
		b.rows = appendValues(b.rows, b.values[i], values)
		if len(values) > 0 {
			copy(b.values[i], values)
		}
	}
}

// appendValues appends what has changed of a subject's values.
func appendValues(buf []byte, before, values []int64) []byte {
	if len(values) == 0 {
		return append(buf, 0)
	}
	mask := uint64(1)
	for i, v := range values {
		if v != before[i] {
			mask |= 2 << i
		}
	}
	buf = binary.AppendUvarint(buf, mask)
	for i, v := range values {
		if v != before[i] {
			buf = binary.AppendVarint(buf, v-before[i])
		}
	}
	return buf
}

func appendTables(buf []byte, tables []Table) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(tables)))
	for _, t := range tables {
		buf = appendString(buf, t.Name)
		buf = binary.AppendUvarint(buf, uint64(len(t.Fields)))
		for _, f := range t.Fields {
			buf = appendString(buf, f)
		}
	}
	return buf
}

func appendSubjects(buf []byte, subjects []Subject) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(subjects)))
	for _, s := range subjects {
		buf = binary.AppendUvarint(buf, uint64(s.Table))
		buf = appendString(buf, s.Name)
	}
	return buf
}

func appendString(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

var compressors = sync.Pool{New: func() any { return zlib.NewWriter(nil) }}

// Append appends a block to what is to be written to a file, after its header.
func Append(buf, block []byte) []byte {
	var packed bytes.Buffer
	w := compressors.Get().(*zlib.Writer)
	defer compressors.Put(w)
	w.Reset(&packed)
	_, _ = w.Write(block) // into memory
	_ = w.Close()
	buf = slices.Grow(buf, packed.Len()+binary.MaxVarintLen32)
	buf = binary.AppendUvarint(buf, uint64(packed.Len()))
	return append(buf, packed.Bytes()...)
}
