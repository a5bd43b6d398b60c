package runner

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
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
type plan struct {
	Action
	number int // in the order in which they were taken
	// do carries it out, on the thread, or says why it can't be; and when that was. It is nil as long
	// as that is not prepared.
	do func() (at time.Time, err error)
}

// Signal sends a signal to the process group of the command's life at the instant. Like the other
// actions it returns at once; what came of it is told to an [ActionSink]. It returns ErrOver, and
// tells nobody, if all commands have ended for good.
func (s *Set) Signal(a Action, sig syscall.Signal) error {
	return s.act(a, func(p *process) error { return p.signal(sig) })
}

// StopCommand sends the command's life its stop signal at the instant (to its group, and to
// descendants known to have left that), and KILL to what is left of it after the grace. Unlike
// after [Set.Stop], it may be started again.
func (s *Set) StopCommand(a Action, grace time.Duration) error {
	return s.act(a, func(p *process) error {
		s.ask([]*process{p})
		p.killBy(time.Now().Add(max(grace, 0)))
		s.errand(func(f *family) { f.askEscapees([]*process{p}, false) })
		return nil
	})
}

// act has do called for the life that the action means, at its instant.
func (s *Set) act(a Action, do func(p *process) error) error {
	s.mu.Lock()
	planned, err := s.take(a)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	s.schedule(planned, func() (time.Time, error) {
		p, err := s.target(a)
		if err == nil {
			err = do(p)
		}
		return time.Now(), err
	})
	return nil
}

// take enters the action among those that are reported when the set is over at the latest; under
// the mutex.
func (s *Set) take(a Action) (*plan, error) {
	if s.planned == nil {
		return nil, ErrOver
	}
	s.plans++
	planned := &plan{Action: a, number: s.plans}
	s.planned[planned] = true
	return planned, nil
}

// schedule has the thread carry an action out at its instant.
func (s *Set) schedule(planned *plan, do func() (time.Time, error)) {
	s.mu.Lock()
	planned.do = do
	s.mu.Unlock()
	s.runner.thread.at(planned.At, s.performDue)
}

// performDue carries out the actions that are due, on the thread. Those for the same instant come
// at once, not one by one as the thread and the set's mutex are free.
func (s *Set) performDue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var due []*plan
	for planned := range s.planned {
		if planned.do != nil && !planned.At.After(now) {
			due = append(due, planned)
		}
	}
	slices.SortFunc(due, func(a, b *plan) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.number, b.number)) })
	var reports []report
	for _, planned := range due {
		at, err := planned.do()
		reports = append(reports, s.reportOf(planned, at, err))
	}
	s.tell(reports)
	if begun := s.begun; len(begun) > 0 {
		s.begun = nil
		s.sample()
		s.tasks.Go(func() { s.announce(begun) })
	}
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

// A report is an act that the sink is to be told of.
type report struct {
	Act
	life *process // not nil: the one whose end is told after it
}

// reportOf takes an action off those that are planned; under the mutex.
func (s *Set) reportOf(planned *plan, at time.Time, err error) report {
	delete(s.planned, planned)
	p := s.slots[planned.Command].life.Load()
	r := report{Act: Act{Token: planned.Token, Command: planned.Command, Life: p.number, At: at, Err: err}}
	if !p.ended {
		p.acts.Add(1)
		r.life = p
	}
	return r
}

// tell has the sink told of acts; under the mutex.
func (s *Set) tell(reports []report) {
	if len(reports) == 0 {
		return
	}
	s.tasks.Go(func() {
		sink, ok := s.spec.Sink.(ActionSink)
		for _, r := range reports {
			if ok {
				sink.Acted(r.Act)
			}
			if r.life != nil {
				r.life.acts.Done()
			}
		}
	})
}

// fail reports that an action can't be carried out.
func (s *Set) fail(planned *plan, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.planned[planned] {
		s.tell([]report{s.reportOf(planned, time.Now(), err)})
	}
}

// endActions reports those that have not been carried out, and takes no others.
func (s *Set) endActions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var reports []report
	for planned := range s.planned {
		reports = append(reports, s.reportOf(planned, time.Now(), ErrOver))
	}
	s.planned = nil
	s.tell(reports)
}

// signal sends sig to the process's group.
func (p *process) signal(sig syscall.Signal) error {
	if err := p.set.runner.sys.kill(-p.pid, sig); err != nil {
		return fmt.Errorf("send %s: %w", signalName(sig), err)
	}
	return nil
}
