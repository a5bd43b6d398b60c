// Package lastwords finds, in the output of a program that has ended, the line that says why:
// the message of a panic or an exception instead of the last line of its stack. A [Finder]
// takes the text in pieces and keeps only one line and one or two candidates, however long the
// text is.
package lastwords

import "bytes"

// MaxLine is how much of a line is kept, in bytes.
const MaxLine = 4096

// A Finder is an [io.Writer] that remembers the line that explains the end. The zero value is
// ready to use.
type Finder struct {
	line    []byte // being written, as a terminal shows it: what follows a lone \r replaces it
	drawn   []byte // what the line was before the last \r
	returns bool   // the line's last byte was \r

	last  []byte // the last line that is not blank
	found finding
}

// A finding is the best explanation so far. It holds as long as the lines after it
// belong to the same report.
type finding struct {
	kind   kind
	words  []byte
	joins  bool // the next line is part of it
	strays int  // lines since that do not look like parts of the report
}

// Write implements [io.Writer]; it never fails.
func (f *Finder) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexAny(p, "\r\n")
		if end < 0 {
			f.text(p)
			break
		}
		f.text(p[:end])
		if p[end] == '\r' {
			f.returns = true
		} else {
			f.endLine()
		}
		p = p[end+1:]
	}
	return n, nil
}

// text adds to the line. After a \r it begins anew.
func (f *Finder) text(p []byte) {
	if len(p) == 0 {
		return
	}
	if f.returns {
		f.returns = false
		if line := Clean(f.line); len(line) > 0 {
			f.drawn = append(f.drawn[:0], line...)
		}
		f.line = f.line[:0]
	}
	f.line = append(f.line, p[:min(len(p), MaxLine-len(f.line))]...)
}

// endLine takes a whole line.
func (f *Finder) endLine() {
	line := Clean(f.line)
	if len(bytes.TrimSpace(line)) == 0 && len(f.drawn) > 0 {
		line = f.drawn // what was there before the line was wiped
	}
	f.take(line)
	f.line, f.drawn, f.returns = f.line[:0], f.drawn[:0], false
}

// take judges a line.
func (f *Finder) take(line []byte) {
	f.found.take(line, f.last)
	if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 && !isTrailer(trimmed) {
		f.last = append(f.last[:0], trimmed...)
	}
}

// Words are the last words so far, without the space around them; empty where
// nothing but blank lines was written.
func (f *Finder) Words() []byte {
	rest := Finder{found: f.found, last: bytes.Clone(f.last)}
	rest.found.words = bytes.Clone(f.found.words)
	if len(f.line) > 0 {
		rest.line, rest.drawn = bytes.Clone(f.line), bytes.Clone(f.drawn)
		rest.endLine()
	}
	if len(rest.found.words) > 0 {
		return bytes.TrimSpace(rest.found.words)
	}
	return rest.last
}
