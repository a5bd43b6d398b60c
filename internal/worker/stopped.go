package worker

import (
	"slices"
	"sync"
)

// stoppedRuns remembers runs that were stopped here before their job came: the
// two travel on different queues, and either may be first. Such a job is not
// begun, as nobody waits for it any more.
type stoppedRuns struct {
	mu   sync.Mutex
	runs []string // oldest first
}

// maxStopped is how many are remembered: most are of runs that are over, and
// whose last stop was sent twice.
const maxStopped = 256

func (s *stoppedRuns) add(run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.runs, run) {
		return
	}
	if len(s.runs) == maxStopped {
		s.runs = slices.Delete(s.runs, 0, 1)
	}
	s.runs = append(s.runs, run)
}

func (s *stoppedRuns) has(run string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.runs, run)
}
