package metric

import (
	"fmt"
	"math"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// Try gives the record of a run as it would be if the run were judged by what the file says. It
// takes all metrics from the stored results, and changes nothing there.
func Try(file *experiment.File, dir string, rec results.Record) results.Record {
	by, err := file.Judges(past(&rec))
	rec.Outcome, rec.Reason = own(&rec)
	rec.MetricsOf = nil // none is kept
	judgeBy(dir, &by, &rec, again(&rec, err))
	return rec
}

// again takes metrics of an existing run, whose results may not all be there any more; err says
// why none can be taken.
func again(rec *results.Record, err error) taker {
	return func(run *Run, m *experiment.Metric) Finding {
		if err != nil {
			return Finding{Value: math.NaN(), Note: fmt.Sprintf("can't be taken of this run: %v", err), Lost: true}
		}
		if gone := lost(run.files, m, rec); gone != "" {
			return Finding{Value: math.NaN(), Note: gone, Expected: len(m.Sources), Lost: true}
		}
		return Take(run, m)
	}
}
