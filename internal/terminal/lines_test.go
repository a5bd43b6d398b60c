package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// writes collects what is written, and each write on its own.
type writes struct {
	all  bytes.Buffer
	each []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.each = append(w.each, string(p))
	return w.all.Write(p)
}

func TestLinesAreTheSameHoweverTheyAreCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab\x00\xff\n]{0,60}`).Draw(t, "text")
		tag := rapid.SampledFrom([]string{"", "a/0 | "}).Draw(t, "tag")
		var want strings.Builder
		for line := range strings.Lines(text) {
			want.WriteString(tag + strings.TrimSuffix(line, "\n") + "\n")
		}

		var got bytes.Buffer
		s := NewLines(&got, io.Discard).Source(tag, false)
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			if err := s.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Fatalf("got %q, want %q", got.String(), want.String())
		}
	})
}

func TestLinesOfOnePieceAreWrittenAtOnce(t *testing.T) {
	t.Parallel()
	var out writes
	s := NewLines(&out, io.Discard).Source("x ", false)
	for _, piece := range []string{"be", "gin\none\ntwo\nen", "d\n"} {
		if err := s.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := fmt.Sprintf("%q", out.each), `["x begin\nx one\nx two\n" "x end\n"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLinesGoToTheWriterOfTheirSource(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	lines := NewLines(&out, &errs)
	a, b := lines.Source("a ", false), lines.Source("b ", true)
	if err := errors.Join(a.Write([]byte("1")), b.Write([]byte("2\n3")), a.Close(), b.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	if out.String() != "a 1\n" || errs.String() != "b 2\nb 3\n" {
		t.Errorf("got %q and %q", out.String(), errs.String())
	}
}

func TestLinesOfManySourcesStayWhole(t *testing.T) {
	t.Parallel()
	const sources, lines = 8, 2000
	var out writes
	all := NewLines(&out, &out)
	var wg sync.WaitGroup
	for i := range sources {
		wg.Go(func() {
			s := all.Source(fmt.Sprintf("%d ", i), i%2 == 1)
			for j := range lines {
				s.Write([]byte("left"))                              //nolint:errcheck // a buffer
				s.Write(fmt.Appendf(nil, "%d right\nleft%d", j, -1)) //nolint:errcheck // a buffer
				s.Write([]byte(" right\n"))                          //nolint:errcheck // a buffer
			}
		})
	}
	wg.Wait()
	count := 0
	for line := range strings.Lines(out.all.String()) {
		var source, j int
		if n, err := fmt.Sscanf(line, "%d left%d right\n", &source, &j); n != 2 || err != nil {
			t.Fatalf("torn: %q", line)
		}
		count++
	}
	if want := sources * lines * 2; count != want {
		t.Errorf("got %d lines, want %d", count, want)
	}
}

func TestALineOfAnyLengthStaysWholeAndOutOfMemory(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	const size = 40 << 20
	var out lengths
	lines := NewLines(&out, io.Discard)
	long, other := lines.Source("long ", false), lines.Source("other ", false)
	piece := bytes.Repeat([]byte("x"), 64<<10)
	for range size / len(piece) {
		if err := long.Write(piece); err != nil {
			t.Fatal(err)
		}
		if n := cap(long.partial); n > 2*maxPartial {
			t.Fatalf("%d bytes are kept in memory", n)
		}
	}
	if err := other.Write([]byte("o\n")); err != nil {
		t.Fatal(err)
	}
	if err := long.Write([]byte("end\nnext\n")); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(out.lines), fmt.Sprint([]int{len("other o"), len("long ") + size + len("end"), len("long next")}); got != want {
		t.Errorf("got lines of %s bytes, want %s", got, want)
	}
	if long.spill != nil {
		t.Error("the temporary file is still open")
	}
}

// lengths notes how long the lines are that are written to it.
type lengths struct {
	lines []int
	last  int
}

func (l *lengths) Write(p []byte) (int, error) {
	for _, piece := range bytes.SplitAfter(p, []byte{'\n'}) {
		if before, ok := bytes.CutSuffix(piece, []byte{'\n'}); ok {
			l.lines, l.last = append(l.lines, l.last+len(before)), 0
		} else {
			l.last += len(piece)
		}
	}
	return len(p), nil
}

func TestAFailedWriterStaysFailedForAllItsSources(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	lines := NewLines(broken{}, &errs)
	a, b, c := lines.Source("", false), lines.Source("b ", false), lines.Source("", true)
	if err := a.Write([]byte("x\n")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got %v, want EPIPE", err)
	}
	if err := b.Write([]byte("no newline")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("another source got %v, want EPIPE", err)
	}
	if err := b.Close(); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("closing got %v, want EPIPE", err)
	}
	if err := c.Write([]byte("fine\n")); err != nil || errs.String() != "fine\n" {
		t.Errorf("the other writer got %v, %q", err, errs.String())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func BenchmarkLines(b *testing.B) {
	const perPiece = 640
	piece := bytes.Repeat(append(bytes.Repeat([]byte("x"), 99), '\n'), perPiece)
	for _, tag := range []string{"", "hyperion/client.12 | "} {
		b.Run("tag="+tag, func(b *testing.B) {
			s := NewLines(io.Discard, io.Discard).Source(tag, false)
			b.SetBytes(int64(len(piece)))
			for b.Loop() {
				if err := s.Write(piece); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*perPiece/b.Elapsed().Seconds()/1e6, "Mlines/s")
		})
	}
}
