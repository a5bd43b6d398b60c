package worker

import (
	"fmt"
	"slices"
)

// State is where a run stands on this host.
//
//	   ┌───────────┬─────────┬─────────┐
//	   ↓           │         │         │
//	waiting → setting up → preparing → ready ⇄ committed → armed → running → stopping
//	   │ └──────────────────↗│         │         │          │        │        │
//	   │           ├─────────┴─────────┴─────────┴──────────┴────────┴────────┤
//	   │           ↓                                                          ↓
//	   │      tearing down ──────────────────────────────────────→ collecting → finished → over
//	   └──────────────────────────────────────────────────────────────────────↗
//
// A run without setup and teardown goes past these two states. From each other
// one the way back to waiting, and the way to finished, leads through tearing
// down where there is a teardown and the host was the run's; and on through
// collecting where files are collected and the processes were released.
//
// Up to committed no process of the run has executed an instruction; from collecting
// on none is left, and another run may have the host; from finished on there is
// nothing but what the publisher has not acknowledged.
type State uint8

// The states.
const (
	Waiting     State = iota // journaled; another run has the host
	SettingUp                // it has the host; the steps of its setup are being run
	Preparing                // its processes are being prepared
	Ready                    // every process is held; an older run may still take the host
	Committed                // held, and kept for this run
	Armed                    // the instant of the release is known
	Running                  // released
	Stopping                 // TERM has been or is about to be sent
	TearingDown              // no process is left; the steps of its teardown are being run
	Collecting               // nothing is left running; its files are being read
	Finished                 // nothing is left; its events are on their way
	Over                     // the publisher has everything, or is gone
)

var stateNames = [...]string{
	"waiting", "setting up", "preparing", "ready", "committed", "armed", "running", "stopping", "tearing down", "collecting", "finished", "over",
}

// String names the state.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", s)
}

// follows lists the states that may come after each.
var follows = map[State][]State{
	// Right to tearing down goes what a worker has left that died.
	Waiting:     {SettingUp, Preparing, TearingDown, Finished},
	SettingUp:   {Preparing, Waiting, TearingDown, Finished},
	Preparing:   {Ready, Waiting, TearingDown, Finished},
	Ready:       {Committed, Waiting, TearingDown, Finished},
	Committed:   {Ready, Armed, TearingDown, Finished},
	Armed:       {Running, Stopping, TearingDown, Collecting, Finished},
	Running:     {Stopping, TearingDown, Collecting, Finished},
	Stopping:    {TearingDown, Collecting, Finished},
	TearingDown: {Waiting, Collecting, Finished},
	Collecting:  {Finished, Over},
	Finished:    {Over},
}

// next checks a transition: it returns the state to go to, or an error where no
// path leads from s to it.
func (s State) next(to State) (State, error) {
	if slices.Contains(follows[s], to) {
		return to, nil
	}
	return s, fmt.Errorf("a run that is %s can't become %s", s, to)
}

// held reports whether no process of the run has been released yet.
func (s State) held() bool { return s <= Committed }
