package outlet

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
)

// A failed write is remembered, and a reader that has gone is told from a full disk.
func TestCheckedRemembersWhatCouldNotBeWritten(t *testing.T) {
	t.Parallel()
	for err, gone := range map[error]bool{syscall.EPIPE: true, syscall.ECONNRESET: true, syscall.ENOSPC: false} {
		calls := 0
		c := &Checked{W: writerFunc(func([]byte) (int, error) {
			calls++
			return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: err}
		})}
		for range 2 {
			_, _ = io.WriteString(c, "x")
		}
		if got := Gone(c.Err()); got != gone || calls != 1 {
			t.Errorf("%v: gone %v after %d writes, want %v after one", err, got, calls, gone)
		}
	}
	var c Checked
	c.W = io.Discard
	if _, err := fmt.Fprint(&c, "x"); err != nil || c.Err() != nil {
		t.Errorf("got %v, %v", err, c.Err())
	}
}
