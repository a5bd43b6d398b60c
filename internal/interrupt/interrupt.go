// Package interrupt tells a second signal from one that was sent twice.
//
// timeout(1) and others signal a program and then its process group, so the program gets each
// signal twice within milliseconds; and a terminal and a parent may both pass on one ^C. So any
// signal within [Same] of the first one counts as the first one again. Only a later one means
// that the user does not want to wait any more.
package interrupt

import "time"

// Same is how long after the first signal others count as the same.
const Same = time.Second

// Meaning is what a signal asks for.
type Meaning uint8

// The meanings, in the order in which they come.
const (
	Stop   Meaning = iota // the first: stop properly
	Repeat                // the first one again: ignore it
	Leave                 // exit at once
)

// Signals counts the signals that ask a program to end. The zero value is ready;
// it belongs to one goroutine.
type Signals struct {
	first time.Time
}

// Next returns the meaning of a signal that has just come.
func (s *Signals) Next() Meaning {
	switch {
	case s.first.IsZero():
		s.first = time.Now()
		return Stop
	case time.Since(s.first) <= Same: // by the monotonic clock
		return Repeat
	}
	return Leave
}
