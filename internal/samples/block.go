package samples

import (
	"encoding/binary"
	"math"
	"time"
)

// A block is what a block begins with, and where its rows begin.
type block struct {
	tables   []Table
	subjects []Subject
	rows     []byte
}

// A parser takes fields off a byte slice; bad is set, for good, by the first that is not there.
type parser struct {
	rest []byte
	bad  bool
}

func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.rest)
	p.skip(n)
	return v
}

func (p *parser) varint() int64 {
	v, n := binary.Varint(p.rest)
	p.skip(n)
	return v
}

func (p *parser) skip(n int) {
	if n <= 0 {
		p.bad, p.rest = true, nil
		return
	}
	p.rest = p.rest[n:]
}

// count takes a number off that is at most that large.
func (p *parser) count(most int) int {
	n := p.uvarint()
	if n > uint64(most) {
		p.bad, p.rest = true, nil
		return 0
	}
	return int(n)
}

func (p *parser) text() string {
	n := p.count(maxName)
	if n > len(p.rest) {
		p.bad, p.rest = true, nil
		return ""
	}
	s := string(p.rest[:n])
	p.rest = p.rest[n:]
	return s
}

// parse reads the beginning of a block.
func parse(data []byte) (*block, error) {
	if len(data) > MaxBlock {
		return nil, malformed("a block of %d bytes, at most %d are read", len(data), MaxBlock)
	}
	p, b := parser{rest: data}, new(block)
	for range p.count(maxTables) {
		t := Table{Name: p.text()}
		for range p.count(maxFields) {
			t.Fields = append(t.Fields, p.text())
		}
		b.tables = append(b.tables, t)
	}
	values := 0
	for range p.count(len(data)) {
		s := Subject{Table: p.count(maxTables), Name: p.text()}
		if p.bad || s.Table >= len(b.tables) {
			p.bad = true
			break
		}
		if values += len(b.tables[s.Table].Fields) + 1; values > maxValues {
			return nil, malformed("more than %d values in a row", maxValues)
		}
		b.subjects = append(b.subjects, s)
	}
	if p.bad {
		return nil, malformed("a block ends in its names")
	}
	b.rows = p.rest
	return b, nil
}

// A step is the beginning of a row.
type step struct {
	at       int64
	bound    int64 // in microseconds
	subjects int
}

// step takes the beginning of a row off.
func (b *block) step(p *parser, last int64) step {
	s := step{at: last + p.varint()}
	bound := p.uvarint()
	if bound > uint64(math.MaxInt64/time.Microsecond) {
		p.bad = true
	}
	s.bound, s.subjects = int64(bound), p.count(len(b.subjects))
	return s
}

// values takes the values of a subject off, into what they were before, and reports whether it
// was sampled.
func (b *block) values(p *parser, subject int, values []int64) bool {
	mask := p.uvarint()
	fields := len(b.tables[b.subjects[subject].Table].Fields)
	if mask>>1>>fields != 0 || mask > 0 && mask&1 == 0 {
		p.bad = true
	}
	for i := 0; i < fields && !p.bad; i++ {
		if mask&(2<<i) == 0 {
			continue
		}
		if d := p.varint(); values != nil {
			values[i] += d
		}
	}
	return mask != 0
}

// Retime gives a block with its times on another clock, and their bounds. It fails where the
// block is not whole.
func Retime(data []byte, to func(time.Time) (time.Time, time.Duration)) ([]byte, error) {
	b, err := parse(data)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(data)+64), data[:len(data)-len(b.rows)]...)
	p := parser{rest: b.rows}
	var last, lastOut int64
	for len(p.rest) > 0 {
		s := b.step(&p, last)
		last = s.at
		content := p.rest
		for i := range s.subjects {
			b.values(&p, i, nil)
		}
		if p.bad {
			return nil, malformed("a block ends in the middle of a row")
		}
		at, bound := to(time.Unix(0, s.at))
		out = binary.AppendVarint(out, at.UnixNano()-lastOut)
		lastOut = at.UnixNano()
		out = binary.AppendUvarint(out, uint64(max((bound+time.Microsecond-1)/time.Microsecond, 0)))
		out = binary.AppendUvarint(out, uint64(s.subjects))
		out = append(out, content[:len(content)-len(p.rest)]...)
	}
	if len(out) > MaxBlock {
		return nil, malformed("a block of %d bytes, at most %d are read", len(out), MaxBlock)
	}
	return out, nil
}
