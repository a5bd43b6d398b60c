package campaign

import (
	"cmp"

	"downbeat/internal/experiment"
)

// An Attempt is one try at a datapoint.
type Attempt struct {
	Point experiment.Point
	// Try counts the attempts of this campaign, from 1.
	Try int
	// Since is the run of the first of them; empty where this is the first.
	Since string
}

// same reports whether both are the same attempt at the same datapoint.
func (a Attempt) same(other Attempt) bool {
	return a.Point.Index == other.Point.Index && a.Try == other.Try
}

// again is the attempt that follows a, for which that run was made.
func (a Attempt) again(run string) Attempt {
	return Attempt{Point: a.Point, Try: a.Try + 1, Since: cmp.Or(a.Since, run)}
}
