package campaign

import (
	"slices"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// A Result is how a campaign went.
type Result struct {
	// Total counts the datapoints there are, Before those that an earlier campaign has
	// done, and Ran those that were run, however they went.
	Total, Before, Ran int
	// AtMost: if it had gone on, there might have been fewer datapoints than Total.
	AtMost bool
	// Failures are the datapoints that did not succeed, in the order in which they were run.
	Failures []Failure
	// Released: some process of some run was released.
	Released bool
	// Stopped says why not all datapoints had their turn, though nobody interrupted.
	Stopped     Stopped
	Interrupted bool
	// Err is why no further run could be made.
	Err  error
	Took time.Duration
}

// Succeeded counts the datapoints that have succeeded, in this campaign or before.
func (r Result) Succeeded() int { return r.Before + r.Ran - len(r.Failures) }

// Left counts the datapoints that have not had their turn.
func (r Result) Left() int { return r.Total - r.Before - r.Ran }

// A Failure is a datapoint that did not succeed, by its last run.
type Failure struct {
	Label    string
	Run      string
	Outcome  outcome.Run
	Reason   string // for people
	Released bool   // some process of that run was released
	NotReady bool   // a host was not ready for it in time
}

func failure(r *run, record results.Record) Failure {
	return Failure{
		Label: r.Point.Label(), Run: r.id, Outcome: record.Outcome, Reason: record.Reason, Released: !record.ReleasedAt.IsZero(),
		NotReady: slices.ContainsFunc(record.Hosts, func(h results.HostRecord) bool { return h.Outcome == outcome.HostNotReady }),
	}
}

func (c *Campaign) result(now time.Time) Result {
	total, atMost := c.total()
	return Result{
		Total: total, AtMost: atMost, Before: c.config.Before, Ran: len(c.settled), Failures: c.failures, Released: c.released,
		Stopped: c.stopped, Interrupted: c.interrupted, Err: c.err, Took: now.Sub(c.began),
	}
}
