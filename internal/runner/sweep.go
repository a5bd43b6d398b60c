package runner

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Sweep kills every process of this user whose environment carries all entries
// of mark, and waits until it's gone; it returns how many. It is for what a
// crashed program left, and never touches this program itself. The error tells
// how many are left when ctx ended.
func (r *Runner) Sweep(ctx context.Context, mark []string) (int, error) {
	if len(mark) == 0 {
		return 0, errors.New("sweep: no mark given, which would mean every process")
	}
	killed := map[proc]bool{}
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		left := carriers(mark)
		if len(left) == 0 {
			return len(killed), nil
		}
		for _, d := range left {
			signalProc(d, syscall.SIGKILL)
			killed[proc{pid: d.pid, start: d.start}] = true
		}
		select {
		case <-ctx.Done():
			return len(killed), fmt.Errorf("sweep: %d processes are left: %w", len(left), context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}
