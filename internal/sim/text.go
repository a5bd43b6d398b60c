package sim

import "bytes"

// The output of commands: letters and newlines that go round, so that the byte at each
// offset of a stream is known without being kept.

const textPeriod = 32 << 10

// text holds the period again and again: a piece of up to one can begin anywhere, and what
// is in a file is its beginning.
var text = func() []byte {
	r := random{state: 20261128}
	data := make([]byte, textPeriod)
	for i := range data {
		data[i] = 'a' + byte(r.below(26))
		if r.oneIn(12) {
			data[i] = '\n'
		}
	}
	return bytes.Repeat(data, largestFile/textPeriod+1)
}()

// largestFile is how large the files of a plan are at most.
const largestFile = 600_000

// A stream is what a command has written to one of its outputs.
type stream struct {
	base  uint64 // where its text begins
	bytes uint64
	lines uint64 // newlines
}

// write adds n bytes, at most a period, and returns them.
func (s *stream) write(n int) []byte {
	data := s.at(s.bytes, n)
	s.bytes += uint64(n)
	s.lines += uint64(bytes.Count(data, []byte{'\n'}))
	return data
}

// at is what the stream has, or would have, from an offset on.
func (s *stream) at(offset uint64, n int) []byte {
	from := (s.base + offset) % textPeriod
	return text[from : from+uint64(n) : from+uint64(n)]
}

// total is how many lines it has, a last one without a newline included.
func (s *stream) total() uint64 {
	if s.bytes > 0 && s.at(s.bytes-1, 1)[0] != '\n' {
		return s.lines + 1
	}
	return s.lines
}
