package conduct

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// collecting takes a run that collects from alpha to where its process has ended.
func collecting(t *testing.T, change ...func(*Spec)) (*harness, *worker) {
	t.Helper()
	l := newHarness(t)
	for _, c := range change {
		c(&l.spec)
	}
	alpha := l.worker("alpha", proc("a", 0))
	alpha.job.Collect = []string{"**"}
	l.start()
	release(alpha)
	alpha.exit(0, 0)
	alpha.event(message.Event{Kind: message.Ended})
	return l, alpha
}

// The files that came from a host have to be those that it says it sent.
func TestFilesAreAccountedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pieces     []message.Piece
		totals     message.FileTotals
		word       outcome.Run
		missing    string // of several
		unfinished string
	}{
		"all":                      {slices.Concat(file("x", "content"), file("y", "")), message.FileTotals{Files: 2, Bytes: 7}, outcome.RunSucceeded, "", "it was not sent to its end"},
		"none":                     {nil, message.FileTotals{}, outcome.RunSucceeded, "", "it was not sent to its end"},
		"totals that do not fit":   {file("x", "content"), message.FileTotals{Files: 2, Bytes: 9}, outcome.RunLost, "", "it was not sent to its end"},
		"bytes that do not fit":    {file("x", "content"), message.FileTotals{Files: 1, Bytes: 9}, outcome.RunLost, "", "it was not sent to its end"},
		"a file without end":       {file("x", "content")[:2], message.FileTotals{}, outcome.RunSucceeded, "", "it was not sent to its end"},
		"a file that went missing": {append(file("x", "content")[:2], message.Piece{Kind: message.FileMissing, Path: "x"}), message.FileTotals{Missing: 1}, outcome.RunSucceeded, "", "it was not sent to its end"},
		"data and ends of nothing": {[]message.Piece{{Kind: message.FileData, Data: []byte("x")}, {Kind: message.FileEnd}}, message.FileTotals{Files: 1}, outcome.RunLost, "", "it was not sent to its end"},
		"broken off":               {nil, message.FileTotals{BrokenOff: "the disk takes no more"}, outcome.RunSucceeded, "collecting was broken off: the disk takes no more", "the disk takes no more"},
		"anew": {
			slices.Concat(file("old", "x"), file("half", "ha")[:2], []message.Piece{{Kind: message.FilesAnew}}, file("half", "half")),
			message.FileTotals{Files: 1, Bytes: 4},
			outcome.RunSucceeded, "", "it was not sent to its end",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, alpha := collecting(t)
			if test.pieces != nil {
				alpha.files(test.pieces...)
			}
			alpha.accounts(test.totals)
			res := l.end()
			if res.Outcome != test.word || res.Outcome == outcome.RunLost && !strings.Contains(res.Hosts[0].Reason, "files of alpha are missing: ") {
				t.Errorf("outcome %s (%s), host: %s, want %s", res.Outcome, res.Reason, res.Hosts[0].Reason, test.word)
			}
			want := CloseFiles{Missing: test.missing, Unfinished: test.unfinished}
			if alpha.pieces != len(test.pieces) || len(alpha.closed) != 1 || alpha.closed[0] != want {
				t.Errorf("%d of %d pieces are stored, closed with %+v, want %+v", alpha.pieces, len(test.pieces), alpha.closed, want)
			}
			if !res.Hosts[0].FilesTold {
				t.Error("it is said not to have told of its files")
			}
		})
	}
}

// A file that isn't what was announced has not come.
func TestFileThatIsNotKeptIsLacking(t *testing.T) {
	t.Parallel()
	l, alpha := collecting(t)
	alpha.files(slices.Concat(file("x", "content"), file("y", "yes"))...)
	l.input(NotKept{Bytes: 3})
	alpha.accounts(message.FileTotals{Files: 2, Bytes: 10})
	l.wants(l.end(), outcome.RunLost, "files of alpha are missing: 1 of 2 files with 7 of 10 bytes have come")
}

// It is known in time, though the batch and the host's last event come at once.
func TestWhatComesOfAnEventIsKnownBeforeTheNext(t *testing.T) {
	t.Parallel()
	l, alpha := collecting(t)
	first := alpha.logs(packed(file("x", "content")), 100)
	second := alpha.logs(packed(file("y", "yes")), 100)
	alpha.sends(second)
	first.At = l.now
	effects := l.run.Step(l.now, first)
	if len(effects) != 2 || !l.run.Next().Equal(l.now) {
		t.Fatalf("effects %+v, and Step is wanted at %s", effects, l.run.Next().Sub(l.now))
	}
	l.run.Step(l.now, NotKept{Bytes: 7})
	if got := l.run.hosts[0].files.got; got.Files != 0 {
		t.Errorf("%d files have come before the second batch", got.Files)
	}
	l.input(nil)
	if got := l.run.hosts[0].files.got; got.Files != 1 || got.Bytes != 3 {
		t.Errorf("%d files with %d bytes have come in the end", got.Files, got.Bytes)
	}
}

// A host that goes on answering, and sends nothing more of its files, does not hold up the
// experiment for ever.
func TestFilesThatDoNotComeAreNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	l, alpha := collecting(t)
	l.advance(50 * time.Second)
	alpha.files(file("a", "x")...)
	at := l.now
	res := l.end()
	l.wants(res, outcome.RunLost, "nothing has come of the files of alpha for 1m0s")
	if took := l.now.Sub(at); took != time.Minute {
		t.Errorf("it took %s", took)
	}
	if want := "not all files have come: nothing has come of the files of alpha for 1m0s"; len(alpha.closed) != 1 || alpha.closed[0].Missing != want || alpha.closed[0].Unfinished != res.Reason {
		t.Errorf("closed with %+v, want %q", alpha.closed, want)
	}
}

func TestFilesOfAHostThatFallsSilentAreMissing(t *testing.T) {
	t.Parallel()
	l, alpha := collecting(t, lease(time.Second))
	alpha.muted = true
	res := l.end()
	l.wants(res, outcome.RunLost, "no word from alpha")
	if len(alpha.closed) != 1 || alpha.closed[0].Unfinished != res.Reason || res.Hosts[0].FilesTold {
		t.Errorf("closed with %+v", alpha.closed)
	}
}

// Nothing is said of the files of a host that was never released.
func TestFilesOfAHostThatNeverStartedAreNotMissed(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha := l.worker("alpha", proc("a", 0))
	alpha.job.Collect = []string{"**"}
	l.start()
	hold(alpha)
	alpha.done(message.HostLost)
	l.end()
	if len(alpha.closed) > 0 {
		t.Errorf("closed with %+v", alpha.closed)
	}
}

func TestBatchOfFilesThatCannotBeUnderstoodLosesTheHost(t *testing.T) {
	t.Parallel()
	l, alpha := collecting(t)
	alpha.sends(alpha.logs(Files{Unpack: func([]byte) (iter.Seq[message.Piece], []byte, error) { return nil, nil, errors.New("it is garbled") }}, 100))
	l.wants(l.end(), outcome.RunLost, "the files of alpha can't be read: it is garbled")
}

func TestFilesThatWereNotAskedForAreIgnored(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	alpha.files(file("x", "content")...)
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
	if alpha.pieces > 0 || len(l.warned) != 1 || l.warned[0] != FilesUnasked {
		t.Errorf("%d pieces are stored, warnings %v", alpha.pieces, l.warned)
	}
}

func TestMoreFilesThanAnyWorkerSendsLoseTheHost(t *testing.T) {
	t.Parallel()
	l, alpha := collecting(t)
	empty := file("f", "")
	var batch []message.Piece
	for range 30_000 {
		batch = append(batch, empty[0], empty[2])
	}
	alpha.files(batch...)
	alpha.files(batch...)
	alpha.files(batch...)
	alpha.files(batch...)
	l.wants(l.end(), outcome.RunLost, "alpha sends more than 100000 files")
	if alpha.pieces != 2*mostFiles {
		t.Errorf("%d pieces are stored, want those of %d files", alpha.pieces, mostFiles)
	}
}

// A person is told how far the files have come, not more often than it helps.
func TestFilesAreShownAsTheyCome(t *testing.T) {
	t.Parallel()
	l, alpha := collecting(t)
	told := len(l.told["alpha"])
	for range 10 {
		l.advance(200 * time.Millisecond)
		alpha.files(file("x", "content")...)
	}
	if got := len(l.told["alpha"]) - told; got != 4 {
		t.Errorf("told %d times within 2 s, want 4", got)
	}
	if got, want := l.details["alpha"], "10 files, 0.0 MB"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}
