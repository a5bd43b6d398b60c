package main

import (
	"path/filepath"
	"sync"
	"time"

	"downbeat/internal/report"
)

// settleTime is how long after a datapoint its report is made: not while the
// processes of the next begin, where publisher and workers share a machine.
const settleTime = 500 * time.Millisecond

// A reporter keeps an experiment's report up to date while the datapoints go on.
type reporter struct {
	report *report.Report
	due    chan struct{} // has an element when something came that is not in it
	leave  chan struct{}
	ended  sync.WaitGroup
}

// newReporter begins the report of the experiment in dir.
func newReporter(dir string, planned int) (*reporter, error) {
	r, err := report.New(dir, report.Options{Planned: planned})
	if err != nil {
		return nil, err
	}
	rep := &reporter{report: r, due: make(chan struct{}, 1), leave: make(chan struct{})}
	rep.ended.Go(rep.run)
	return rep, nil
}

// update has the report made anew soon.
func (r *reporter) update() {
	select {
	case r.due <- struct{}{}:
	default:
	}
}

func (r *reporter) run() {
	for {
		select {
		case <-r.due:
		case <-r.leave:
			return
		}
		select {
		case <-time.After(settleTime):
		case <-r.leave:
			return
		}
		_ = r.report.Write() // what keeps it from being made is told at the end
	}
}

// close makes the report for the last time. That it can't be made takes nothing
// from the results.
func (r *reporter) close(a *app) {
	close(r.leave)
	r.ended.Wait()
	if err := r.report.Write(); err != nil {
		a.say("publish: %v; publish report %s makes it again\n", err, filepath.Clean(r.report.Dir()))
	}
}
