package runner

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Sweep kills every process of this user whose environment has all entries of mark, waits until
// they are gone, and returns how many there were. It is for what a crashed program has left,
// and never touches this program itself. The error wraps a [*LeftError] if something is left
// after [KillTimeout], or when ctx ended; in the first case the runner keeps trying.
func (r *Runner) Sweep(ctx context.Context, mark []string) (int, error) {
	if len(mark) == 0 {
		return 0, errors.New("sweep: no mark given, which would mean every process")
	}
	look := func() ([]proc, error) {
		l := newLook(r.sys)
		return l.carriers(mark), l.err
	}
	killed := map[int]uint64{}
	giveUp := time.NewTimer(r.killTimeout)
	defer giveUp.Stop()
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		left, err := look()
		if len(left) == 0 && err == nil {
			return len(killed), nil
		}
		for _, d := range left {
			r.sys.signal(d, syscall.SIGKILL)
			killed[d.pid] = d.start
		}
		select {
		case <-ctx.Done():
			return len(killed), fmt.Errorf("sweep: %w: %w", context.Cause(ctx), &LeftError{leftovers(left), err})
		case <-giveUp.C:
			all := &LeftError{leftovers(left), err}
			r.pursue(&remnant{look: look, over: func() {}, left: all, pids: startsOf(left)})
			return len(killed), fmt.Errorf("sweep: %w", all)
		case <-time.After(pause):
		}
	}
}
