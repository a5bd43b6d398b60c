package outlet

import (
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func tell(w io.Writer, lines int) { fmt.Fprintf(w, "%d lines were dropped\n", lines) }

// A log whose reader takes nothing holds nobody up: it keeps what there is room
// for, and says later how much it has dropped.
func TestALogDropsRatherThanWait(t *testing.T) {
	t.Parallel()
	var r reader
	l := NewLog(&r, tell)
	r.mu.Lock()
	line := strings.Repeat("x", 999) + "\n"
	const lines = 5000
	for range lines {
		write(t, l, []byte(line))
	}
	l.mu.Lock()
	dropped := l.dropped
	l.mu.Unlock()
	r.mu.Unlock()
	l.Close(time.Minute)
	want := strings.Repeat(line, lines-dropped) + fmt.Sprintf("%d lines were dropped\n", dropped)
	if got := r.taken.String(); got != want || dropped < lines/2 {
		t.Errorf("got %d bytes, want %d; %d lines were dropped", len(got), len(want), dropped)
	}
}

// Closing it doesn't wait for ever for a reader that takes nothing.
func TestClosingALogIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		l := NewLog(writerFunc(func(p []byte) (int, error) {
			<-goOn
			return len(p), nil
		}), tell)
		write(t, l, []byte("line\n"))
		before := time.Now()
		l.Close(time.Second)
		if took := time.Since(before); took != time.Second {
			t.Errorf("it took %v", took)
		}
		close(goOn)
	})
}

// Lines that can't be written are counted as dropped, and later ones are tried again.
func TestALogThatFailsForAWhile(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	full := true
	l := NewLog(writerFunc(func(p []byte) (int, error) {
		if full {
			full = false
			return 0, syscall.ENOSPC
		}
		return got.Write(p)
	}), tell)
	write(t, l, []byte("one\ntwo\n"))
	l.Close(time.Minute)
	if got, want := got.String(), "2 lines were dropped\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
