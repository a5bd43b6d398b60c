package main

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/campaign"
	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// The exit status is that of the first datapoint that did not succeed; but 3 says that
// nothing was started.
func TestExitAfterACampaign(t *testing.T) {
	t.Parallel()
	away, failed := campaign.Failure{NotReady: true}, campaign.Failure{Outcome: outcome.RunFailed, Released: true}
	for _, test := range []struct {
		result campaign.Result
		want   int
	}{
		{campaign.Result{Released: true}, exitOK},
		{campaign.Result{Failures: []campaign.Failure{failed}, Released: true}, exitFailed},
		{campaign.Result{Failures: []campaign.Failure{away}}, exitUnreachable},
		{campaign.Result{Failures: []campaign.Failure{away, away}}, exitUnreachable},
		{campaign.Result{Failures: []campaign.Failure{away}, Released: true}, exitFailed},
		{campaign.Result{Failures: []campaign.Failure{{Outcome: outcome.RunRefused}, away}}, exitFailed},
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

// The reason why an experiment was stopped names the flag that asked for it.
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
		"timed out: after 5s": {Outcome: outcome.RunTimedOut, Reason: "after 5s"},
		"aborted":             {Outcome: outcome.RunAborted},
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

// At the end a person reads how many datapoints succeeded, which did not, and what to do.
func TestConclusion(t *testing.T) {
	t.Parallel()
	failures := []campaign.Failure{
		{Label: "0002", Run: "R2", Outcome: outcome.RunRefused, Reason: "alpha refused: no disk"},
		{Label: "0003", Run: "R3", Outcome: outcome.RunTimedOut, Reason: "after 5s", Released: true},
	}
	for name, test := range map[string]struct {
		result campaign.Result
		want   string
		status int
	}{
		"one datapoint": {campaign.Result{Total: 1, Ran: 1, Failures: failures[1:], Released: true}, "", exitFailed},
		"success": {
			campaign.Result{Total: 5, Before: 2, Ran: 3, Took: time.Minute},
			"exp: 5 of 5 datapoints succeeded (2 before), after 1m00s; results in DIR\n  figures and timelines in DIR/report.html\n", exitOK,
		},
		"stopped": {
			campaign.Result{Total: 5, Ran: 3, Failures: failures, Released: true, Stopped: campaign.Stopped{Reason: campaign.TooManyFailures}, Took: time.Second},
			`exp: 1 of 5 datapoints succeeded, 2 did not, 2 not run, after 1.0 s; results in DIR
  figures and timelines in DIR/report.html
  0002 refused: alpha refused: no disk
  0003 timed out: after 5s
publish: stopped after 2 datapoints that did not succeed (--max-failures)
publish: to see what was printed: publish logs DIR/0003
publish: to run what has not succeeded: publish resume DIR
`, exitFailed,
		},
		"interrupted": {
			campaign.Result{Total: 2, Ran: 1, Interrupted: true, Took: time.Second},
			"exp: 1 of 2 datapoints succeeded, 1 not run, after 1.0 s; results in DIR\n  figures and timelines in DIR/report.html\npublish: to go on: publish resume DIR\n",
			exitSignal + int(syscall.SIGTERM),
		},
		"error":                  {campaign.Result{Total: 2, Ran: 1, Err: usage(errors.New("no space"))}, "publish: to go on: publish resume DIR\n", exitUsage},
		"error of one datapoint": {campaign.Result{Total: 1, Err: usage(errors.New("no space"))}, "", exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, said := quietApp(t)
			exp, err := results.Create(t.TempDir(), results.Meta{Name: "exp"})
			if err != nil {
				t.Fatal(err)
			}
			defer exp.Close()
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(&interruption{syscall.SIGTERM})
			s := &series{app: a, file: &experiment.File{Name: "exp"}, results: exp, opened: map[string]string{"R3": exp.Dir() + "/0003"}}
			got := exitOK
			if e, ok := errors.AsType[*exitError](s.conclude(ctx, test.result)); ok {
				got = e.status
			}
			if got != test.status {
				t.Errorf("got status %d, want %d", got, test.status)
			}
			if got := regexp.MustCompile(regexp.QuoteMeta(exp.Dir())).ReplaceAllString(said(), "DIR"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}
