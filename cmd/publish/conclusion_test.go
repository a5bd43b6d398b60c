package main

import (
	"errors"
	"strings"
	"testing"

	"downbeat/internal/campaign"
	"downbeat/internal/results"
)

// The exit status is that of the first datapoint that did not succeed; but 3 says that
// nothing was started.
func TestExitAfterACampaign(t *testing.T) {
	t.Parallel()
	away, failed := campaign.Failure{NotReady: true}, campaign.Failure{Outcome: results.RunFailed, Released: true}
	for _, test := range []struct {
		result campaign.Result
		want   int
	}{
		{campaign.Result{Released: true}, exitOK},
		{campaign.Result{Failures: []campaign.Failure{failed}, Released: true}, exitFailed},
		{campaign.Result{Failures: []campaign.Failure{away}}, exitUnreachable},
		{campaign.Result{Failures: []campaign.Failure{away, away}}, exitUnreachable},
		{campaign.Result{Failures: []campaign.Failure{away}, Released: true}, exitFailed},
		{campaign.Result{Failures: []campaign.Failure{{Outcome: results.RunRefused}, away}}, exitFailed},
	} {
		got, err := exitOK, exitAfter(test.result)
		if e, ok := errors.AsType[*exitError](err); ok {
			got = e.status
		}
		if got != test.want {
			t.Errorf("%+v: got %d, want %d", test.result, got, test.want)
		}
	}
}

// What stopped an experiment is told with the flag that asked for it.
func TestWhyAnExperimentWasStopped(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		stopped campaign.Stopped
		want    string
	}{
		{campaign.Stopped{}, ""},
		{campaign.Stopped{Reason: campaign.SameRefusal, Refusal: "alpha refused: no", Times: 3}, ": the same refusal came 3 times in a row: alpha refused: no"},
		{campaign.Stopped{Reason: campaign.FirstFailure}, " at the first datapoint that did not succeed (--fail-fast)"},
		{campaign.Stopped{Reason: campaign.TooManyFailures}, " after 2 datapoints that did not succeed (--max-failures)"},
	} {
		if got := stopped(campaign.Result{Stopped: test.stopped, Failures: make([]campaign.Failure, 2)}); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// A failure is told in words.
func TestWhy(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]campaign.Failure{
		"timed out: after 5s": {Outcome: results.RunTimedOut, Reason: "after 5s"},
		"aborted":             {Outcome: results.RunAborted},
	} {
		if got := why(f); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The live line says which datapoint and which attempt it shows, unless there is only one.
func TestViewOfADatapoint(t *testing.T) {
	t.Parallel()
	var progress []campaign.Progress
	for _, total := range []int{1, 12} {
		p := campaign.Progress{Number: 2, Position: 3, Total: total, Failures: []campaign.Failure{{Label: "0001"}}}
		progress = append(progress, p)
	}
	if v := viewOf(progress[0]); v.number != "" || v.place() != "" || v.failed != nil {
		t.Errorf("of one: got %+v", v)
	}
	v := viewOf(progress[1])
	if got := v.place(); got != " 3/12 attempt 2" || strings.Join(v.failed, " ") != "0001" {
		t.Errorf("got %q, %q", got, v.failed)
	}
}
