package publisher

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/testkit"
	"downbeat/internal/testkit/fakeworker"
)

// shipping starts a run in which alpha gets a file of that content.
func shipping(l *harness, content string) (alpha *fakeworker.Worker, run *ending, f experiment.ShippedFile) {
	l.t.Helper()
	alpha = l.worker("alpha")
	f.Source = filepath.Join(l.t.TempDir(), "source")
	testkit.Check(l.t, os.WriteFile(f.Source, []byte(content), 0o600))
	sum := sha256.Sum256([]byte(content))
	f.File = message.File{Path: "data", Mode: 0o600, Bytes: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	dp := l.datapoint(proc("alpha", "a", 0))
	dp.Files = map[string][]experiment.ShippedFile{"alpha": {f}}
	run = l.start(dp)
	alpha.Take()
	return alpha, run, f
}

// wantOf is what a host says that lacks that part of a file.
func wantOf(f experiment.ShippedFile, offset, size int64) message.WantInfo {
	return message.WantInfo{SHA256: f.SHA256, Offset: offset, Bytes: size, Path: f.Path, Done: offset, Total: f.Bytes}
}

func TestHostGetsThePartOfAFileThatItWants(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	content := strings.Repeat("0123456789", 60_000)
	alpha, run, f := shipping(l, content)
	alpha.Want(wantOf(f, message.MaxChunk, f.Bytes-message.MaxChunk))
	l.seen("alpha", Fetching)
	var got []byte
	for at := int64(message.MaxChunk); at < f.Bytes; at += message.MaxChunk {
		c := testkit.Receive(t, alpha.Chunks, "alpha gets a chunk")
		if c.Run != alpha.Job.Run || c.Offset != at || hex.EncodeToString(c.Sum[:]) != f.SHA256 {
			t.Errorf("chunk of %s at %d, want %s at %d", c.Run, c.Offset, alpha.Job.Run, at)
		}
		got = append(got, c.Data...)
	}
	if !bytes.Equal(got, []byte(content[message.MaxChunk:])) {
		t.Error("the chunks are not the file's")
	}
	l.watcher.mu.Lock()
	if want := "data (0 of 1 MB)"; l.watcher.details["alpha"] != want {
		t.Errorf("it is told that alpha is fetching %q, want %q", l.watcher.details["alpha"], want)
	}
	l.watcher.mu.Unlock()
	alpha.Ready()
	alpha.Expect(message.Commit)
	run.cancel(nil)
	alpha.Obey()
	run.wait()
}

func TestFileThatIsGoneMeanwhileIsARefusal(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha, run, f := shipping(l, "content")
	testkit.Check(t, os.Truncate(f.Source, 3))
	alpha.Want(wantOf(f, 0, 7))
	alpha.Obey()
	got := run.wait()
	want := "alpha can't have its files: " + f.Source + ": it has changed since the experiment began"
	if got.Outcome != outcome.RunRefused || got.Reason != want {
		t.Errorf("outcome %s (%s), want refused (%s)", got.Outcome, got.Reason, want)
	}
}
