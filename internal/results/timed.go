package results

import (
	"bufio"
	"io"
	"time"

	"downbeat/internal/streams"
)

// timedBuffer is the size of each of the two buffers of a [TimedReader], in bytes.
const timedBuffer = 16 << 10

// A TimedReader reads a stream of a process together with the times at which the worker read it.
// No call of Read gives bytes of two segments, so all of them have the time that At gives.
type TimedReader struct {
	data   io.Reader
	times  *timesDecoder
	stream streams.Stream

	left int64 // bytes of the segment that are still to come
	at   int64 // its time, or the latest before: times of a stream don't go back
	over bool  // there are no more segments

	begun   bool // there was a segment
	known   bool // the time of what was given last is known, and which it is
	givenAt int64
}

// NewTimedReader reads a stream out of its file, and its times out of the process's file of
// times, at [TimesPath].
func NewTimedReader(data, times io.Reader, stream streams.Stream) *TimedReader {
	return &TimedReader{data: bufio.NewReaderSize(data, timedBuffer), times: newTimesDecoder(times, timedBuffer), stream: stream}
}

// Read implements [io.Reader].
func (r *TimedReader) Read(b []byte) (int, error) {
	for r.left == 0 && !r.over {
		r.advance()
	}
	if r.left > 0 {
		b = b[:min(int64(len(b)), r.left)]
	}
	n, err := r.data.Read(b)
	if n > 0 { // at the end of the stream, At is about its last bytes
		r.known, r.givenAt = r.left > 0, r.at
		r.left -= min(int64(n), r.left)
	}
	return n, err
}

// advance goes on to the stream's next segment.
func (r *TimedReader) advance() {
	s, err := r.times.read()
	switch {
	case err != nil:
		r.over = true
	case s.stream == r.stream:
		if !r.begun || s.at > r.at {
			r.at = s.at
		}
		r.left, r.begun = s.size, true
	}
}

// At is when what Read gave last was read from the process, on the publisher's clock. It is not
// known where the times end before the stream does: damage, or a run that was interrupted.
func (r *TimedReader) At() (at time.Time, known bool) {
	if !r.known {
		return time.Time{}, false
	}
	return time.Unix(0, r.givenAt).UTC(), true
}
