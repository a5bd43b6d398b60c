package campaign

import (
	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/statistics"
)

var _ Source = (*Until)(nil)

// Until gives datapoints until each combination of parameters is known, in the order of the
// points: round by round, so that what is compared is measured in turn. A combination is known
// when its runs that succeeded reach the goal. The next datapoint is chosen by all that are over;
// it waits for the one under way only where that may make it needless.
type Until struct {
	goal   statistics.Goal
	points []experiment.Point // those that may be run
	given  []bool             // by point
	seen   int                // datapoints that are over and were looked at
	of     map[string]*known  // by combination
}

// known is what is known of a combination.
type known struct {
	values  map[string][]float64 // of its metrics
	runs    int                  // that have succeeded
	pending int                  // datapoints that were given and are not over
	reached bool
}

// NewUntil makes a source of those points that are needed. Earlier are the records of runs that
// count already: those that are to be run are not among the points.
func NewUntil(goal statistics.Goal, points []experiment.Point, earlier []Done) *Until {
	u := &Until{goal: goal, points: points, given: make([]bool, len(points)), of: make(map[string]*known)}
	for _, done := range earlier {
		u.combination(done.Point).add(goal, done.Metrics)
	}
	return u
}

// Next implements [Source].
func (u *Until) Next(_ int, settled []Settled) (experiment.Point, bool) {
	for ; u.seen < len(settled); u.seen++ {
		s := settled[u.seen]
		k := u.combination(s.Point)
		k.pending--
		if s.Outcome == outcome.RunSucceeded {
			k.add(u.goal, s.Metrics)
		}
	}
	for i, point := range u.points {
		k := u.combination(point)
		switch {
		case u.given[i], k.reached:
		case k.pending > 0 && k.runs+k.pending >= u.goal.AtLeast:
			return experiment.Point{}, false // the ones under way may be enough
		default:
			u.given[i] = true
			k.pending++
			return point, true
		}
	}
	return experiment.Point{}, false
}

// Planned implements [Source].
func (u *Until) Planned() (n int, atMost bool) {
	for i, point := range u.points {
		switch {
		case u.given[i]:
			n++
		case !u.combination(point).reached:
			n, atMost = n+1, true
		}
	}
	return n, atMost
}

func (u *Until) combination(point experiment.Point) *known {
	key := point.String()
	k := u.of[key]
	if k == nil {
		k = &known{values: make(map[string][]float64)}
		u.of[key] = k
	}
	return k
}

// add takes in a run that has succeeded.
func (k *known) add(goal statistics.Goal, metrics results.Metrics) {
	k.runs++
	for name := range goal.Until {
		if v, ok := metrics[name]; ok {
			k.values[name] = append(k.values[name], v)
		}
	}
	k.reached = goal.Reached(k.values)
}
