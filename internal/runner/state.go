package runner

// state is the state of a set:
//
//	held ──release──> armed ──instant──> running ──stop──> terminating ──grace──> killing
//	  └───────stop──────┴──stop──> killing  └─────────────gone────┴──────────gone────┴──> over
//
// The first beat to be armed arms the set; a stop of some beats alone does not change its state.
// All moves are made by [Set.move], under the set's mutex.
type state uint8

const (
	stateHeld        state = iota // prepared; Arm has not been called
	stateArmed                    // Arm has been called, but no instant has come
	stateRunning                  // a beat has been released
	stateTerminating              // the stop signals have been sent; the grace runs
	stateKilling                  // KILL has been sent
	stateOver                     // nothing is left
)

func (s state) String() string {
	return [...]string{"held", "armed", "running", "terminating", "killing", "over"}[s]
}

// event is what moves a set from one state to another.
type event uint8

const (
	eventRelease event = iota // Arm was called
	eventInstant              // the instant of a release has come
	eventStop                 // the instant of a stop of all has come, or descendants outlive the commands
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
		return stateKilling, true // nothing has begun, so no process could act on a signal
	case e == eventStop && s == stateRunning:
		return stateTerminating, true
	case e == eventGrace && (s == stateRunning || s == stateTerminating):
		return stateKilling, true
	case e == eventGone && s != stateOver:
		return stateOver, true
	}
	return s, false
}

// beatState is the state of a beat:
//
//	waiting ──release──> armed ──instant──> begun ──stop──> stopped
//	   └───────stop────────┴───────stop────────────────────────┘
//
// All moves are made by [beat.move], under the set's mutex.
type beatState uint8

const (
	beatWaiting beatState = iota // Arm has not been called for it
	beatArmed                    // its instant has not come
	beatBegun                    // its commands have been released
	beatStopped                  // what is left of it has been told to end
)

func (s beatState) String() string {
	return [...]string{"waiting", "armed", "begun", "stopped"}[s]
}

// next is the state that follows s after e; false if e does not change s.
func (s beatState) next(e event) (beatState, bool) {
	switch {
	case e == eventRelease && s == beatWaiting:
		return beatArmed, true
	case e == eventInstant && s == beatArmed:
		return beatBegun, true
	case e == eventStop && s != beatStopped:
		return beatStopped, true
	}
	return s, false
}
