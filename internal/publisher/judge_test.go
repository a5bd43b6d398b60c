package publisher

import (
	"os"
	"path/filepath"
	"testing"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
	"downbeat/internal/testkit/fakeworker"
)

// The judge of a run finds its output on the disk, and has the last word on the record,
// which is not there yet.
func TestJudgeSeesTheOutputAndChangesTheRecord(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
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
	start := fakeworker.Release(alpha)
	alpha.Output(0, streams.Stdout, "rate 7\n", 1)
	alpha.Exited(message.ExitedInfo{StartedAt: start.At, EndedAt: start.At})
	alpha.Done(message.HostDone)
	got := run.wait()
	testkit.Check(t, run.err)
	written, err := results.ReadRecord(l.results.Dir())
	testkit.Check(t, err)
	for _, rec := range []results.Record{got, written} {
		if rec.Outcome != outcome.RunFailed || rec.Reason != "too slow" || rec.Metrics["rate"] != 7 {
			t.Errorf("got %s, %q, %v", rec.Outcome, rec.Reason, rec.Metrics)
		}
	}
}
