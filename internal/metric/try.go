package metric

import (
	"context"
	"fmt"
	"math"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// Try gives the record of a run as it would be if the run were judged by what the file says. It
// takes all metrics from the stored results, and changes nothing there.
func Try(ctx context.Context, file *experiment.File, dir string, rec results.Record, programs *Programs) results.Record {
	by, err := file.Judges(past(&rec))
	rec.Outcome, rec.Reason = own(&rec)
	rec.MetricsOf, rec.Judged = nil, nil // nothing is kept
	j := judging{programs: programs, dir: dir, by: &by, rec: &rec, unfit: err}
	j.judge(ctx, again(&rec, err))
	return rec
}

// again takes metrics of an existing run, whose results may not all be there any more; err says
// why none can be taken.
func again(rec *results.Record, err error) taker {
	return func(run *Run, m *experiment.Metric) Finding {
		if err != nil {
			return unfit(err)
		}
		if gone := lost(run.files, m, rec); gone != "" {
			return Finding{Value: math.NaN(), Note: gone, Expected: len(m.Sources), Lost: true}
		}
		return Take(run, m)
	}
}

// unfit is the finding of a metric that can't be taken of a run.
func unfit(why error) Finding {
	return Finding{Value: math.NaN(), Note: fmt.Sprintf("can't be taken of this run: %v", why), Lost: true}
}
