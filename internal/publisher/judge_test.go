package publisher

import (
	"os"
	"path/filepath"
	"testing"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// Whoever judges a run finds its output on the disk, and has the last word on
// the record, which is not there yet.
func TestJudgeSeesTheOutputAndChangesTheRecord(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	dp := l.datapoint(proc("alpha", "client", 0))
	run := l.start(dp, func(s *Spec) {
		dir := s.Results.Dir()
		s.Judge = func(rec *results.Record) {
			out, err := os.ReadFile(filepath.Join(dir, "alpha", "client.0.out"))
			if string(out) != "rate 7\n" || rec.Outcome != outcome.RunSucceeded {
				t.Errorf("when it was judged: output %q, %v, outcome %s", out, err, rec.Outcome)
			}
			if _, err := results.ReadRecord(dir); err == nil {
				t.Error("the record was written before it was judged")
			}
			rec.Outcome, rec.Reason, rec.Metrics = outcome.RunFailed, "too slow", results.Metrics{"rate": 7}
		}
	})
	start := release(alpha)
	alpha.output(0, message.Stdout, "rate 7\n", 1)
	alpha.exited(message.ExitedInfo{StartedAt: start.At, EndedAt: start.At})
	alpha.done(message.HostDone)
	got := run.wait()
	check(t, run.err)
	written, err := results.ReadRecord(l.results.Dir())
	check(t, err)
	for _, rec := range []results.Record{got, written} {
		if rec.Outcome != outcome.RunFailed || rec.Reason != "too slow" || rec.Metrics["rate"] != 7 {
			t.Errorf("got %s, %q, %v", rec.Outcome, rec.Reason, rec.Metrics)
		}
	}
}
