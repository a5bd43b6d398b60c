package conduct

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/samples"
)

// blockOf is one of a host that was sampled at these times.
func blockOf(times ...time.Time) []byte {
	var b samples.Builder
	for i, at := range times {
		b.Row(at)
		b.Put(samples.Disk, "sda", []int64{int64(i), 0, 0, 0, 0})
	}
	return slices.Clone(b.Block())
}

// sampling is a run with one process on alpha, which is sampled.
func sampling(t *testing.T) (*harness, *worker) {
	t.Helper()
	l := newHarness(t)
	alpha := l.worker("alpha", proc("a", 0))
	alpha.job.SampleMS = 1000
	l.start()
	release(alpha)
	return l, alpha
}

func TestSamplesAreKeptOnOurClock(t *testing.T) {
	t.Parallel()
	l, alpha := sampling(t)
	alpha.sends(alpha.logs(Samples{Block: blockOf(alpha.clock(), alpha.clock().Add(time.Second))}, 100))
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
	if len(alpha.blocks) != 1 {
		t.Fatalf("%d blocks are stored", len(alpha.blocks))
	}
	row, err := samples.NewReader(bytes.NewReader(samples.Append([]byte(samples.Header), alpha.blocks[0]))).Next()
	if err != nil || row.Bound <= 0 || row.At.Sub(epoch).Abs() > time.Minute {
		t.Errorf("%v: the first sample is of %v±%v", err, row.At, row.Bound)
	}
}

// A process that can't be ended doesn't keep its host from being sampled, nor the run from its end.
func TestSamplesAreNoProgress(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Timeout, l.spec.CompleteWithin = 5*time.Second, 5*time.Second
	alpha := l.worker("alpha", proc("a", 0))
	alpha.job.SampleMS = 1000
	l.start()
	release(alpha)
	for range 300 {
		if l.run.Over() {
			break
		}
		alpha.sends(alpha.logs(Samples{Block: blockOf(alpha.clock())}, 100))
		l.advance(time.Second)
	}
	if !l.run.Over() {
		t.Error("the run is not over after 5 minutes")
	}
}

func TestSamplesThatCannotBeUnderstoodLoseTheHost(t *testing.T) {
	t.Parallel()
	l, alpha := sampling(t)
	alpha.sends(alpha.logs(Samples{Block: []byte("it is garbled")}, 100))
	l.wants(l.end(), outcome.RunLost, "the samples of alpha can't be read: malformed samples: a block ends in its names")
}

func TestSamplesThatWereNotAskedForAreIgnored(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	alpha.sends(alpha.logs(Samples{Block: blockOf(alpha.clock())}, 100))
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
	if len(alpha.blocks) > 0 || len(l.warned) != 1 || l.warned[0] != SamplesUnasked {
		t.Errorf("%d blocks are stored, warnings %v", len(alpha.blocks), l.warned)
	}
}
