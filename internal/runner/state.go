package runner

// state is the state of a set:
//
//	held ──release──> armed ──instant──> running ──stop──> terminating ──grace──> killing
//	  └───────stop──────┴──stop──> killing  └─────────────gone────┴──────────gone────┴──> over
//
// All moves are made by [Set.move], under the set's mutex.
type state uint8

const (
	stateHeld        state = iota // prepared; Release has not been called
	stateArmed                    // Release has been called, but its instant has not come
	stateRunning                  // released
	stateTerminating              // TERM has been sent; the grace runs
	stateKilling                  // KILL has been sent
	stateOver                     // nothing is left
)

func (s state) String() string {
	return [...]string{"held", "armed", "running", "terminating", "killing", "over"}[s]
}

// event is what moves a set from one state to another.
type event uint8

const (
	eventRelease event = iota // Release was called
	eventInstant              // the instant of the release has come
	eventStop                 // the instant of a stop has come, or descendants outlive the commands
	eventGrace                // the grace is over
	eventGone                 // nothing is left, or what is left can't be ended
)

// next is the state that follows s after e; false if e does not change s.
func (s state) next(e event) (state, bool) {
	switch {
	case e == eventRelease && s == stateHeld:
		return stateArmed, true
	case e == eventInstant && s == stateArmed:
		return stateRunning, true
	case e == eventStop && (s == stateHeld || s == stateArmed):
		return stateKilling, true // nothing has begun, so no process could act on TERM
	case e == eventStop && s == stateRunning:
		return stateTerminating, true
	case e == eventGrace && (s == stateRunning || s == stateTerminating):
		return stateKilling, true
	case e == eventGone && s != stateOver:
		return stateOver, true
	}
	return s, false
}
