package runner

import (
	"slices"
	"sync"
	"time"

	"downbeat/internal/streams"
)

// A Set is a set of prepared, then running commands. Its methods may be called concurrently.
// The runner's thread starts the commands, sends the signals of stops, and carries out actions
// (begin, carryOut, perform). One goroutine, conduct, takes the set to its end. Each process has a
// goroutine that waits for it, and each command one for each of its streams. announce and report
// tell the sink about starts and actions: the thread never calls the sink, so that a slow sink
// can't delay it.
type Set struct {
	runner *Runner
	spec   Spec
	slots  []*slot
	cgroup *cgroup // nil: descendants are found by tree and environment

	changed chan struct{} // something that conduct waits for has changed; has room for one
	samples chan struct{} // a process has begun; has room for one
	sealing chan struct{} // closed when sealed is set
	done    chan struct{}
	tasks   sync.WaitGroup // goroutines of processes and streams

	mu       sync.Mutex
	state    state
	beats    map[int]*beat
	procs    []*process // all lives of all commands
	pending  int        // how many of them have not ended, and starts that are being prepared
	sealed   bool       // no other life may begin
	stops    []*stop
	killAt   time.Time       // when KILL is due for all that is left; if stopping, or if descendants were asked to end
	killedAt time.Time       // when KILL was first sent
	planned  map[*plan]bool  // actions that have not been reported; nil: none are taken any more
	plans    int             // how many there have been
	begun    []*process      // lives that actions have begun, and that were not announced
	errands  []func(*family) // for conduct
	result   Result
}

func newSet(r *Runner, spec Spec) *Set {
	spec.Commands = slices.Clone(spec.Commands)
	if spec.Sink == nil {
		spec.Sink = nobody{}
	}
	s := &Set{
		runner: r, spec: spec, sealed: !spec.Open,
		beats: map[int]*beat{}, planned: map[*plan]bool{},
		pending: len(spec.Commands),
		changed: make(chan struct{}, 1),
		samples: make(chan struct{}, 1),
		sealing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	for i := range spec.Commands {
		sl := newSlot(s, i, spec.Mark)
		s.slots = append(s.slots, sl)
		s.procs = append(s.procs, sl.life.Load())
		s.beat(sl.command.Beat)
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

// Cgroup is the directory of the cgroup v2 that all processes of the set are in; empty: there is
// none.
func (s *Set) Cgroup() string {
	return s.cgroup.dir()
}

// Unheld names the commands that are started at the release although others are held, because
// tracing would take their privileges away (set-uid, file capabilities).
func (s *Set) Unheld() []string {
	var names []string
	for _, sl := range s.slots {
		if s.runner.holds && !sl.holds {
			names = append(names, sl.command.Name)
		}
	}
	return names
}

// Close says that no other life begins in an open set, so that the set is over once all its
// commands have ended. Commands of NoBeat that were never started never will be; those of beats
// that were not armed wait for that, or for a stop. It is idempotent.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seal()
	for _, p := range s.procs {
		if p.command.Beat == NoBeat || p.previous != nil {
			p.drop()
		}
	}
	s.wake()
}

// seal lets no other life begin; under the mutex.
func (s *Set) seal() {
	if s.sealed {
		return
	}
	s.sealed = true
	close(s.sealing)
	for _, sl := range s.slots {
		if sl.life.Load().phase != phaseWaiting && !sl.starting {
			sl.closeWrite()
		}
	}
}

// announce starts the watchers of processes that have begun, and then tells the sink. In this
// order a slow sink doesn't make their ends look later than they were.
func (s *Set) announce(procs []*process) {
	for _, p := range procs {
		s.mu.Lock()
		p.closeWrite()
		s.mu.Unlock()
		if p.previous == nil {
			for _, o := range p.outputs {
				s.tasks.Go(func() { o.pump(s.spec.Sink) })
			}
		}
		if p.failure == nil {
			s.tasks.Go(func() { s.watch(p) })
		}
	}
	for _, p := range procs {
		if p.previous != nil {
			<-p.previous.reported
		}
		if p.failure != nil {
			s.spec.Sink.Exited(p.index, Exit{Life: p.number, Code: -1, Err: p.failure})
			close(p.reported)
			s.mu.Lock()
			s.ended(p)
			s.mu.Unlock()
		} else {
			s.spec.Sink.Started(p.index, Start{Life: p.number, PID: p.pid, At: p.began})
			p.told.Store(true)
		}
		close(p.announced)
	}
	s.mu.Lock()
	s.retireSome()
	s.mu.Unlock()
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
	exit := p.exit(end, err, at)
	s.ended(p)
	s.mu.Unlock()

	if !dropped {
		<-p.announced
		p.acts.Wait() // none are added to a process that has ended
		s.spec.Sink.Exited(p.index, exit)
	}
	close(p.reported)
}

// ended notes that a process has ended, or never began; under the mutex.
func (s *Set) ended(p *process) {
	p.ended = true
	close(p.over)
	s.pending--
	s.wake()
}

// wake has conduct look at what has changed.
func (s *Set) wake() {
	select {
	case s.changed <- struct{}{}:
	default: // conduct has not seen the last change yet
	}
}

// sample has samplePeaks look soon.
func (s *Set) sample() {
	select {
	case s.samples <- struct{}{}:
	default: // it has not seen the last one yet
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

func (nobody) Started(int, Start)                            {}
func (nobody) Output(int, streams.Stream, time.Time, []byte) {}
func (nobody) Exited(int, Exit)                              {}
