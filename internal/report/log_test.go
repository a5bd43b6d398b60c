package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/results"
	"downbeat/internal/streams"
)

var base = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

// A line is one of a log once it is unfolded.
type line struct {
	text   string
	at     int64
	stderr bool
}

// unfold does what the page does.
func unfold(l processLog) []line {
	texts := strings.Split(l.Text, "\n")
	texts = texts[:len(texts)-1]
	lines := make([]line, len(texts))
	at := int64(0)
	for n, text := range texts {
		lines[n].text = text
		if l.Times != nil {
			at += l.Times[n]
			lines[n].at = at
		}
	}
	n := 0
	for _, d := range l.Stderr {
		n += d
		lines[n].stderr = true
	}
	return lines
}

// A log keeps texts, times and streams of lines; what is no UTF-8 is replaced.
func TestProcessLog(t *testing.T) {
	t.Parallel()
	excerpt := results.Excerpt{Head: []results.ExcerptLine{
		{Time: base.Add(time.Second), Text: []byte("one")},
		{Time: base.Add(3 * time.Second), Text: []byte("t\xffo"), Stream: streams.Stderr},
		{Text: nil},
		{Time: base.Add(2 * time.Second), Text: []byte("four"), Stream: streams.Stderr},
	}}
	got := unfold(newProcessLog(excerpt, base, false))
	want := []line{{"one", 1e6, false}, {"t\uFFFDo", 3e6, true}, {"", 3e6, false}, {"four", 2e6, true}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// However often a log is shortened, what is left are its first and last lines as they
// were, the bytes between them are counted, and it is within the limit.
func TestShorten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var e results.Excerpt
		for n := range rapid.IntRange(0, 60).Draw(t, "lines") {
			text := fmt.Sprint(n, strings.Repeat("x", rapid.IntRange(0, 40).Draw(t, "length")))
			e.Head = append(e.Head, results.ExcerptLine{Time: base.Add(time.Duration(n) * time.Millisecond), Text: []byte(text), Stream: rapid.SampledFrom([]streams.Stream{streams.Stdout, streams.Stderr}).Draw(t, "stream")})
		}
		l := newProcessLog(e, base, false)
		whole, size := unfold(l), len(l.Text)
		for limit := rapid.Int64Range(1, 2000).Draw(t, "limit"); limit > 0; limit /= 2 {
			l.shorten(limit)
			lines := unfold(l)
			head := lines
			if l.Skipped > 0 {
				head = lines[:l.Head]
			}
			tail := lines[len(head):]
			if !slices.Equal(head, whole[:len(head)]) || !slices.Equal(tail, whole[len(whole)-len(tail):]) {
				t.Fatalf("limit %d: got %v and %v", limit, head, tail)
			}
			if int64(len(l.Text)) > limit || int64(len(l.Text))+l.Skipped != int64(size) {
				t.Fatalf("limit %d: %d bytes and %d skipped of %d", limit, len(l.Text), l.Skipped, size)
			}
		}
	})
}

// Outputs are shortened until the page fits, those of failed processes last.
func TestFit(t *testing.T) {
	t.Parallel()
	long := results.Excerpt{}
	for n := range 2000 {
		long.Head = append(long.Head, results.ExcerptLine{Text: fmt.Appendf(nil, "line %d %x", n, uint64(n)*0x9e3779b97f4a7c15)})
	}
	logs := runLog{newProcessLog(long, base, false), newProcessLog(long, base, true)}
	packed, err := pack(logs)
	if err != nil {
		t.Fatal(err)
	}
	one := &run{complete: true, logs: packed, largest: logs.largest()}
	r := &Report{limit: mostOutput}
	if err := r.fit(20_000, []*run{one}); err != nil {
		t.Fatal(err)
	}
	var got runLog
	if err := one.logs.unpack(&got); err != nil {
		t.Fatal(err)
	}
	if size := len(one.logs); size > 20_000 || !one.cut {
		t.Errorf("%d bytes are kept, cut: %v", size, one.cut)
	}
	if a, b := len(got[0].Text), len(got[1].Text); a == 0 || int64(a) > r.limit || b <= 2*a {
		t.Errorf("%d bytes of a process that ended well, %d of one that failed; the limit is %d", a, b, r.limit)
	}
	if err := r.fit(10, []*run{one}); err != nil {
		t.Fatal(err)
	}
	if one.largest != 0 || r.limit >= leastOutput {
		t.Errorf("with no room at all %d bytes are kept, the limit is %d", one.largest, r.limit)
	}
}
