package report

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// The last words beside a failure are those of the process that the reason names
// first, whichever the record lists first.
func TestLastWordsAreThoseOfTheCause(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	record := results.Record{Processes: []results.ProcessRecord{
		{Host: "alpha", Process: "c.2", CommandRecord: results.CommandRecord{Outcome: outcome.CommandFailed, EndedAt: at}},
		{Host: "bravo", Process: "c.3", CommandRecord: results.CommandRecord{Outcome: outcome.CommandFailed, EndedAt: at.Add(time.Second)}},
		{Host: "bravo", Process: "c.31", CommandRecord: results.CommandRecord{Outcome: outcome.CommandStopped, EndedAt: at}},
	}}
	for _, p := range record.Processes {
		path := filepath.Join(dir, p.Host, p.Process+".err")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("words of "+p.Process+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for reason, want := range map[string]string{
		"c.3 on bravo exited with status 1; then c.2 on alpha": "bravo/c.3: words of c.3",
		"still running: alpha/c.2 and bravo/c.3":               "alpha/c.2: words of c.2",
		"the time was over":                                    "alpha/c.2: words of c.2",
	} {
		record.Reason = reason
		if got := lastWords(dir, record); got != want {
			t.Errorf("%s: got %q, want %q", reason, got, want)
		}
	}
}
