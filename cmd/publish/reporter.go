package main

import (
	"path/filepath"
	"sync"
	"time"

	"downbeat/internal/report"
)

// settleTime is how long after a datapoint its report is made. Where publisher and workers
// share a machine, that must not happen while the processes of the next datapoint start.
const settleTime = 500 * time.Millisecond

// A reporter keeps an experiment's report up to date while the datapoints go on.
type reporter struct {
	report *report.Report
	due    chan struct{} // has an element when the report is out of date
	leave  chan struct{}
	ended  sync.WaitGroup
}

// newReporter starts the report of the experiment in dir.
func newReporter(dir string, options report.Options) (*reporter, error) {
	r, err := report.New(dir, options)
	if err != nil {
		return nil, err
	}
	rep := &reporter{report: r, due: make(chan struct{}, 1), leave: make(chan struct{})}
	rep.ended.Go(rep.run)
	return rep, nil
}

// update has the report made again soon.
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
		_ = r.report.Write() // an error is reported at the end
	}
}

// close makes the report for the last time. An error in that does not affect the results.
func (r *reporter) close(a *app) {
	close(r.leave)
	r.ended.Wait()
	if err := r.report.Write(); err != nil {
		a.say("publish: %v; publish report %s makes it again\n", err, filepath.Clean(r.report.Dir()))
	}
}
