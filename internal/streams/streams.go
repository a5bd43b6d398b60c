// Package streams says which of its two outputs a command wrote to, and counts what it wrote there.
package streams

import "bytes"

// Stream is which of its two outputs a command wrote to.
type Stream uint8

// The streams.
const (
	Stdout Stream = 0
	Stderr Stream = 1
)

// Both are the streams, in the order of their numbers.
func Both() [2]Stream { return [...]Stream{Stdout, Stderr} }

// String names the stream.
func (s Stream) String() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

// Title names the stream in a sentence for a person.
func (s Stream) Title() string {
	if s == Stderr {
		return "standard error"
	}
	return "standard output"
}

// A Counter counts what a stream has carried.
type Counter struct {
	Bytes    uint64
	Newlines uint64
	// Open: the last byte was not a newline.
	Open bool
}

// Add counts data, which comes next.
func (c *Counter) Add(data []byte) {
	if len(data) == 0 {
		return
	}
	c.Bytes += uint64(len(data))
	c.Newlines += uint64(bytes.Count(data, []byte{'\n'}))
	c.Open = data[len(data)-1] != '\n'
}

// Lines is the number of lines. A last one without a newline counts.
func (c *Counter) Lines() uint64 {
	if c.Open {
		return c.Newlines + 1
	}
	return c.Newlines
}

// A Tally counts what a command has written, by its stream.
type Tally [2]Counter

// Add counts data, which comes next in that stream.
func (t *Tally) Add(s Stream, data []byte) { t[s].Add(data) }

// Total is what has been counted.
func (t *Tally) Total() Total {
	return Total{
		StdoutLines: t[Stdout].Lines(), StdoutBytes: t[Stdout].Bytes,
		StderrLines: t[Stderr].Lines(), StderrBytes: t[Stderr].Bytes,
	}
}

// A Total is everything that a command has written. A last line without a newline
// counts as a line.
type Total struct {
	StdoutLines uint64 `json:"stdout_lines"`
	StdoutBytes uint64 `json:"stdout_bytes"`
	StderrLines uint64 `json:"stderr_lines"`
	StderrBytes uint64 `json:"stderr_bytes"`
}

// Of gives the lines and bytes of one stream.
func (t Total) Of(s Stream) (lines, bytes uint64) {
	if s == Stderr {
		return t.StderrLines, t.StderrBytes
	}
	return t.StdoutLines, t.StdoutBytes
}

// Lines are those of both streams.
func (t Total) Lines() uint64 { return t.StdoutLines + t.StderrLines }

// Bytes are those of both streams.
func (t Total) Bytes() uint64 { return t.StdoutBytes + t.StderrBytes }

// Since is what was written after an earlier total.
func (t Total) Since(earlier Total) Total {
	return Total{
		StdoutLines: t.StdoutLines - earlier.StdoutLines, StdoutBytes: t.StdoutBytes - earlier.StdoutBytes,
		StderrLines: t.StderrLines - earlier.StderrLines, StderrBytes: t.StderrBytes - earlier.StderrBytes,
	}
}
