package publisher

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/testkit/fakeworker"
)

// file is the pieces of a whole file.
func file(path, content string) []message.Piece {
	return []message.Piece{
		{Kind: message.FileBegin, Path: path, Mode: 0o644, ModTime: time.Unix(1_763_900_000, 0)},
		{Kind: message.FileData, Data: []byte(content)},
		{Kind: message.FileEnd, Size: uint64(len(content)), Sum: sha256.Sum256([]byte(content))},
	}
}

// collecting takes a run that collects from alpha to where its process has ended.
func collecting(l *harness) (*fakeworker.Worker, *ending) {
	l.t.Helper()
	alpha := l.worker("alpha")
	dp := l.datapoint(proc("alpha", "a", 0))
	dp.Collect = map[string][]string{"alpha": {"**"}}
	run := l.start(dp)
	fakeworker.Release(alpha)
	if !slices.Equal(alpha.Job.Collect, dp.Collect["alpha"]) {
		l.t.Errorf("the job asks for %q, want %q", alpha.Job.Collect, dp.Collect["alpha"])
	}
	alpha.Exit(0, 0)
	alpha.Event(message.Event{Kind: message.Ended})
	l.seen("alpha", Ended)
	return alpha, run
}

func TestFilesComeIntoTheResults(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha, run := collecting(l)
	big := strings.Repeat("0123456789", 30_000)
	alpha.Files(message.Piece{Kind: message.FileMissing, Path: "pipe", Reason: "it is a named pipe"}, message.Piece{Kind: message.FileBegin, Path: "b/big"})
	alpha.Files(message.Piece{Kind: message.FileData, Data: []byte(big[:100_000])})
	alpha.Files(message.Piece{Kind: message.FileData, Data: []byte(big[100_000:])})
	alpha.Files(append([]message.Piece{{Kind: message.FileEnd, Size: 300_000, Sum: sha256.Sum256([]byte(big))}}, file("a", "")...)...)
	alpha.DoneWithFiles(message.FileTotals{Files: 2, Bytes: 300_000, Missing: 1})
	got := run.wait()
	h := hostOf(t, got, "alpha")
	if got.Outcome != outcome.RunSucceeded || !slices.Equal(h.Files, []string{"a", "b/big"}) || len(h.Collected) != 2 || h.Collected[1].Bytes != 300_000 {
		t.Errorf("outcome %s (%s), files %q, %+v", got.Outcome, got.Reason, h.Files, h.Collected)
	}
	if len(h.Missing) != 1 || h.Missing[0].Path != "pipe" || h.Missing[0].Reason != "it is a named pipe" {
		t.Errorf("missing %+v, want the pipe", h.Missing)
	}
	if l.contents("alpha/files/b/big") != big || l.contents("alpha/files/a") != "" {
		t.Error("the files are not as they were")
	}
}

func TestWorkerThatCollectsAnewReplacesWhatHadCome(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha, run := collecting(l)
	alpha.Files(file("old", "x")...)
	alpha.Files(message.Piece{Kind: message.FileBegin, Path: "half"}, message.Piece{Kind: message.FileData, Data: []byte("ha")})
	alpha.Files(append([]message.Piece{{Kind: message.FilesAnew}}, file("half", "half")...)...)
	alpha.DoneWithFiles(message.FileTotals{Files: 1, Bytes: 4})
	got := run.wait()
	if h := hostOf(t, got, "alpha"); got.Outcome != outcome.RunSucceeded || !slices.Equal(h.Files, []string{"half"}) || len(h.Missing) > 0 {
		t.Errorf("outcome %s (%s), files %q, missing %+v; want half alone", got.Outcome, got.Reason, h.Files, h.Missing)
	}
	if got := l.contents("alpha/files/half"); got != "half" {
		t.Errorf("half holds %q", got)
	}
}

// Also a file that was not kept does not count any more then.
func TestFileThatWasNotKeptIsForgottenWithTheOthers(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha, run := collecting(l)
	garbled := file("old", "x")
	garbled[2].Sum[0] ^= 1
	alpha.Files(slices.Concat(garbled, []message.Piece{{Kind: message.FilesAnew}}, file("new", "whole"))...)
	alpha.DoneWithFiles(message.FileTotals{Files: 1, Bytes: 5})
	got := run.wait()
	if h := hostOf(t, got, "alpha"); got.Outcome != outcome.RunSucceeded || !slices.Equal(h.Files, []string{"new"}) || len(h.Missing) > 0 {
		t.Errorf("outcome %s (%s), files %q, missing %+v; want new alone", got.Outcome, got.Reason, h.Files, h.Missing)
	}
}

// Events are not signed: a worker's word is not to be trusted with paths.
func TestFilesOfAWorkerThatLies(t *testing.T) {
	t.Parallel()
	garbled := file("x", "content")
	garbled[2].Sum[0] ^= 1
	tests := map[string]struct {
		pieces  []message.Piece
		totals  message.FileTotals
		outcome outcome.Run
		missing string // of the first that is
	}{
		"a path that leads out":    {file("../../../evil", "x"), message.FileTotals{Files: 1, Bytes: 1}, outcome.RunSucceeded, "can't be stored: its path leads out"},
		"an absolute path":         {file("/tmp/downbeat-evil", "x"), message.FileTotals{Files: 1, Bytes: 1}, outcome.RunSucceeded, "can't be stored: its path leads out"},
		"a wrong hash":             {garbled, message.FileTotals{Files: 1, Bytes: 7}, outcome.RunLost, "can't be stored: it has 7 bytes with the hash"},
		"totals that do not fit":   {file("x", "content"), message.FileTotals{Files: 2, Bytes: 9}, outcome.RunLost, ""},
		"a file without end":       {file("x", "content")[:2], message.FileTotals{}, outcome.RunSucceeded, ""},
		"data and ends of nothing": {[]message.Piece{{Kind: message.FileData, Data: []byte("x")}, {Kind: message.FileEnd}}, message.FileTotals{Files: 1}, outcome.RunLost, ""},
		"the same file twice":      {append(file("x", "1"), file("x", "2")...), message.FileTotals{Files: 2, Bytes: 2}, outcome.RunSucceeded, "can't be stored: there is a file of that name already"},
		"broken off":               {nil, message.FileTotals{BrokenOff: "the disk takes no more"}, outcome.RunSucceeded, "collecting was broken off: the disk takes no more"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t, nil)
			alpha, run := collecting(l)
			if tt.pieces != nil {
				alpha.Files(tt.pieces...)
			}
			alpha.DoneWithFiles(tt.totals)
			got := run.wait()
			h := hostOf(t, got, "alpha")
			if got.Outcome != tt.outcome {
				t.Errorf("outcome %s (%s), want %s", got.Outcome, got.Reason, tt.outcome)
			}
			if tt.missing != "" && (len(h.Missing) == 0 || !strings.Contains(h.Missing[0].Reason, tt.missing)) {
				t.Errorf("missing %+v, want %q", h.Missing, tt.missing)
			}
			if got.Outcome == outcome.RunLost && !strings.Contains(h.Reason, "files of alpha are missing: ") {
				t.Errorf("reason %q does not tell of files", h.Reason)
			}
			for _, path := range []string{filepath.Join(l.results.Dir(), "..", "evil"), filepath.Join(l.results.Dir(), "evil"), "/tmp/downbeat-evil"} {
				if _, err := os.Lstat(path); err == nil {
					t.Errorf("%s was written", path)
				}
			}
		})
	}
}

func TestFilesOfAHostThatFallsSilentAreMissing(t *testing.T) {
	t.Parallel()
	l := newHarness(t, func(c *Config) { c.Lease = timeout / 20 })
	alpha, run := collecting(l)
	alpha.Files(append(file("whole", "x"), file("half", "content")[:2]...)...)
	alpha.Mute()
	got := run.wait()
	h := hostOf(t, got, "alpha")
	if got.Outcome != outcome.RunLost || !slices.Equal(h.Files, []string{"whole"}) || len(h.Missing) != 2 || h.Missing[1].Path != "half" {
		t.Errorf("outcome %s, files %q, missing %+v; want lost, with whole, and without half", got.Outcome, h.Files, h.Missing)
	}
	if _, err := os.Stat(filepath.Join(l.results.Dir(), "alpha", "files", "half")); err == nil {
		t.Error("half a file is in the results")
	}
}

// Only of a host that has told of its files is it known what a pattern picks.
func TestPatternsThatPickNothing(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		end  func(bravo *fakeworker.Worker)
		want []string
	}{
		"on both hosts": {func(bravo *fakeworker.Worker) { bravo.DoneWithFiles(message.FileTotals{}) }, []string{"*.csv"}},
		"picked elsewhere": {func(bravo *fakeworker.Worker) {
			bravo.Files(file("out.csv", "x")...)
			bravo.DoneWithFiles(message.FileTotals{Files: 1, Bytes: 1})
		}, nil},
		"a host that broke it off": {func(bravo *fakeworker.Worker) {
			bravo.DoneWithFiles(message.FileTotals{BrokenOff: "the disk takes no more"})
		}, nil},
		"a host that has died": {func(bravo *fakeworker.Worker) { bravo.Done(message.HostLost) }, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t, nil)
			alpha, bravo := l.worker("alpha"), l.worker("bravo")
			dp := l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0))
			dp.Collect = map[string][]string{"alpha": {"*.csv", "*.log"}, "bravo": {"*.csv"}}
			run := l.start(dp)
			fakeworker.Release(alpha, bravo)
			for _, s := range []*fakeworker.Worker{alpha, bravo} {
				s.Exit(0, 0)
				s.Event(message.Event{Kind: message.Ended})
			}
			alpha.Files(file("a.log", "x")...)
			alpha.DoneWithFiles(message.FileTotals{Files: 1, Bytes: 1})
			tt.end(bravo)
			if got := run.wait().Unmatched; !slices.Equal(got, tt.want) {
				t.Errorf("%q pick nothing, want %q", got, tt.want)
			}
		})
	}
}

func TestPatternsOfAHostThatNeverStartedAreNotSaidToPickNothing(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	dp := l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0))
	dp.Collect = map[string][]string{"bravo": {"*.csv"}}
	run := l.start(dp)
	fakeworker.Hold(alpha, bravo)
	alpha.Started(alpha.Expect(message.Start).At)
	l.seen("alpha", Started)
	bravo.Expect(message.Start)
	bravo.Done(message.HostLost)
	alpha.Obey(0)
	if got := run.wait(); got.ReleasedAt.IsZero() || len(got.Unmatched) > 0 {
		t.Errorf("released at %s, and %q pick nothing, want a release, and nothing said", got.ReleasedAt, got.Unmatched)
	}
}

func TestBatchOfFilesThatCannotBeUnderstoodLosesTheHost(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha, run := collecting(l)
	alpha.Files(append(file("a", "x"), message.Piece{Kind: 99})...)
	got := run.wait()
	if want := "the files of alpha can't be read: "; got.Outcome != outcome.RunLost || !strings.HasPrefix(got.Reason, want) {
		t.Errorf("outcome %s (%s), want lost (%s...)", got.Outcome, got.Reason, want)
	}
}
