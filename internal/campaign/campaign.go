// Package campaign decides how the datapoints of an experiment are run, one after
// the other: which is next, when one is tried again, which run is prepared while the
// results of the one before come home, and when the experiment is stopped before its
// end.
//
// A [Campaign] is a pure machine: an [Input] and the time go in, [Effect]s come out.
// It has no goroutine, no clock and no file. [Run] drives it: it carries the effects
// out by means of a [Runner], and feeds back what becomes of them. [Compare] tells
// which datapoints an earlier campaign has left to run.
package campaign

import "time"

// Config is what a campaign is to do.
type Config struct {
	// Source gives the datapoints to run.
	Source Source
	// Before counts the datapoints that an earlier campaign has done.
	Before int
	// Retries is how often a datapoint that did not succeed is tried again.
	Retries int
	// Pause passes between the end of a datapoint and the next one.
	Pause time.Duration
	// Limits say when no further datapoint is begun.
	Limits Limits
}

// A phase is where a campaign stands. Begin leads out of idle, and Over out of running.
// Where no run is open, [Campaign.proceed] finds the phase, whatever the one before was.
type phase uint8

const (
	idle        phase = iota // Begin has not come yet
	making                   // the next run is being made
	running                  // a run is open: its processes may be released
	withdrawing              // a run that was given up has not left its hosts yet
	pausing                  // the pause after a datapoint has not passed
	finished                 // Finish is out
)

// A Campaign decides what is done next for an experiment. It belongs to one
// goroutine.
type Campaign struct {
	config Config

	phase    phase
	due      []Attempt // to be made before the source is asked again, the next one first
	given    int       // datapoints that the source has given
	asked    bool      // a Make has no answer yet
	open     *run      // its processes may be released; nil where there is no such run
	next     *run      // made, and held behind its gate; nil where there is none
	leaving  string    // the run that was given up and is not over; empty: there is none
	pauseEnd time.Time

	began       time.Time
	interrupted bool
	released    bool // some process of some run was
	stopped     Stopped
	err         error // no further run can be made
	settled     []Settled
	failures    []Failure
	refusals    refusals
	durations   durations

	effects []Effect // of the step under way
}

// A run is one that was made.
type run struct {
	Attempt
	id     string
	number int // as in [Made]
	opened time.Time
	ended  *Ended // which came while its gate was closed
	over   *Over  // the same
}

// New makes a campaign that waits for [Begin].
func New(config Config) *Campaign { return &Campaign{config: config} }

// Step takes an input in and says what is to be done, in that order. A nil input
// says that time has passed.
func (c *Campaign) Step(now time.Time, in Input) []Effect {
	c.effects = nil
	switch in := in.(type) {
	case nil:
		if c.phase == pausing {
			c.proceed(now)
		}
	case Begin:
		c.begin(now)
	case Made:
		c.made(now, in)
	case NotMade:
		c.notMade(now, in)
	case Ended:
		c.ended(in)
	case Over:
		c.over(now, in)
	case Interrupt:
		c.interrupt(now)
	}
	return c.effects
}

// Next is when Step has to be called with nil unless an input comes before; zero:
// only an input matters.
func (c *Campaign) Next() time.Time {
	if c.phase == pausing {
		return c.pauseEnd
	}
	return time.Time{}
}

// proceed finds out what comes next, where no run is open. The first case that
// applies counts.
func (c *Campaign) proceed(now time.Time) {
	if c.next != nil && !c.wanted(c.next.Attempt) {
		c.giveUp()
	}
	attempt, more := c.upcoming()
	switch {
	case c.asked:
		c.phase = making
	case c.leaving != "":
		c.phase = withdrawing
	case c.closing(), !more:
		c.finish(now)
	case now.Before(c.pauseEnd):
		c.phase = pausing
	case c.next != nil:
		c.openNext(now)
	default:
		c.phase = making
		c.make(attempt)
	}
}

// closing reports whether no further run is to be opened.
func (c *Campaign) closing() bool {
	return c.interrupted || c.err != nil || c.stopped.Reason != NotStopped
}

// upcoming is the attempt that comes next; false: there is none, or none that is
// known before the datapoint under way is settled.
func (c *Campaign) upcoming() (Attempt, bool) {
	if len(c.due) == 0 {
		point, ok := c.config.Source.Next(c.given, c.settled)
		if !ok {
			return Attempt{}, false
		}
		c.given++
		c.due = append(c.due, Attempt{Point: point, Try: 1})
	}
	return c.due[0], true
}

// wanted reports whether that attempt is the one that comes next.
func (c *Campaign) wanted(a Attempt) bool {
	attempt, ok := c.upcoming()
	return ok && !c.closing() && attempt.same(a)
}

func (c *Campaign) make(a Attempt) {
	c.asked = true
	c.emit(Make{a})
}

func (c *Campaign) finish(now time.Time) {
	if c.phase == finished {
		return
	}
	c.phase = finished
	c.emit(Finish{c.result(now)})
}

func (c *Campaign) emit(e Effect) { c.effects = append(c.effects, e) }
