package interrupt

import (
	"testing"
	"testing/synctest"
	"time"
)

// A signal within a second of the first counts as the same signal; the first later one leaves,
// however many came before.
func TestASecondSignalWithinASecondIsTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s Signals
		for _, step := range []struct {
			after time.Duration
			want  Meaning
		}{
			{0, Stop},
			{0, Repeat},
			{3 * time.Millisecond, Repeat},
			{996 * time.Millisecond, Repeat}, // 999 ms after the first
			{2 * time.Millisecond, Leave},    // though 2 ms after another
			{0, Leave},
		} {
			<-time.After(step.after)
			if got := s.Next(); got != step.want {
				t.Errorf("%v later: got %d, want %d", step.after, got, step.want)
			}
		}
	})
}

// One that comes alone and late leaves, too.
func TestALateSignalLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s Signals
		s.Next()
		<-time.After(time.Hour)
		if got := s.Next(); got != Leave {
			t.Errorf("got %d, want %d", got, Leave)
		}
	})
}
