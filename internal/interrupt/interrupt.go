// Package interrupt tells a second signal from one that was sent twice.
//
// timeout(1) and others that end a program signal the program and then its
// process group, so it gets each signal twice within milliseconds; a terminal and a
// parent may both pass on what a person asked for once. So what comes within
// [Same] of the first signal, whatever it is, is the first one again. Only a later
// one means that somebody doesn't want to wait any more.
package interrupt

import "time"

// Same is how long after the first signal every other one is taken for the same.
const Same = time.Second

// Meaning is what a signal asks for.
type Meaning uint8

// The meanings, in the order in which they come.
const (
	Stop   Meaning = iota // the first: stop in order
	Repeat                // the first one again: nothing more
	Leave                 // leave at once
)

// Signals counts the signals that ask a program to end. The zero value is ready;
// it belongs to one goroutine.
type Signals struct {
	first time.Time
}

// Next says what a signal means that has come just now.
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
