package campaign

import (
	"slices"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// Progress is where a campaign stands, with an attempt that is under way or comes next.
type Progress struct {
	Attempt
	// Number is which attempt at its datapoint it is, from 1, those of earlier
	// campaigns included; 0 where it is not made yet.
	Number int
	// Position is which datapoint of Total it is, from 1. Both count those that were
	// done before.
	Position, Total int
	// AtMost: there may turn out to be fewer datapoints than Total, so that all is over before
	// Until.
	AtMost bool
	// Failures are the datapoints that did not succeed, in the order in which they were run.
	Failures []Failure
	// Expected is how long its processes are likely to run; 0: not known.
	Expected time.Duration
	// Until is when the campaign is likely to be over; zero: not known.
	Until time.Time
}

func (c *Campaign) progress(now time.Time, r *run) Progress {
	total, atMost := c.total()
	return Progress{
		Attempt: r.Attempt, Number: r.number, Position: c.config.Before + len(c.settled) + 1, Total: total, AtMost: atMost,
		Failures: slices.Clip(c.failures), Expected: c.durations.expect(r.Point), Until: c.until(now),
	}
}

// total is how many datapoints there are, with those that were done before.
func (c *Campaign) total() (n int, atMost bool) {
	n, atMost = c.config.Source.Planned()
	return c.config.Before + n, atMost
}

// until is when the campaign is likely to be over, if the datapoints that are left take
// as long as those that are over; zero before the first of them is.
func (c *Campaign) until(now time.Time) time.Time {
	over := len(c.settled)
	planned, _ := c.config.Source.Planned()
	if over == 0 {
		return time.Time{}
	}
	return now.Add(now.Sub(c.began) / time.Duration(over) * time.Duration(planned-over))
}

// Durations are how long runs that succeeded took from the release to the end.
type durations struct {
	latest time.Duration
	of     map[string]time.Duration // the latest with these parameters
}

func (d *durations) add(point experiment.Point, r results.Record) {
	if r.Outcome != outcome.RunSucceeded || r.ReleasedAt.IsZero() {
		return
	}
	if d.of == nil {
		d.of = make(map[string]time.Duration)
	}
	d.latest = r.EndedAt.Sub(r.ReleasedAt)
	d.of[point.String()] = d.latest
}

// expect is how long the point's processes are likely to run; 0: not known.
func (d *durations) expect(point experiment.Point) time.Duration {
	if took, ok := d.of[point.String()]; ok {
		return took
	}
	return d.latest
}
