package metric

import (
	"bytes"
	"io"
)

// A plain reader gives a text as a person would read it off a terminal: without
// escape sequences. Those that move the cursor to another place end a line there
// and become \r, so that an update of a progress bar is a line of its own however
// the program begins it.
type plain struct {
	r    io.Reader
	err  error  // of r
	in   []byte // what is read into
	out  []byte // what is to be given next
	text []byte // keeps what out is made of

	state    plainState
	sequence []byte // the sequence so far
}

type plainState int

const (
	inText         plainState = iota
	afterEscape               // ESC
	inIntermediate            // ESC and what stands before its final byte: a character set
	inControl                 // ESC [: a control sequence
	inString                  // ESC ] and the like: a title, a link
	inStringEscape            // ESC in there, the first byte of its end
)

const (
	escape = 0x1b
	bell   = 0x07
	// maxSequence is the longest sequence that is taken for one.
	maxSequence = 4 << 10
)

func newPlain(r io.Reader) *plain { return &plain{r: r, in: make([]byte, 32<<10)} }

func (p *plain) Read(b []byte) (int, error) {
	for len(p.out) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		var n int
		n, p.err = p.r.Read(p.in)
		p.out = p.filter(p.in[:n])
		if p.err != nil && (p.state == inString || p.state == inStringEscape) {
			p.flush()
			p.out = p.text
		}
	}
	n := copy(b, p.out)
	p.out = p.out[n:]
	return n, nil
}

// filter gives the text without sequences, valid until the next call.
func (p *plain) filter(data []byte) []byte {
	if p.state == inText && bytes.IndexByte(data, escape) < 0 {
		return data
	}
	p.text = p.text[:0]
	for _, c := range data {
		p.take(c)
	}
	return p.text
}

func (p *plain) take(c byte) {
	switch p.state {
	case inText:
		p.ground(c)
	case afterEscape:
		p.begin(c)
	case inIntermediate:
		p.intermediate(c)
	case inControl:
		p.control(c)
	case inString, inStringEscape:
		p.inside(c)
	}
}

func (p *plain) ground(c byte) {
	if c == escape {
		p.state, p.sequence = afterEscape, append(p.sequence[:0], c)
		return
	}
	p.state = inText
	p.text = append(p.text, c)
}

// begin tells the kind of a sequence by the byte after ESC.
func (p *plain) begin(c byte) {
	switch {
	case c == '[':
		p.state, p.sequence = inControl, append(p.sequence, c)
	case bytes.IndexByte([]byte("]PX^_"), c) >= 0:
		p.state, p.sequence = inString, append(p.sequence, c)
	case ' ' <= c && c <= '/':
		p.state = inIntermediate
	case '0' <= c && c <= '~':
		p.state = inText
	default:
		p.ground(c)
	}
}

func (p *plain) intermediate(c byte) {
	switch {
	case ' ' <= c && c <= '/':
	case '0' <= c && c <= '~':
		p.state = inText
	default:
		p.ground(c)
	}
}

func (p *plain) control(c byte) {
	switch {
	case ' ' <= c && c <= '?':
	case '@' <= c && c <= '~':
		p.state = inText
		if bytes.IndexByte([]byte("ABEFGHf"), c) >= 0 {
			p.text = append(p.text, '\r') // up, down, to a column, to a place
		}
	default:
		p.ground(c) // cut off
	}
}

func (p *plain) inside(c byte) {
	switch {
	case c == bell, p.state == inStringEscape && c == '\\':
		p.state = inText
	case p.state == inStringEscape:
		p.flush()
		p.state, p.sequence = afterEscape, append(p.sequence[:0], escape)
		p.begin(c)
	case c == escape:
		p.state = inStringEscape
	case c == '\n', c == '\r', len(p.sequence) > maxSequence:
		p.flush()
		p.ground(c)
	default:
		p.sequence = append(p.sequence, c)
	}
}

// flush takes a string that has no end for text: it was none.
func (p *plain) flush() {
	p.text = append(p.text, p.sequence[2:]...)
	p.state = inText
}
