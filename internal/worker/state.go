package worker

import (
	"fmt"
	"slices"
)

// State is where a run stands on this host.
//
//	waiting ⇄ preparing ⇄ ready ⇄ committed → armed → running → stopping
//	   │          │         │         │          ├────────┼────────┼→ collecting ┐
//	   └──────────┴─────────┴─────────┴──────────┴────────┴────────┴─────────────┴→ finished → over
//
// Up to committed nothing of the run has executed an instruction; from collecting
// on no process of it is left, and another run may have the host; from finished on
// there is nothing but what the publisher has not acknowledged.
type State uint8

// The states.
const (
	Waiting    State = iota // journaled; another run has the host
	Preparing               // it has the host; its processes are being prepared
	Ready                   // every process is held; an older run may still take the host
	Committed               // held, and kept for this run
	Armed                   // the instant of the release is known
	Running                 // released
	Stopping                // TERM has been or is about to be sent
	Collecting              // no process is left; its files are being read
	Finished                // nothing is left; its events are on their way
	Over                    // the publisher has everything, or is gone
)

var stateNames = [...]string{"waiting", "preparing", "ready", "committed", "armed", "running", "stopping", "collecting", "finished", "over"}

// String names the state.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", s)
}

// follows lists the states that may come after each.
var follows = map[State][]State{
	Waiting:    {Preparing, Finished},
	Preparing:  {Ready, Waiting, Finished},
	Ready:      {Committed, Waiting, Finished},
	Committed:  {Ready, Armed, Finished},
	Armed:      {Running, Stopping, Collecting, Finished},
	Running:    {Stopping, Collecting, Finished},
	Stopping:   {Collecting, Finished},
	Collecting: {Finished, Over},
	Finished:   {Over},
}

// next checks a transition: it returns the state to go to, or an error where no
// path leads from s to it.
func (s State) next(to State) (State, error) {
	if slices.Contains(follows[s], to) {
		return to, nil
	}
	return s, fmt.Errorf("a run that is %s can't become %s", s, to)
}

// held reports whether nothing of the run has been released yet.
func (s State) held() bool { return s <= Committed }
