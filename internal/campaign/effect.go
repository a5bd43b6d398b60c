package campaign

import (
	"time"

	"downbeat/internal/results"
)

// An Effect is what is to be done for a campaign.
//
//sumtype:decl
type Effect interface{ effect() }

// Make asks for a run of the attempt, to be prepared behind a gate. [Made] or
// [NotMade] answers.
type Make struct{ Attempt }

// Open opens the gate of a run: its processes may be released.
type Open struct {
	Run string
	Progress
}

// GiveUp gives up a run whose gate is closed, so that it leaves nothing. [Over] follows.
type GiveUp struct{ Run string }

// Stop stops a run whose gate was opened. [Over] follows.
type Stop struct{ Run string }

// Report tells how a run went that was opened. Took is the time since then.
type Report struct {
	Run    string
	Record results.Record
	Err    error
	Took   time.Duration
}

// Retry tells that the run reported last is to be followed by another attempt at its
// datapoint, number Attempt of Of, those of earlier campaigns included.
type Retry struct{ Attempt, Of int }

// Pause tells that the campaign pauses, and where it stands. The Progress is that of the
// attempt that comes next.
type Pause struct {
	For time.Duration
	Progress
}

// Finish tells that the campaign is over. It comes once, and last.
type Finish struct{ Result }

func (Make) effect()   {}
func (Open) effect()   {}
func (GiveUp) effect() {}
func (Stop) effect()   {}
func (Report) effect() {}
func (Retry) effect()  {}
func (Pause) effect()  {}
func (Finish) effect() {}
