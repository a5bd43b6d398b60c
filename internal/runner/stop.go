package runner

import (
	"syscall"
	"time"
)

// late is how long after the instant of a stop the signals are sent without the thread, in case a
// start hangs there.
const late = time.Second

// A stop is guarded by the set's mutex.
type stop struct {
	at     time.Time
	grace  time.Duration
	from   int       // the first beat that is stopped
	sentAt time.Time // when its signals were sent; zero until then
}

// covers reports whether a command of that beat is stopped. Those of no beat are stopped with
// all others.
func (st *stop) covers(beat int) bool { return st.from <= 0 || beat >= st.from }

// deadline is when it is carried out without the thread.
func (st *stop) deadline() time.Time { return st.at.Add(min(late, st.grace)) }

// Stop sends each process on the beat fromBeat or a later one its stop signal (and to descendants
// known to have left its process group) at the instant at, and KILL to all that is left of it
// after its own grace, or the given one if it has none. With a grace of 0 that is at once. It
// returns at once.
//
// From beat 0 on, all is stopped, commands of NoBeat too, and with a later beat only what is on
// the beats from there on. No command that was stopped begins again. If no beat was armed, or if
// all releases are to happen after at, held commands are killed without having executed anything;
// in the first case at once. Commands that are still held when the signals are sent are killed in
// the same way. On a set that is over Stop does nothing. It may be called again: the earlier
// deadline wins.
func (s *Set) Stop(at time.Time, grace time.Duration, fromBeat int) {
	s.mu.Lock()
	now := time.Now()
	if at.Before(now) || s.state == stateHeld {
		at = now
	}
	st := &stop{at: at, grace: max(grace, 0), from: fromBeat}
	s.stops = append(s.stops, st)
	s.wake()
	s.mu.Unlock()
	s.runner.thread.at(at, func() { s.carryOut(st) })
}

// Stopped is closed when a Stop has sent its signals to what is on the beat, or has killed what was
// held; StoppedAt tells when. It stays open if the set is over before that.
func (s *Set) Stopped(beat int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beat(beat).stopped
}

// StoppedAt is when the beat's stop signals were sent, or what was held was killed; zero until then.
func (s *Set) StoppedAt(beat int) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beat(beat).stoppedAt
}

// carriedOut is the first stop of that beat that was carried out, or nil; under the mutex.
func (s *Set) carriedOut(beat int) *stop {
	for _, st := range s.stops {
		if !st.sentAt.IsZero() && st.covers(beat) {
			return st
		}
	}
	return nil
}

// carryOut carries out a Stop whose instant has come; on the thread, unless that hangs.
func (s *Set) carryOut(st *stop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !st.sentAt.IsZero() || s.state == stateOver {
		return
	}
	st.sentAt = time.Now()
	var concerned, asked []*process
	for _, p := range s.procs {
		if st.covers(p.command.Beat) {
			concerned = append(concerned, p)
			if !p.stopping {
				asked = append(asked, p)
			}
		}
	}
	all := st.from <= 0
	if all {
		s.move(eventStop)
		s.killBy(st.at.Add(s.longestGrace(st.grace)))
	}
	s.ask(asked)
	for _, p := range concerned {
		p.stopping = true
		p.killBy(st.at.Add(p.grace(st.grace)))
		p.drop()
	}
	for number, b := range s.beats {
		if st.covers(number) {
			b.stop(st.sentAt)
		}
	}
	if all {
		s.seal()
	}
	s.errand(func(f *family) { f.askEscapees(asked, all) })
}

// longestGrace is the longest of those that the commands have in a stop; under the mutex.
func (s *Set) longestGrace(given time.Duration) time.Duration {
	longest := max(given, 0)
	for _, sl := range s.slots {
		longest = max(longest, sl.grace(given))
	}
	return longest
}

// ask sends every group that began its stop signal, as fast as possible, and then continues
// stopped processes, which otherwise couldn't act on it; under the mutex.
func (s *Set) ask(procs []*process) {
	for _, p := range procs {
		if p.phase == phaseBegun {
			p.signalGroup(p.stopSignal())
		}
	}
	for _, p := range procs {
		if p.phase == phaseBegun {
			if p.pauses > 0 {
				p.resume()
			}
			p.signalGroup(syscall.SIGCONT)
			p.termed = p.termed || p.runs()
		}
	}
}

// killBy makes KILL due at the time at for all that is left, or earlier if it already was; under
// the mutex.
func (s *Set) killBy(at time.Time) {
	if s.killAt.IsZero() || at.Before(s.killAt) {
		s.killAt = at
	}
}

// killBy makes KILL due for the process and its group.
func (p *process) killBy(at time.Time) {
	if p.phase == phaseBegun && (p.killAt.IsZero() || at.Before(p.killAt)) {
		p.killAt = at
	}
}

// drop makes sure that a process that hasn't begun never does; under the mutex.
func (p *process) drop() {
	if p.phase != phaseWaiting {
		return
	}
	p.phase = phaseDropped
	if p.previous == nil {
		p.closeOutputs()
	} else {
		p.starting = false
		p.closeWrite()
	}
	if p.pid == 0 {
		close(p.reported)
		p.set.ended(p)
		return
	}
	p.kill(time.Now())
	p.set.tasks.Go(func() { p.set.watch(p) })
}

// kill sends KILL to the process's group; under the mutex.
func (p *process) kill(now time.Time) {
	p.signalGroup(syscall.SIGKILL)
	p.killed = p.killed || p.runs()
	if p.killedAt.IsZero() {
		p.killedAt = now
	}
}

// killAll sends KILL to every group.
func (s *Set) killAll(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill(now)
}

// kill is killAll under the mutex.
func (s *Set) kill(now time.Time) {
	s.move(eventGrace)
	if s.killedAt.IsZero() {
		s.killedAt = now
	}
	s.seal()
	for _, p := range s.procs {
		p.drop()
		p.kill(now)
	}
}
