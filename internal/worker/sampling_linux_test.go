package worker

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/samples"
	"downbeat/internal/testkit"
	"downbeat/internal/testkit/fakepublisher"
)

// sampled reads what has come of a run's samples: for each subject, such as process/p.0, its values
// in each row that has it.
func sampled(t *testing.T, heard *fakepublisher.Heard) (rows []time.Time, values map[string][][]int64) {
	t.Helper()
	file := []byte(samples.Header)
	for _, block := range heard.Samples {
		file = samples.Append(file, block)
	}
	values = make(map[string][][]int64)
	for r := samples.NewReader(bytes.NewReader(file)); ; {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, values
		}
		testkit.Check(t, err)
		rows = append(rows, row.At)
		for i, s := range row.Subjects {
			if v := row.Values[i]; v != nil {
				name := row.Tables[s.Table].Name + "/" + s.Name
				values[name] = append(values[name], append([]int64(nil), v...))
			}
		}
	}
}

// burner uses CPU time in children that live briefly, and says when.
const burner = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); awk 'BEGIN { for (i = 0; i < 150000; i++) s += i }'; done; echo done"

func TestSamplesTellWhatProcessesHaveUsed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job(burner, "exec sleep 1000")
	job.SampleMS, job.Needs = message.MinSampleMS, []message.Feature{message.FeatureSamples}
	s.Start(job)
	s.AwaitOutput(job, 0, "done\n")
	s.Tell(job, message.Control{Kind: message.Stop, Cause: message.StopAbort})
	exited := make(map[int]*message.ExitedInfo)
	for len(exited) < 2 {
		e := s.Await(job, message.Exited).Exited
		exited[e.Command] = e
	}
	s.finish(job)
	rows, values := sampled(t, s.Of(job))
	if len(rows) < 3 {
		t.Fatalf("%d samples", len(rows))
	}
	for i := 1; i < len(rows); i++ {
		if !rows[i].After(rows[i-1]) {
			t.Errorf("sample %d is of %s, the one before of %s", i, rows[i], rows[i-1])
		}
	}
	used := values["process/p.0"]
	last, told := used[len(used)-1][samples.CPU], exited[0].UserUS+exited[0].SystemUS
	if last < told || last > told+told/10+50_000 {
		t.Errorf("it has used %d µs by the samples, %d by its end", last, told)
	}
	for i := 1; i < len(used); i++ {
		if used[i][samples.CPU] < used[i-1][samples.CPU] {
			t.Errorf("its CPU time goes back from %d to %d", used[i-1][samples.CPU], used[i][samples.CPU])
		}
	}
	if n := len(values["host/"]); n != len(rows) {
		t.Errorf("the host is in %d of %d samples", n, len(rows))
	}
}

func TestNoSamplesAreTakenUnasked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("echo hi")
	s.Start(job)
	s.finish(job)
	if n := len(s.Of(job).Samples); n > 0 {
		t.Errorf("%d blocks of samples", n)
	}
}

func TestRunOfAnInstantIsSampled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("true")
	job.SampleMS, job.Needs = 3_600_000, []message.Feature{message.FeatureSamples}
	s.Start(job)
	s.finish(job)
	rows, values := sampled(t, s.Of(job))
	if len(rows) < 2 || len(values["process/p.0"]) == 0 {
		t.Errorf("%d samples, %v", len(rows), values)
	}
}
