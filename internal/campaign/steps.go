package campaign

import (
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// The functions that handle the inputs.

func (c *Campaign) begin(now time.Time) {
	if c.phase == idle {
		c.began = now
		c.proceed(now)
	}
}

func (c *Campaign) made(now time.Time, in Made) {
	c.asked = false
	c.next = &run{Attempt: in.Attempt, id: in.Run, number: in.Number}
	switch {
	case c.open == nil:
		c.proceed(now)
	case c.closing():
		c.giveUp()
	}
}

// notMade takes in that a run can't be made. One that was to be prepared while
// another is open is made again in its turn, and the error told then.
func (c *Campaign) notMade(now time.Time, in NotMade) {
	c.asked = false
	if c.open != nil {
		return
	}
	c.err = in.Err
	c.proceed(now)
}

// openNext lets the processes of the run that was prepared be released.
func (c *Campaign) openNext(now time.Time) {
	r := c.next
	c.open, c.next, c.due = r, nil, c.due[1:]
	r.opened = now
	c.phase = running
	c.emit(Open{Run: r.id, Progress: c.progress(now, r)})
	if r.ended != nil {
		c.prepare(r, r.ended.Outcome)
	}
	if r.over != nil {
		c.settle(now, r, *r.over)
	}
}

// giveUp gives up the run that was prepared. Its datapoint is still due.
func (c *Campaign) giveUp() {
	r := c.next
	c.next = nil
	if r.over == nil {
		c.leaving = r.id
		c.emit(GiveUp{r.id})
	}
}

// ended takes in that a run has no process left on any host.
func (c *Campaign) ended(in Ended) {
	switch {
	case c.open != nil && c.open.id == in.Run:
		c.prepare(c.open, in.Outcome)
	case c.next != nil && c.next.id == in.Run:
		c.next.ended = &in
	}
}

// prepare has the next run made, now that the hosts of the one that is open are free.
// The outcome may still change: the run has not been judged by its metrics.
func (c *Campaign) prepare(r *run, word outcome.Run) {
	switch {
	case c.asked, c.next != nil, c.closing():
	case word == outcome.RunRefused:
		// Whether it is tried again depends on why.
	case c.mayRetry(r.Attempt, word):
		c.make(r.again(r.id))
	case c.config.Pause > 0, word != outcome.RunSucceeded && c.config.Limits.reached(len(c.failures)+1):
	default:
		if attempt, ok := c.upcoming(); ok {
			c.make(attempt)
		}
	}
}

// over takes in that a run is over, and its record written.
func (c *Campaign) over(now time.Time, in Over) {
	switch {
	case c.open != nil && c.open.id == in.Run:
		c.settle(now, c.open, in)
	case c.next != nil && c.next.id == in.Run:
		c.next.over = &in
	case c.leaving == in.Run:
		c.leaving = ""
		if c.open == nil {
			c.proceed(now)
		}
	}
}

// settle judges the run that was open by its record, and proceeds.
func (c *Campaign) settle(now time.Time, r *run, in Over) {
	c.open = nil
	c.emit(Report{Run: r.id, Record: in.Record, Err: in.Err, Took: now.Sub(r.opened)})
	c.released = c.released || !in.Record.ReleasedAt.IsZero()
	switch {
	case in.Err != nil:
		c.err = in.Err
	case c.retry(r, in.Record):
	default:
		c.settleDatapoint(now, r, in.Record)
	}
	c.proceed(now)
}

// retry has the datapoint of the run tried again, if that is allowed and worth it.
func (c *Campaign) retry(r *run, record results.Record) bool {
	c.refusals = c.refusals.after(record)
	if !c.mayRetry(r.Attempt, record.Outcome) || c.refusals.futile() {
		return false
	}
	c.due = append([]Attempt{r.again(r.id)}, c.due...)
	earlier := r.number - r.Try
	c.emit(Retry{Attempt: r.number + 1, Of: earlier + c.config.Retries + 1})
	return true
}

// mayRetry reports whether another attempt is allowed, and may end otherwise.
func (c *Campaign) mayRetry(a Attempt, word outcome.Run) bool {
	if a.Try > c.config.Retries || c.interrupted {
		return false
	}
	switch word {
	case outcome.RunFailed, outcome.RunTimedOut, outcome.RunLost, outcome.RunRefused:
		return true
	default: // it succeeded, or somebody aborted it
		return false
	}
}

// settleDatapoint takes in the last run of a datapoint.
func (c *Campaign) settleDatapoint(now time.Time, r *run, record results.Record) {
	c.settled = append(c.settled, Settled{Point: r.Point, Outcome: record.Outcome, Metrics: record.Metrics})
	c.durations.add(r.Point, record)
	if record.Outcome != outcome.RunSucceeded {
		c.failures = append(c.failures, failure(r, record))
	}
	if _, more := c.upcoming(); !more || c.interrupted {
		return
	}
	if c.stopped = c.config.Limits.check(len(c.failures), c.refusals); c.stopped.Reason == NotStopped && c.config.Pause > 0 {
		c.pauseEnd = now.Add(c.config.Pause)
		c.emit(Pause{For: c.config.Pause, Progress: c.progress(now, &run{Attempt: c.due[0]})})
	}
}

// interrupt stops what is under way, and begins nothing more. A second one changes
// nothing.
func (c *Campaign) interrupt(now time.Time) {
	if c.interrupted {
		return
	}
	c.interrupted = true
	if c.next != nil {
		c.giveUp()
	}
	switch {
	case c.open != nil:
		c.emit(Stop{Run: c.open.id})
	case c.phase != idle:
		c.proceed(now)
	}
}
