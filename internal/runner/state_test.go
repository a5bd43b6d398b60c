package runner

import "testing"

// TestStates pins every move between states; all other pairs are no moves.
func TestStates(t *testing.T) {
	t.Parallel()
	moves := map[state]map[event]state{
		stateHeld:        {eventRelease: stateArmed, eventStop: stateKilling, eventGone: stateOver},
		stateArmed:       {eventInstant: stateRunning, eventStop: stateKilling, eventGone: stateOver},
		stateRunning:     {eventStop: stateTerminating, eventGrace: stateKilling, eventGone: stateOver},
		stateTerminating: {eventGrace: stateKilling, eventGone: stateOver},
		stateKilling:     {eventGone: stateOver},
		stateOver:        {},
	}
	for from := stateHeld; from <= stateOver; from++ {
		for e := eventRelease; e <= eventGone; e++ {
			want, moves := moves[from][e]
			if !moves {
				want = from
			}
			if got, moved := from.next(e); got != want || moved != moves {
				t.Errorf("%v, event %d: got %v, %v, want %v, %v", from, e, got, moved, want, moves)
			}
		}
	}
}

// TestBeatStates does the same for those of a beat.
func TestBeatStates(t *testing.T) {
	t.Parallel()
	moves := map[beatState]map[event]beatState{
		beatWaiting: {eventRelease: beatArmed, eventStop: beatStopped},
		beatArmed:   {eventInstant: beatBegun, eventStop: beatStopped},
		beatBegun:   {eventStop: beatStopped},
		beatStopped: {},
	}
	for from := beatWaiting; from <= beatStopped; from++ {
		for e := eventRelease; e <= eventGone; e++ {
			want, moves := moves[from][e]
			if !moves {
				want = from
			}
			if got, moved := from.next(e); got != want || moved != moves {
				t.Errorf("%v, event %d: got %v, %v, want %v, %v", from, e, got, moved, want, moves)
			}
		}
	}
}
