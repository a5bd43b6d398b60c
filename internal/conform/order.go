package conform

import (
	"slices"

	"downbeat/internal/message"
)

// state is how far a run on a host has come, as its log tells.
type state uint8

const (
	isTaken       state = iota // nothing was said yet
	isWaiting                  // another run has the host
	isSettingUp                // the commands of the setup are being run
	isReady                    // every process is held
	isCommitted                // and kept for this run
	isReleased                 // and started
	isStopping                 // TERM was sent
	isTearingDown              // the commands of the teardown are being run
	isEnded                    // no process is left; files are being sent
	isOver                     // that was the last event
)

var stateNames = [...]string{"taken", "waiting", "setting up", "ready", "committed", "released", "stopping", "tearing down", "ended", "over"}

func (s state) String() string { return stateNames[s] }

// A step is what an event means: it can come in these states, and leads to that one.
type step struct {
	from []state
	to   state
}

// steps are all that the kinds can mean that change a state. The rest of what comes
// in a state (what commands started, wrote and ended with) is for an account.
var steps = map[message.EventKind]step{
	message.Waiting:     {[]state{isTaken, isWaiting, isSettingUp, isReady, isCommitted, isTearingDown}, isWaiting},
	message.SettingUp:   {[]state{isTaken, isWaiting}, isSettingUp},
	message.Ready:       {[]state{isTaken, isWaiting, isSettingUp, isReady, isCommitted}, isReady},
	message.Committed:   {[]state{isReady, isCommitted}, isCommitted},
	message.Stopping:    {[]state{isCommitted, isReleased, isStopping}, isStopping},
	message.TearingDown: {[]state{isSettingUp, isReady, isCommitted, isReleased, isStopping}, isTearingDown},
	message.Ended:       {[]state{isTaken, isWaiting, isSettingUp, isReady, isCommitted, isReleased, isStopping, isTearingDown}, isEnded},
	message.Refused:     {[]state{isTaken, isWaiting, isSettingUp, isReady, isCommitted, isTearingDown}, isOver},
	message.Done:        {[]state{isTaken, isWaiting, isSettingUp, isReady, isCommitted, isReleased, isStopping, isTearingDown, isEnded}, isOver},
}

// follows reports whether the kind can come in the state, and where it leads.
func (s state) follows(k message.EventKind) (to state, ok bool) {
	step, known := steps[k]
	if !known {
		return s, true
	}
	return step.to, slices.Contains(step.from, s)
}
