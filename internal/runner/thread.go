package runner

import (
	"runtime"
	"slices"
	"time"
)

const (
	// precise is how long before a moment the thread stops doing anything else, because Go's
	// timers are late by up to a millisecond.
	precise = 2 * time.Millisecond
	// slice is how long the thread then sleeps at a time, before it checks whether more has
	// become due at the same moment.
	slice = 250 * time.Microsecond
)

// A thread is the one operating-system thread for everything that has to happen on time, or
// always on the same thread: it starts all children (the kernel kills a child with Pdeathsig
// when the thread that started it ends, and only the tracer itself can detach), releases them,
// and sends the TERM of a stop.
//
// It serves all sets of a program. So it never sleeps for long, and does everything that is due
// at the same instant for several sets at once.
type thread struct {
	plans   chan moment // may be received at any time
	jobs    chan func() // may take some milliseconds, so none is started shortly before a moment
	quit    chan struct{}
	done    chan struct{}
	moments []moment // what is planned, in order; used by the thread alone
}

// A moment is something that the thread has to do at a certain time. The function must not
// block.
type moment struct {
	at time.Time
	do func()
}

func newThread() *thread {
	t := &thread{
		plans: make(chan moment),
		jobs:  make(chan func()),
		quit:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	go t.run()
	return t
}

// close ends the thread; plans that are not due are dropped.
func (t *thread) close() {
	close(t.quit)
	<-t.done
}

// at makes the thread call do at the time at, or at once if that has passed. It does nothing if
// the thread has been closed.
func (t *thread) at(at time.Time, do func()) {
	select {
	case t.plans <- moment{at, do}:
	case <-t.done:
	}
}

// do makes the thread call job soon, and doesn't wait for its end. It returns false if giveUp
// was closed before the thread could take the job, or if the thread has been closed.
func (t *thread) do(giveUp <-chan struct{}, job func()) bool {
	select {
	case t.jobs <- job:
		return true
	case <-giveUp:
		return false
	case <-t.done:
		return false
	}
}

func (t *thread) run() {
	defer close(t.done)
	runtime.LockOSThread() // never unlocked: the operating-system thread ends with this goroutine
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := t.untilNext()
		switch {
		case wait <= 0:
			t.next()
		case wait <= precise:
			select {
			case m := <-t.plans:
				t.plan(m)
			default:
				sleepPrecisely(min(wait, slice))
			}
		default:
			timer.Reset(wait - precise)
			select {
			case m := <-t.plans:
				t.plan(m)
			case job := <-t.jobs:
				job()
			case <-timer.C:
			case <-t.quit:
				return
			}
		}
	}
}

// plan inserts m after moments that are due at the same time.
func (t *thread) plan(m moment) {
	i := len(t.moments)
	for i > 0 && t.moments[i-1].at.After(m.at) {
		i--
	}
	t.moments = slices.Insert(t.moments, i, m)
}

// untilNext is how long it is until the next moment, or an hour.
func (t *thread) untilNext() time.Duration {
	if len(t.moments) == 0 {
		return time.Hour
	}
	return time.Until(t.moments[0].at)
}

// next carries out the first moment.
func (t *thread) next() {
	do := t.moments[0].do
	t.moments = slices.Delete(t.moments, 0, 1)
	do()
}
