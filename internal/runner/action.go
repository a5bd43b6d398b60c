package runner

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Why an action could not be carried out.
var (
	ErrNotBegun  = errors.New("it has not begun")
	ErrEnded     = errors.New("it has ended")
	ErrRunning   = errors.New("it is running")
	ErrOtherLife = errors.New("it has been started again since")
	ErrStopped   = errors.New("it has been stopped for good")
	ErrOver      = errors.New("the commands are over")
)

// An Action says what is to be acted on, and when. If At is in the past, it is carried out at
// once.
type Action struct {
	Token   int // for the one who gets the report
	Command int
	Life    *int // nil: the one that goes on then
	At      time.Time
}

// An Act is an action that was carried out, or could not be.
type Act struct {
	Token, Command int
	Life           int       // of the command; that of its last one, if nothing was done
	At             time.Time // when it was carried out; with Err, when that turned out to be impossible
	Err            error     // nil if it was carried out
}

// A plan is an action that has not been carried out. It is guarded by the set's mutex.
type plan struct{ Action }

// Signal sends a signal to the process group of the command's life at the instant. Like the other
// actions it returns at once; what came of it is told to an [ActionSink]. It returns ErrOver, and
// tells nobody, if all commands have ended for good.
func (s *Set) Signal(a Action, sig syscall.Signal) error {
	return s.plan(a, func(p *process) error { return p.signal(sig) })
}

// StopCommand sends the command's life its stop signal at the instant (to its group, and to
// descendants known to have left that), and KILL to what is left of it after the grace. Unlike
// after [Set.Stop], it may be started again.
func (s *Set) StopCommand(a Action, grace time.Duration) error {
	return s.plan(a, func(p *process) error {
		p.set.ask([]*process{p})
		p.killBy(time.Now().Add(max(grace, 0)))
		p.set.errand(func(f *family) { f.askEscapees([]*process{p}, false) })
		return nil
	})
}

// plan has do called for the life that the action means, at its instant, on the thread.
func (s *Set) plan(a Action, do func(p *process) error) error {
	s.mu.Lock()
	number, err := s.take(a)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	s.runner.thread.at(a.At, func() { s.perform(number, do) })
	return nil
}

// take enters the action among those that are reported when the set is over at the latest; under
// the mutex.
func (s *Set) take(a Action) (number int, err error) {
	if s.planned == nil {
		return 0, ErrOver
	}
	s.plans++
	s.planned[s.plans] = &plan{a}
	return s.plans, nil
}

// perform carries an action out, or finds that it can't be; on the thread.
func (s *Set) perform(number int, do func(p *process) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	planned := s.planned[number]
	if planned == nil {
		return
	}
	p, err := s.target(planned.Action)
	if err == nil {
		err = do(p)
	}
	s.report(number, time.Now(), err)
}

// target is the life that the action means, if it goes on; under the mutex.
func (s *Set) target(a Action) (*process, error) {
	p := s.slots[a.Command].life.Load()
	switch {
	case p.phase != phaseBegun:
		return nil, ErrNotBegun
	case a.Life != nil && *a.Life > p.number:
		return nil, fmt.Errorf("life %d: %w", *a.Life, ErrNotBegun)
	case a.Life != nil && *a.Life < p.number:
		return nil, ErrOtherLife
	case p.ended || p.gone():
		return nil, ErrEnded
	}
	return p, nil
}

// report has the sink told what became of an action; under the mutex.
func (s *Set) report(number int, at time.Time, err error) {
	a := s.planned[number]
	if a == nil {
		return
	}
	delete(s.planned, number)
	sink, ok := s.spec.Sink.(ActionSink)
	if !ok {
		return
	}
	p := s.slots[a.Command].life.Load()
	act := Act{Token: a.Token, Command: a.Command, Life: p.number, At: at, Err: err}
	if p.ended {
		s.tasks.Go(func() { sink.Acted(act) })
		return
	}
	p.acts.Add(1)
	s.tasks.Go(func() {
		defer p.acts.Done()
		sink.Acted(act)
	})
}

// endActions reports those that have not been carried out, and takes no others.
func (s *Set) endActions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number := range s.planned {
		s.report(number, time.Now(), ErrOver)
	}
	s.planned = nil
}

// signal sends sig to the process's group.
func (p *process) signal(sig syscall.Signal) error {
	if err := p.set.runner.sys.kill(-p.pid, sig); err != nil {
		return fmt.Errorf("send %s: %w", signalName(sig), err)
	}
	return nil
}
