package worker

import (
	"sync"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
)

// replies sends the events of a run that are not logged, each once and by a goroutine
// of its own. Its methods may be called by any goroutine.
type replies struct {
	run, to  string
	clock    *clock.Clock
	interest time.Duration // how long such an event is of interest
	publish  func(to string, e message.Event, within time.Duration)
	underWay sync.WaitGroup
}

// send sends an event, and puts its run into it, and the time if it has none.
func (p *replies) send(e message.Event) {
	e.Run = p.run
	if e.Time.IsZero() {
		e.Time = p.clock.Now()
	}
	p.underWay.Go(func() { p.publish(p.to, e, p.interest) })
}
