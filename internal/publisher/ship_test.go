package publisher

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// shipping starts a run in which alpha gets a file of that content.
func shipping(l *lab, content string) (alpha *scripted, run *ending, f experiment.ShippedFile) {
	l.t.Helper()
	alpha = l.worker("alpha")
	f.Source = filepath.Join(l.t.TempDir(), "source")
	check(l.t, os.WriteFile(f.Source, []byte(content), 0o600))
	sum := sha256.Sum256([]byte(content))
	f.File = message.File{Path: "data", Mode: 0o600, Bytes: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	dp := l.datapoint(proc("alpha", "a", 0))
	dp.Files = map[string][]experiment.ShippedFile{"alpha": {f}}
	run = l.start(dp)
	alpha.take()
	return alpha, run, f
}

// want asks for a part of a file.
func (s *scripted) want(f experiment.ShippedFile, offset, size int64) {
	s.t.Helper()
	e := message.Event{Kind: message.Want, Run: s.job.Run, Host: s.host, Time: s.clock.Now(), Want: &message.WantInfo{
		SHA256: f.SHA256, Offset: offset, Bytes: size, Path: f.Path, Done: offset, Total: f.Bytes,
	}}
	data, err := e.Encode()
	check(s.t, err)
	s.publish(data)
}

func TestHostGetsThePartOfAFileThatItWants(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	content := strings.Repeat("0123456789", 60_000)
	alpha, run, f := shipping(l, content)
	alpha.want(f, message.MaxChunk, f.Bytes-message.MaxChunk)
	l.seen("alpha", Fetching)
	var got []byte
	for at := int64(message.MaxChunk); at < f.Bytes; at += message.MaxChunk {
		c := within(t, alpha.chunks, "alpha gets no chunk")
		if c.Run != alpha.job.Run || c.Offset != at || hex.EncodeToString(c.Sum[:]) != f.SHA256 {
			t.Errorf("chunk of %s at %d, want %s at %d", c.Run, c.Offset, alpha.job.Run, at)
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
	alpha.ready()
	alpha.expect(message.Commit)
	run.cancel(nil)
	alpha.obey()
	run.wait()
}

// What the experiment doesn't ship is nobody's business.
func TestNothingButTheJobsFilesIsSent(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, _, f := shipping(l, "content")
	other := f
	other.SHA256 = hex.EncodeToString(make([]byte, sha256.Size))
	alpha.want(other, 0, 7)
	alpha.want(f, -1, 7)
	alpha.want(f, 0, 7)
	if c := within(t, alpha.chunks, "alpha gets no chunk"); string(c.Data) != "content" || len(alpha.chunks) > 0 {
		t.Errorf("alpha gets %q and %d more, want the file alone", c.Data, len(alpha.chunks))
	}
}

func TestFileThatIsGoneMeanwhileIsARefusal(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, run, f := shipping(l, "content")
	check(t, os.Truncate(f.Source, 3))
	alpha.want(f, 0, 7)
	alpha.obey()
	got := run.wait()
	want := "alpha can't have its files: " + f.Source + ": it has changed since the experiment began"
	if got.Outcome != outcome.RunRefused || got.Reason != want {
		t.Errorf("outcome %s (%s), want refused (%s)", got.Outcome, got.Reason, want)
	}
}

func TestHostThatIsFetchingIsNotLate(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.ReadyTimeout = time.Second })
	alpha, run, f := shipping(l, "content")
	began := time.Now()
	for time.Since(began) < 2*time.Second {
		alpha.want(f, 0, 7)
		within(t, alpha.chunks, "alpha gets no chunk")
	}
	alpha.ready()
	alpha.expect(message.Commit)
	run.cancel(nil)
	alpha.obey()
	if got := run.wait(); got.Outcome != outcome.RunAborted {
		t.Errorf("outcome %s (%s), want aborted", got.Outcome, got.Reason)
	}
}
