package runner

import (
	"errors"
	"slices"
	"sync"
	"time"

	"downbeat/internal/streams"
)

// ErrReleased is what Release returns when it was called before.
var ErrReleased = errors.New("the set has been released already")

// A Set is a set of prepared, then running commands. Its methods may be called concurrently.
// The runner's thread starts the commands and sends TERM (begin, terminate). One goroutine,
// conduct, takes the set to its end. Each process has a goroutine that waits for it, and one
// for each of its streams. announce tells the sink about starts: the thread never calls the
// sink, so that a slow sink can't delay it.
type Set struct {
	runner *Runner
	spec   Spec
	procs  []*process
	cgroup *cgroup // nil: descendants are found by tree and environment

	ended    chan *process // those that ended, failed or were dropped; has room for all
	changed  chan struct{} // a deadline was set or brought forward; has room for one
	released chan struct{} // closed when all that are not delayed have begun, or never will
	stopped  chan struct{}
	done     chan struct{}
	tasks    sync.WaitGroup // goroutines of processes and streams

	mu        sync.Mutex
	state     state
	stopping  bool      // Stop was called
	termAt    time.Time // when TERM is due; if stopping
	killAt    time.Time // when KILL is due; if stopping, or if descendants were sent TERM
	stoppedAt time.Time
	killedAt  time.Time // when KILL was first sent
	result    Result
}

func newSet(r *Runner, spec Spec) *Set {
	spec.Commands = slices.Clone(spec.Commands)
	if spec.Sink == nil {
		spec.Sink = nobody{}
	}
	s := &Set{
		runner: r, spec: spec,
		ended:    make(chan *process, len(spec.Commands)),
		changed:  make(chan struct{}, 1),
		released: make(chan struct{}),
		stopped:  make(chan struct{}),
		done:     make(chan struct{}),
	}
	for i := range spec.Commands {
		s.procs = append(s.procs, newProcess(s, i, spec.Mark))
	}
	return s
}

// Hold tells how the set waits for its release. It is HoldPtrace if all commands are held
// except those that Unheld names.
func (s *Set) Hold() Hold {
	if s.runner.holds {
		return HoldPtrace
	}
	return HoldNone
}

// Unheld names the commands that are started at the release although others are held, because
// tracing would take their privileges away (set-uid, file capabilities).
func (s *Set) Unheld() []string {
	var names []string
	for _, p := range s.procs {
		if s.runner.holds && !p.holds {
			names = append(names, p.command.Name)
		}
	}
	return names
}

// Release is Arm, and returns once every command without delay has begun, or a stop came first.
func (s *Set) Release(at time.Time) error {
	if err := s.Arm(at); err != nil {
		return err
	}
	<-s.released
	return nil
}

// Released is closed when every command without delay has begun, or a stop came first.
func (s *Set) Released() <-chan struct{} { return s.released }

// Arm starts all commands at the instant at (by its monotonic reading, if it has one), or now
// if that is in the past. It returns at once. A command that could not be started after all is
// reported by its Exit. Either Arm or Release may be called, once. After Stop they do nothing.
func (s *Set) Arm(at time.Time) error {
	s.mu.Lock()
	moved := s.move(eventRelease)
	state := s.state
	s.mu.Unlock()
	switch {
	case moved:
		if now := time.Now(); at.Before(now) {
			at = now
		}
		s.runner.thread.at(at, func() { s.begin(at) })
		return nil
	case state == stateArmed || state == stateRunning:
		return ErrReleased
	default:
		return nil
	}
}

// begin releases all commands without delay and plans the release of the others; on the thread.
func (s *Set) begin(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.move(eventInstant) {
		return
	}
	// Held commands come first: a detach takes microseconds, a start a thousand times as
	// long.
	for _, p := range s.procs {
		if p.holds && p.command.Delay <= 0 {
			p.begin()
		}
	}
	var first []*process
	for _, p := range s.procs {
		switch {
		case p.command.Delay > 0:
			s.runner.thread.plan(moment{at.Add(p.command.Delay), func() { s.beginLate(p) }})
			continue
		case !p.holds:
			p.begin()
		}
		first = append(first, p)
	}
	close(s.released)
	s.tasks.Go(func() { s.announce(first) })
}

// beginLate releases a command that has a delay; on the thread.
func (s *Set) beginLate(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateRunning || p.phase != phaseWaiting {
		return
	}
	p.begin()
	s.tasks.Go(func() { s.announce([]*process{p}) })
}

// announce starts the watchers of processes that have begun, and then tells the sink. In this
// order a slow sink doesn't make their ends look later than they were.
func (s *Set) announce(procs []*process) {
	for _, p := range procs {
		for _, o := range p.outputs {
			o.closeWrite()
			s.tasks.Go(func() { o.pump(s.spec.Sink) })
		}
		if p.failure == nil {
			s.tasks.Go(func() { s.watch(p) })
		}
	}
	for _, p := range procs {
		if p.failure != nil {
			s.ended <- p
			s.spec.Sink.Exited(p.index, Exit{Code: -1, Err: p.failure})
		} else {
			s.spec.Sink.Started(p.index, p.pid, p.began)
		}
		close(p.announced)
	}
}

// watch waits for the end of a process and reports it.
func (s *Set) watch(p *process) {
	end, err := p.awaitEnd()
	at := time.Now()
	if p.pidFile != nil {
		p.pidFile.Close()
	}
	s.mu.Lock()
	dropped := p.phase == phaseDropped
	p.ended = true
	exit := p.exit(end, err, at)
	s.mu.Unlock()

	s.ended <- p
	if !dropped {
		<-p.announced
		s.spec.Sink.Exited(p.index, exit)
	}
}

// active reports whether a process of the set may be executing.
func (s *Set) active() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state != stateHeld && s.state != stateArmed && s.state != stateOver
}

// hasEnded reports whether pid is one of the set's commands, and a zombie.
func (s *Set) hasEnded(pid int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.procs {
		if p.pid == pid {
			return p.ended && !p.left
		}
	}
	return false
}

// move changes the state as e asks for, and reports whether it did; under the mutex.
func (s *Set) move(e event) bool {
	next, ok := s.state.next(e)
	s.state = next
	return ok
}

// Done is closed when the set is over: every process reaped, every descendant ended, all output
// delivered.
func (s *Set) Done() <-chan struct{} { return s.done }

// Result is valid once Done is closed.
func (s *Set) Result() Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.result
}

// nobody is the sink of a set that has none.
type nobody struct{}

func (nobody) Started(int, int, time.Time)                   {}
func (nobody) Output(int, streams.Stream, time.Time, []byte) {}
func (nobody) Exited(int, Exit)                              {}
