package course

import (
	"slices"
	"time"
)

// A timerKind is what is due for a command when a timer goes off.
type timerKind uint8

const (
	beginAnew  timerKind = iota // its restart
	withinOver                  // it is not ready in time
	lineOver                    // nor has the line come that it was to write before its end
	timeIsOver                  // of PhaseAction: it has had its time
)

// timers are what is due for single commands, the next one first. One that is set for a
// life of a command means nothing to the next, and is passed over.
type timers []timer

type timer struct {
	at     time.Time
	kind   timerKind
	life   *life
	number int // of the life
}

func (t *timers) set(at time.Time, kind timerKind, l *life) {
	i, _ := slices.BinarySearchFunc(*t, at, func(other timer, at time.Time) int {
		if other.at.After(at) {
			return 1
		}
		return -1
	})
	*t = slices.Insert(*t, i, timer{at, kind, l, l.number})
}

// next is when the next one goes off; never: there is none.
func (t timers) next() time.Time {
	if len(t) == 0 {
		return never
	}
	return t[0].at
}

// goOff does what is due for single commands.
func (r *Run) goOff() {
	for len(r.timers) > 0 && !r.now.Before(r.timers[0].at) && r.state != Over {
		t := r.timers[0]
		r.timers = slices.Delete(r.timers, 0, 1)
		same := t.number == t.life.number
		switch {
		case t.kind == beginAnew:
			r.restart(t.life)
		case !same:
		case t.kind == timeIsOver:
			r.actionLate(t.life)
		default:
			r.searchIsOver(t.life, t.kind)
		}
	}
}
