package runner

import (
	"syscall"
	"time"
)

// Pause stops the command's life at the instant (SIGSTOP, to its group at once, and to descendants
// that have left that as soon as they are found), and continues all of them after d. A stop
// continues them before that, and so does the end of the set. During two pauses at once, the later
// end counts.
func (s *Set) Pause(a Action, d time.Duration) error {
	return s.act(a, func(p *process) error {
		if err := p.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		p.pauses++
		s.runner.thread.plan(moment{time.Now().Add(d), func() { s.endPause(p) }})
		s.errand(func(f *family) { f.pause(p) })
		return nil
	})
}

// endPause is the end of one pause; on the thread.
func (s *Set) endPause(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.pauses == 0 {
		return // a stop has ended it
	}
	if p.pauses--; p.pauses == 0 {
		p.resume()
	}
}

// resume ends all pauses of a process; under the set's mutex.
func (p *process) resume() {
	p.pauses = 0
	p.signalGroup(syscall.SIGCONT)
	p.set.errand(func(f *family) { f.resume(p) })
}

// paused reports whether the process is paused.
func (p *process) paused() bool {
	p.set.mu.Lock()
	defer p.set.mu.Unlock()
	return p.pauses > 0
}

// pause stops the descendants of a command outside the group of the life that is paused. Those
// that are stopped start no others, so after a few looks there are no more.
func (f *family) pause(p *process) {
	stopped := f.stopped[p]
	if stopped == nil {
		stopped = map[int]proc{}
		f.stopped[p] = stopped
	}
	for more := true; more && p.paused(); {
		more = false
		left := f.seen()
		owners := f.owners(left)
		for _, d := range left {
			if owners[d.pid] != p.slot || d.group == p.pid || stopped[d.pid].start == d.start {
				continue
			}
			f.set.runner.sys.signal(d, syscall.SIGSTOP)
			stopped[d.pid] = d
			more = true
		}
	}
}

// resume continues what pause has stopped.
func (f *family) resume(p *process) {
	for _, d := range f.stopped[p] {
		f.set.runner.sys.signal(d, syscall.SIGCONT)
	}
	delete(f.stopped, p)
}
