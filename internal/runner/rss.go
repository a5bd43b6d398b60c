package runner

import "time"

// sampleEvery is the time between two samples of the processes' memory; the first ones come
// sooner.
const sampleEvery = time.Second

// sampleFirst is when the memory of a process that has just begun is sampled.
const sampleFirst = 10 * time.Millisecond

// samplePeaks notes the peak memory of the commands until stop is closed.
func (s *Set) samplePeaks(stop <-chan struct{}) {
	pause := sampleEvery
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-s.samples:
			pause = sampleFirst
			timer.Reset(pause)
			continue
		case <-timer.C:
		case <-stop:
			return
		}
		for _, pid := range s.executing() {
			s.notePeak(pid, peakOf(pid))
		}
		pause = min(4*pause, sampleEvery)
		timer.Reset(pause)
	}
}

// executing are the processes that execute.
func (s *Set) executing() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pids []int
	for _, p := range s.procs {
		if p.phase == phaseBegun && !p.ended && !p.reaped {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// notePeak notes a sample of a command's memory; 0 means that there is none.
func (s *Set) notePeak(pid int, peak int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.procs {
		if p.pid == pid && !p.reaped {
			p.peak = max(p.peak, peak)
		}
	}
}

// maxRSS is the peak memory, given the system's figure; under the set's mutex.
func (p *process) maxRSS(reported int64) int64 {
	if reported > p.floor {
		return reported
	}
	return p.peak
}
