package results_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/results"
	"downbeat/internal/streams"
)

var excerptProcess = results.Process{Host: "alpha", Name: "a"}

// excerpt reads what the run's only process wrote, as tagged lines.
func excerpt(t *testing.T, run *results.Run, limit int64) (head, tail []string, skipped int64, ticks []time.Time) {
	t.Helper()
	e, err := results.ReadExcerpt(run.Dir(), excerptProcess, limit, func(at time.Time, _ streams.Stream) { ticks = append(ticks, at.UTC()) })
	check(t, err)
	text := func(lines []results.ExcerptLine) (tagged []string) {
		for _, l := range lines {
			tag := "out "
			if l.Stream == streams.Stderr {
				tag = "err "
			}
			at := "?"
			if !l.Time.IsZero() {
				at = l.Time.Sub(epoch).String()
			}
			tagged = append(tagged, tag+at+" "+string(l.Text))
		}
		return tagged
	}
	return text(e.Head), text(e.Tail), e.SkippedBytes, ticks
}

// Output within the limit is read whole, each line with the time of its end, in the order of
// arrival.
func TestExcerptWhole(t *testing.T) {
	t.Parallel()
	run := newRun(t, excerptProcess)
	output(t, run, 0, streams.Stdout, 1*time.Second, "one\ntw")
	output(t, run, 0, streams.Stderr, 2*time.Second, "oh\xff\x00\n")
	output(t, run, 0, streams.Stdout, 3*time.Second, "o\n\nend")
	check(t, run.Flush())
	head, tail, skipped, ticks := excerpt(t, run, 100)
	want := []string{"out 1s one", "err 2s oh\xff\x00", "out 3s two", "out 3s ", "out 3s end"}
	if !slices.Equal(head, want) || tail != nil || skipped != 0 {
		t.Errorf("got %q, %q, %d bytes skipped; want %q", head, tail, skipped, want)
	}
	if want := []time.Time{after(1 * time.Second), after(2 * time.Second), after(3 * time.Second)}; !slices.Equal(ticks, want) {
		t.Errorf("ticks at %v, want %v", ticks, want)
	}
}

// Of more than the limit both ends are read, and the bytes between them counted.
func TestExcerptEnds(t *testing.T) {
	t.Parallel()
	run := newRun(t, excerptProcess)
	for i := range 10 {
		output(t, run, 0, streams.Stream(i%2), time.Duration(i)*time.Second, strings.Repeat(string(rune('a'+i)), 4)+"\n")
	}
	check(t, run.Flush())
	head, tail, skipped, ticks := excerpt(t, run, 24)
	if want := []string{"out 0s aaaa", "err 1s bbbb", "out 2s cc"}; !slices.Equal(head, want) {
		t.Errorf("head: got %q, want %q", head, want)
	}
	if want := []string{"err 7s h", "out 8s iiii", "err 9s jjjj"}; !slices.Equal(tail, want) {
		t.Errorf("tail: got %q, want %q", tail, want)
	}
	if skipped != 50-24 || len(ticks) != 10 {
		t.Errorf("%d bytes skipped and %d ticks, want 26 and 10", skipped, len(ticks))
	}
}

// However the limit falls, head, what is skipped and tail make up the whole.
func TestExcerptAnyLimit(t *testing.T) {
	t.Parallel()
	run := newRun(t, excerptProcess)
	var whole []byte
	for i := range 40 {
		text := bytes.Repeat([]byte{byte('a' + i%26)}, i%7+1)
		if i%3 == 0 {
			text = append(text, '\n')
		}
		whole = append(whole, text...)
		output(t, run, 0, streams.Stdout, time.Duration(i), string(text))
	}
	check(t, run.Flush())
	for limit := int64(2); limit < int64(len(whole)+4); limit += 2 {
		head, tail, skipped, _ := excerpt(t, run, limit)
		strip := func(lines []string) (text string) {
			for _, l := range lines {
				text += l[strings.LastIndexByte(l, ' ')+1:]
			}
			return text
		}
		half := min(limit/2, int64(len(whole)))
		first, last := string(whole[:half]), string(whole[max(half, int64(len(whole))-half):])
		gotHead, gotTail := strip(head), strip(tail)
		if skipped == 0 {
			if gotHead != strings.ReplaceAll(string(whole), "\n", "") {
				t.Fatalf("limit %d: got %q, want everything", limit, gotHead)
			}
			continue
		}
		if gotHead != strings.ReplaceAll(first, "\n", "") || gotTail != strings.ReplaceAll(last, "\n", "") || skipped != int64(len(whole))-2*half {
			t.Fatalf("limit %d: got %q, %d skipped, %q", limit, gotHead, skipped, gotTail)
		}
	}
}

// Missing or damaged times leave the bytes readable.
func TestExcerptWithoutTimes(t *testing.T) {
	t.Parallel()
	run := newRun(t, excerptProcess)
	output(t, run, 0, streams.Stdout, time.Second, "one\n")
	output(t, run, 0, streams.Stdout, 2*time.Second, "two\n")
	check(t, run.Flush())
	path := filepath.Join(run.Dir(), "alpha", "a.times")
	times := readFile(t, path)
	check(t, os.WriteFile(path, []byte(times[:len(times)-1]), 0o600))
	head, _, _, ticks := excerpt(t, run, 100)
	if want := []string{"out 1s one", "out 1s two"}; !slices.Equal(head, want) || len(ticks) != 1 {
		t.Errorf("cut times: got %q and %d ticks, want %q and 1", head, len(ticks), want)
	}
	check(t, os.Remove(path))
	head, _, _, ticks = excerpt(t, run, 100)
	if want := []string{"out ? one", "out ? two"}; !slices.Equal(head, want) || ticks != nil {
		t.Errorf("no times: got %q and ticks %v, want %q", head, ticks, want)
	}
}

// A process that wrote nothing has an empty excerpt; a name that leaves the run's directory is refused.
func TestExcerptOfNothing(t *testing.T) {
	t.Parallel()
	run := newRun(t, excerptProcess)
	if head, tail, skipped, _ := excerpt(t, run, 100); head != nil || tail != nil || skipped != 0 {
		t.Errorf("got %q, %q, %d", head, tail, skipped)
	}
	if _, err := results.ReadExcerpt(run.Dir(), results.Process{Host: "..", Name: "a"}, 100, nil); err == nil {
		t.Error("host ..: no error")
	}
}
