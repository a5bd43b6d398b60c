package report_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/report"
	"downbeat/internal/report/reporttest"
	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// The output of setups and teardowns is in the log beside the processes' output, and the page
// says what was not collected. Of a setup that was run twice, the later is told of.
func TestStepsAndWhatWasNotCollected(t *testing.T) {
	t.Parallel()
	e, err := results.Create(t.TempDir(), results.Meta{Name: "steps", Time: reporttest.Epoch})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	run, err := e.NewRun("0001", []results.Process{{Host: "alpha", Name: "0"}, {Host: "alpha", Name: "setup.0"}, {Host: "alpha", Name: "teardown.0"}})
	if err != nil {
		t.Fatal(err)
	}
	at := reporttest.Epoch
	for n, text := range []string{"measuring\n", "made the disk\n", "removed the disk\n"} {
		when := at.Add(time.Duration([]int{1, -1, 2}[n]) * time.Second)
		if err := run.Output(n, streams.Stream(n/2), when, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	step := func(name string, word outcome.Command) results.StepRecord {
		return results.StepRecord{Name: name, CommandRecord: results.CommandRecord{Argv: []string{"mkfs"}, Outcome: word, Total: streams.Total{StdoutLines: 1, StdoutBytes: 14}}}
	}
	err = run.Finish(results.Record{
		Run: "R", Datapoint: 1, Repetition: 1, Attempt: 1, Outcome: outcome.RunSucceeded,
		EnqueuedAt: at, ReleasedAt: at, EndedAt: at.Add(3 * time.Second), Unmatched: []string{"*.csv", "<b>"},
		Hosts: []results.HostRecord{{
			Host: "alpha", Outcome: outcome.HostSucceeded, Missing: []results.MissingFile{{Path: "core", Reason: "it is a named pipe"}},
			Setup:    []results.StepRecord{step("setup.0", outcome.CommandStopped), step("setup.0", outcome.CommandSucceeded)},
			Teardown: []results.StepRecord{step("teardown.0", outcome.CommandFailed)},
		}},
		Processes: []results.ProcessRecord{{Host: "alpha", Process: "0", CommandRecord: results.CommandRecord{Argv: []string{"true"}, Outcome: outcome.CommandSucceeded, StartedAt: at, EndedAt: at.Add(2 * time.Second)}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := write(e.Dir(), report.Options{}); err != nil {
		t.Fatal(err)
	}

	p := open(t, e.Dir(), "#process=", size(900, 800))
	want := []string{"all, by time", "alpha/0 – succeeded", "alpha/setup.0 – succeeded", "alpha/teardown.0 – failed"}
	if got := p.texts("#log-process option"); !slices.Equal(got, want) {
		t.Errorf("the logs are those of %q, want %q", got, want)
	}
	if got, want := p.texts("#log-lines .said"), []string{"made the disk", "measuring", "removed the disk"}; !slices.Equal(got, want) {
		t.Errorf("the lines of all are %q, want %q", got, want)
	}
	if facts := strings.Join(p.texts("#run-facts dd"), "\n"); !strings.Contains(facts, "no host had a file for *.csv, <b>") {
		t.Errorf("the patterns that picked nothing are not named in\n%s", facts)
	}
	if got, want := p.texts("#table tbody td:nth-child(8)"), []string{"–"}; !slices.Equal(got, want) {
		t.Errorf("the table shows %q as the skew of a stop that never was, want %q", got, want)
	}
	if got := p.texts("#run-hosts .missing"); len(got) != 1 || got[0] != "Not collected from alpha: core: it is a named pipe" {
		t.Errorf("of what is missing it says %q", got)
	}

	p = open(t, e.Dir(), "", size(900, 800))
	p.await(`document.getElementById("log-process").value === "alpha/teardown.0"`)
	p.await(`document.getElementById("log-about").textContent.includes("alpha/teardown.0.out")`)
}
