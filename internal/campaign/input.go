package campaign

import (
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// An Input is what a campaign has to know of.
//
//sumtype:decl
type Input interface{ input() }

// Begin starts the campaign.
type Begin struct{}

// Made answers a [Make]: the run has its place in the results, and its hosts begin to
// prepare it. Its gate is closed.
type Made struct {
	Attempt
	Run    string // its id
	Number int    // which attempt at its datapoint it is, from 1, those of earlier campaigns included
}

// NotMade answers a [Make] for which no run can be made.
type NotMade struct{ Err error }

// Ended says that no process of the run is left on any host, so that the next run can
// have them. Outcome is how it ended as far as is known: metrics are not judged yet.
type Ended struct {
	Run     string
	Outcome outcome.Run
}

// Over says that nothing more will be done for the run, whether or not it was opened.
// Err says why it has no complete record.
type Over struct {
	Run    string
	Record results.Record
	Err    error
}

// Interrupt says that the operator wants the campaign to end now.
type Interrupt struct{}

func (Begin) input()     {}
func (Made) input()      {}
func (NotMade) input()   {}
func (Ended) input()     {}
func (Over) input()      {}
func (Interrupt) input() {}
