package probe

import (
	"bytes"
	"regexp"
)

// Lines finds lines in one stream of a process, which comes in pieces. It belongs to the
// goroutine that reads the stream.
type Lines struct {
	pattern *regexp.Regexp
	begun   []byte // of the line that has no end yet: at most maxLine
}

// maxLine is how much of a line is looked at, in bytes.
const maxLine = 64 << 10

// NewLines makes the finder of a regular expression, which must be valid.
func NewLines(pattern string) *Lines { return &Lines{pattern: regexp.MustCompile(pattern)} }

// Feed takes the next piece of the stream, and returns how many of the lines that end in it
// match.
func (l *Lines) Feed(data []byte) int {
	n := 0
	for {
		line, rest, ends := bytes.Cut(data, []byte{'\n'})
		if !ends {
			l.keep(data)
			return n
		}
		if len(l.begun) > 0 {
			l.keep(line)
			line = l.begun
		}
		if l.matches(line) {
			n++
		}
		l.begun = l.begun[:0]
		data = rest
	}
}

// Close is for when the stream has ended: a last line without a newline counts. It reports
// whether there is one that matches.
func (l *Lines) Close() bool {
	last := l.begun
	l.begun = nil
	return len(last) > 0 && l.matches(last)
}

func (l *Lines) keep(part []byte) {
	l.begun = append(l.begun, part[:min(len(part), maxLine-len(l.begun))]...)
}

// matches looks at a line as people see it: what a terminal puts before a newline is not
// part of it.
func (l *Lines) matches(line []byte) bool {
	return l.pattern.Match(bytes.TrimSuffix(line[:min(len(line), maxLine)], []byte{'\r'}))
}
