package runner

import "slices"

// keepLives is how many former lives stay in the process table, as zombies, before it is looked
// which of them may be reaped.
const keepLives = 8

// retireSome has conduct let go of former lives, if there are many; under the mutex.
func (s *Set) retireSome() {
	if len(s.procs)-len(s.slots) > keepLives {
		s.errand((*family).retire)
	}
}

// retire lets go of former lives that have left nothing. Commands that are started again and again
// would fill the process table otherwise. Their pids may be given to other processes then, so all
// who know them have to forget them before.
func (f *family) retire() {
	left, err := f.alive()
	if err != nil {
		return // the next time may be better
	}
	inhabited := map[int]bool{}
	for _, d := range left {
		inhabited[d.group] = true
	}
	retired := f.set.takeOut(func(p *process) bool {
		return p.former() && !inhabited[p.pid] && len(f.askedWith[p]) == 0 && len(f.stopped[p]) == 0
	})
	pids := make([]int, 0, len(retired))
	for _, p := range retired {
		pids = append(pids, p.pid)
	}
	f.set.runner.guard.dismiss(f.set, pids)
	for _, p := range retired {
		delete(f.groups, p.pid)
		p.release()
	}
}

// takeOut takes lives out of the set.
func (s *Set) takeOut(which func(*process) bool) []*process {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*process
	s.procs = slices.DeleteFunc(s.procs, func(p *process) bool {
		if !which(p) {
			return false
		}
		out = append(out, p)
		p.previous = nil // or all former lives would be kept
		return true
	})
	return out
}

// former reports whether another life has followed the process, and nothing is to be done to its
// group any more; under the set's mutex.
func (p *process) former() bool {
	select {
	case <-p.reported:
	default:
		return false
	}
	due := !p.killAt.IsZero() && p.killedAt.IsZero()
	return p.ended && !p.left && p.life.Load() != p && !due && p.pauses == 0
}

// release takes the zombie out of the process table, if it is still there.
func (p *process) release() {
	p.set.mu.Lock()
	there := p.pid > 0 && !p.reaped
	p.reaped = true
	p.set.mu.Unlock()
	if there {
		reapEnded(p.pid)
		p.set.runner.forget(p.pid)
	}
}
