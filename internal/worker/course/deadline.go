package course

import "time"

// never is a deadline that does not come.
var never time.Time

// deadlines are the instants at which a run does something by itself.
type deadlines struct {
	lease   time.Time // the publisher has been silent for too long
	command time.Time // a command of the setup or the teardown has had its time
	starts  time.Time // what has begun is reported
	clear   time.Time // the removal of the directory is not waited for any longer
	again   time.Time // what is not acknowledged is sent again, without having been asked for
}

// Next is the instant at which Step must be called, with nil, if nothing happens
// before; zero if there is none. After an input it may be over: then at once.
func (r *Run) Next() time.Time {
	if r.state == Over {
		return never
	}
	first := never
	for _, at := range [...]time.Time{
		r.deadlines.lease, r.deadlines.command, r.deadlines.starts, r.deadlines.clear, r.deadlines.again, r.timers.next(), r.nextAsk(),
	} {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// expire does what is due.
func (r *Run) expire() {
	if r.passed(&r.deadlines.starts) {
		r.noteStarted()
	}
	r.goOff()
	r.repeatAsks()
	if r.passed(&r.deadlines.command) {
		r.commandLate()
	}
	if r.passed(&r.deadlines.clear) {
		r.fire(onCleared)
	}
	if r.passed(&r.deadlines.lease) {
		r.silent()
	}
	if r.passed(&r.deadlines.again) {
		r.sendAgain()
	}
}

// passed reports whether a deadline has come, which it does once.
func (r *Run) passed(deadline *time.Time) bool {
	if deadline.IsZero() || r.now.Before(*deadline) || r.state == Over {
		return false
	}
	*deadline = never
	return true
}
