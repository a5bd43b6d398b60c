package runner

import "time"

// lead is how long before its instant another life is loaded and held, if the one before has
// ended by then: many that are started at the same instant begin together.
const lead = 200 * time.Millisecond

// Start starts a command again, in the same place, with the same environment and the same two
// streams; its terminal is as new. A command of [NoBeat] is started for the first time. Like a
// command that was prepared, a life is held before its first instruction if it can be, and begins
// at the instant. What it starts belongs to the set like everything else. Reports are those of
// [Set.Signal]; a life that can't be started is reported by its Act alone.
func (s *Set) Start(a Action) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	planned, err := s.take(a)
	if err != nil {
		return err
	}
	s.tasks.Go(func() {
		p, err := s.nextLife(a)
		if err != nil {
			s.fail(planned, err)
			return
		}
		s.schedule(planned, func() (time.Time, error) { return s.beginAgain(p) })
	})
	return nil
}

// nextLife is the life that is to begin at the action's instant, loaded and held.
func (s *Set) nextLife(a Action) (*process, error) {
	if err := s.sleepUntil(a.At.Add(-s.runner.lead)); err != nil {
		return nil, err
	}
	last := s.slots[a.Command].life.Load()
	if err := s.awaitEnd(last, a); err != nil {
		return nil, err
	}
	p, err := s.claim(last)
	if p == nil || p.previous == nil {
		return p, err
	}
	err = p.loadAgain()
	return p, s.settle(p, err)
}

// sleepUntil returns at that time, or when no other life may begin.
func (s *Set) sleepUntil(at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.sealing:
		return ErrStopped
	}
}

// awaitEnd returns when the last life has ended, for which there is time until the action's
// instant, or if it never began.
func (s *Set) awaitEnd(last *process, a Action) error {
	timer := time.NewTimer(time.Until(a.At))
	defer timer.Stop()
	s.mu.Lock()
	waiting, number := last.phase == phaseWaiting, last.number
	s.mu.Unlock()
	switch {
	case a.Life != nil && *a.Life < number:
		return ErrOtherLife
	case waiting && last.command.Beat != NoBeat, a.Life != nil && *a.Life > number:
		return ErrNotBegun
	case waiting:
		return nil
	}
	select {
	case <-last.over:
		return nil
	case <-s.sealing:
		return ErrStopped
	case <-timer.C:
	}
	s.mu.Lock()
	gone := last.ended || last.gone()
	s.mu.Unlock()
	if !gone {
		return ErrRunning
	}
	<-last.over // its watcher is about to notice
	return nil
}

// claim makes the life that follows the last one, and keeps others from doing so. The first one of
// a command of no beat is there already.
func (s *Set) claim(last *process) (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.sealed || s.carriedOut(last.command.Beat) != nil:
		return nil, ErrStopped
	case last.starting || last.life.Load() != last:
		return nil, ErrRunning
	case last.phase == phaseWaiting:
		return last, nil
	}
	last.starting = true
	s.pending++
	p := newProcess(last.slot)
	p.previous = last
	return p, nil
}

// loadAgain starts the program and holds it, if it is one that is held, and looks it up otherwise.
func (p *process) loadAgain() error {
	if _, err := lookUp(p.command); err != nil {
		return err
	}
	if p.command.Pty {
		if err := setTerminal(p.outputs[0].write); err != nil {
			return explain(err, "its terminal can't be set: %v", err)
		}
	}
	if !p.holds {
		return nil
	}
	started := make(chan error, 1)
	if !p.set.runner.thread.do(p.set.sealing, func() { started <- p.set.runner.start(p, true) }) {
		return ErrStopped
	}
	if p.failure = <-started; p.failure != nil {
		err := p.failure
		if isCommands(err) {
			err = p.explainFailure()
		}
		p.undo()
		p.pid = 0
		return err
	}
	p.set.runner.guard.admit(p.set, p.pid) // before it can start others
	return nil
}

// settle enters a life that was loaded, and drops it if the set was stopped meanwhile.
func (s *Set) settle(p *process, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		p.starting = false
		p.closeWrite()
		s.pending--
		s.wake()
		return err
	}
	s.procs = append(s.procs, p)
	if s.sealed || s.carriedOut(p.command.Beat) != nil {
		p.drop()
		return ErrStopped
	}
	return nil
}

// beginAgain releases a life that was loaded, or starts it; on the thread, under the mutex.
func (s *Set) beginAgain(p *process) (at time.Time, err error) {
	switch p.phase {
	case phaseDropped:
		return time.Now(), ErrStopped
	case phaseBegun:
		return time.Now(), ErrRunning
	case phaseWaiting:
	}
	s.move(eventRelease)
	s.move(eventInstant)
	p.starting = false
	p.begin()
	if p.failure != nil && p.previous != nil {
		s.neverBegan(p)
	} else {
		s.begun = append(s.begun, p)
	}
	return p.began, p.failure
}

// neverBegan takes back that a life has begun; under the mutex.
func (s *Set) neverBegan(p *process) {
	p.lives--
	p.life.Store(p.previous)
	close(p.announced)
	close(p.reported)
	p.pid, p.ended = 0, true
	close(p.over)
	s.pending--
	p.closeWrite()
	s.wake()
}
