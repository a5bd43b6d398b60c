package results

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/streams"
)

// timesOf encodes segments.
func timesOf(segments ...segment) []byte {
	var e timesEncoder
	var b []byte
	for _, s := range segments {
		b = e.append(b, s)
	}
	return b
}

// pieces reads a stream to its end: each piece with its time in seconds, or -1 without one.
func pieces(t *testing.T, r *TimedReader) (texts []string, times []int64) {
	t.Helper()
	b := make([]byte, 1<<10)
	for {
		n, err := r.Read(b)
		if n > 0 {
			at, known := r.At()
			seconds := at.Unix()
			if !known {
				seconds = -1
			}
			texts, times = append(texts, string(b[:n])), append(times, seconds)
		}
		if errors.Is(err, io.EOF) {
			return texts, times
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEachPieceOfATimedStreamHasItsOwnTime(t *testing.T) {
	t.Parallel()
	second := int64(time.Second)
	out, err := streams.Stdout, streams.Stderr
	tests := []struct {
		name, text string
		times      []byte
		stream     streams.Stream
		want       string
		at         []int64
	}{
		{"segment by segment", "aabbb", timesOf(segment{out, 10 * second, 2}, segment{out, 12 * second, 3}), out, "aa|bbb", []int64{10, 12}},
		{"the other stream is passed over", "bbb", timesOf(segment{out, 10 * second, 2}, segment{err, 12 * second, 3}), err, "bbb", []int64{12}},
		{"times don't go back", "ab", timesOf(segment{out, 10 * second, 1}, segment{out, 9 * second, 1}), out, "a|b", []int64{10, 10}},
		{"times that end early", "aabb", timesOf(segment{out, 10 * second, 2}), out, "aa|bb", []int64{10, -1}},
		{"no times at all", "aabb", nil, out, "aabb", []int64{-1}},
		{"damaged times", "aabb", append(timesOf(segment{out, 10 * second, 2}), 0, 0), out, "aa|bb", []int64{10, -1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := NewTimedReader(strings.NewReader(tt.text), bytes.NewReader(tt.times), tt.stream)
			texts, times := pieces(t, r)
			if got := strings.Join(texts, "|"); got != tt.want {
				t.Errorf("got the pieces %q, want %q", got, tt.want)
			}
			if len(times) != len(tt.at) {
				t.Fatalf("got the times %v, want %v", times, tt.at)
			}
			for i := range times {
				if times[i] != tt.at[i] {
					t.Errorf("got the times %v, want %v", times, tt.at)
				}
			}
			if at, known := r.At(); known != (tt.at[len(tt.at)-1] >= 0) || known && at.Unix() != tt.at[len(tt.at)-1] {
				t.Errorf("at the end of the stream the time is %v, %v: it should be that of its last bytes", at, known)
			}
		})
	}
}

// Whatever is in the file of times, the stream itself is read whole.
func TestTimesNeverCostATimedStreamABit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "text")
		times := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "times")
		if rapid.Bool().Draw(t, "begins well") {
			times = append([]byte(timesHeader), times...)
		}
		got, err := io.ReadAll(NewTimedReader(bytes.NewReader(text), bytes.NewReader(times), streams.Stdout))
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
	})
}
