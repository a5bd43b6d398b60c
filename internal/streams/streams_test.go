package streams

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A last line without a newline counts, until its newline comes, and however the
// stream was cut.
func TestTallyCountsLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{"": 0, "\n": 1, "a": 1, "a\n": 1, "a\nb": 2, "a\n\n": 2, "\r": 1, "\n\x00": 2} {
		for cut := range len(text) + 1 {
			var got Tally
			got.Add(Stderr, []byte(text[:cut]))
			got.Add(Stderr, nil)
			got.Add(Stderr, []byte(text[cut:]))
			if total := got.Total(); total != (Total{StderrLines: want, StderrBytes: uint64(len(text))}) {
				t.Errorf("%q cut at %d counts as %+v, want %d lines", text, cut, total, want)
			}
		}
	}
}

// The counts of a stream depend neither on how it was read nor on the other stream.
func TestTallyDoesNotDependOnPieces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var tally Tally
		var whole [2]string
		for range rapid.IntRange(0, 20).Draw(t, "pieces") {
			s := Stream(rapid.IntRange(0, 1).Draw(t, "stream"))
			piece := rapid.SampledFrom([]string{"", "a", "\n", "b\nc", "d\n\n", "\xff"}).Draw(t, "piece")
			if got := tally[s]; got.Bytes != uint64(len(whole[s])) || got.Newlines != uint64(strings.Count(whole[s], "\n")) {
				t.Fatalf("before %q: %+v, want the bytes and newlines of %q", piece, got, whole[s])
			}
			tally.Add(s, []byte(piece))
			whole[s] += piece
		}
		total := tally.Total()
		for s, text := range whole {
			want := uint64(strings.Count(text, "\n"))
			if text != "" && !strings.HasSuffix(text, "\n") {
				want++
			}
			if lines, bytes := total.Of(Stream(s)); lines != want || bytes != uint64(len(text)) {
				t.Errorf("%q on %s counts as %d lines and %d bytes", text, Stream(s), lines, bytes)
			}
		}
		if total.Lines() != total.StdoutLines+total.StderrLines || total.Bytes() != total.StdoutBytes+total.StderrBytes || total.Since(total) != (Total{}) {
			t.Errorf("%+v does not add up", total)
		}
	})
}
