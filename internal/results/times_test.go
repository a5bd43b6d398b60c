package results

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"downbeat/internal/streams"
)

func encodeTimes(segments []segment) []byte {
	var e timesEncoder
	var b []byte
	for _, s := range segments {
		b = e.append(b, s)
	}
	return b
}

func decodeTimes(b []byte) ([]segment, *timesDecoder, error) {
	d := newTimesDecoder(bytes.NewReader(b), 16)
	var segments []segment
	for {
		s, err := d.read()
		if err != nil {
			return segments, d, err
		}
		segments = append(segments, s)
	}
}

// The format is what docs/results.md says, byte for byte.
func TestTimesFormat(t *testing.T) {
	t.Parallel()
	segments := []segment{{at: 1000, size: 5}, {at: 1001, size: 300, stream: streams.Stderr}, {at: 999, size: 1}}
	want := "downbeat times 1\n" + "\x0a\xd0\x0f" + "\xd9\x04\x02" + "\x02\x03"
	got := encodeTimes(segments)
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	back, _, err := decodeTimes(got)
	if !slices.Equal(back, segments) || !errors.Is(err, io.EOF) {
		t.Errorf("got %v, %v, want %v", back, err, segments)
	}
}

// The extremes of times and sizes survive.
func TestTimesExtremes(t *testing.T) {
	t.Parallel()
	segments := []segment{
		{at: math.MaxInt64, size: 1}, {at: math.MinInt64, size: math.MaxInt64}, {at: 0, size: 1, stream: streams.Stderr}, {at: math.MinInt64, size: 1},
	}
	if got, _, err := decodeTimes(encodeTimes(segments)); !slices.Equal(got, segments) || !errors.Is(err, io.EOF) {
		t.Errorf("got %v, %v, want %v", got, err, segments)
	}
}

// Decoding any bytes ends, with an error at an offset within them; and the segments decoded
// before that encode to the same bytes again.
func FuzzTimes(f *testing.F) {
	f.Add(encodeTimes([]segment{{at: 1764000000e9, size: 100}, {at: 1764000000e9 + 1, size: 7, stream: streams.Stderr}}))
	f.Add([]byte(timesHeader + "\x00\x00"))
	f.Add([]byte(timesHeader + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("downbeat times 2\n"))
	f.Add([]byte("down"))
	f.Fuzz(func(t *testing.T, data []byte) {
		segments, d, _ := decodeTimes(data)
		if d.offset > int64(len(data)) || d.next > int64(len(data)) {
			t.Errorf("offset %d, next %d of %d bytes", d.offset, d.next, len(data))
		}
		if again, _, err := decodeTimes(encodeTimes(segments)); !slices.Equal(again, segments) || !errors.Is(err, io.EOF) {
			t.Errorf("got %v, %v, want %v", again, err, segments)
		}
		for _, s := range segments {
			if s.size <= 0 {
				t.Errorf("a segment of %d bytes", s.size)
			}
		}
	})
}
