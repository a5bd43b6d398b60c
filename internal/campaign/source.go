package campaign

import (
	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

var _ Source = List(nil)

// A Source gives the datapoints of a campaign. It may choose the next one by how
// those before went.
type Source interface {
	// Next gives the datapoint that comes after the first given ones. Settled are those
	// of them that are over, in the order in which they were run. False means that
	// there is none or, while settled has fewer than given, that the next one can't be
	// chosen yet.
	Next(given int, settled []Settled) (experiment.Point, bool)
	// Planned is how many datapoints there are in all, as far as is known, those that it
	// has given included. With atMost, there may turn out to be fewer.
	Planned() (n int, atMost bool)
}

// A List gives the datapoints in their order, however any of them went.
type List []experiment.Point

// Next implements [Source].
func (l List) Next(given int, _ []Settled) (experiment.Point, bool) {
	if given >= len(l) {
		return experiment.Point{}, false
	}
	return l[given], true
}

// Planned implements [Source].
func (l List) Planned() (n int, atMost bool) { return len(l), false }

// Settled is a datapoint that is over: it is not tried again.
type Settled struct {
	Point   experiment.Point
	Outcome outcome.Run
	Metrics results.Metrics
}
