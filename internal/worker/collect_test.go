package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/queue/mem"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

// brought is what has come home, read as publishers do.
type brought struct {
	t       *testing.T
	files   map[string]string
	missing map[string]string
	anew    int
}

func unpack(t *testing.T, pieces []message.Piece) *brought {
	t.Helper()
	b := &brought{t: t, files: make(map[string]string), missing: make(map[string]string)}
	name, data := "", ""
	for _, p := range pieces {
		switch p.Kind {
		case message.FileBegin:
			name, data = p.Path, ""
		case message.FileData:
			data += string(p.Data)
		case message.FileEnd:
			if p.Size != uint64(len(data)) || p.Sum != sha256.Sum256([]byte(data)) {
				t.Errorf("%q ends with %d bytes that hash to %x, %d bytes have come", name, p.Size, p.Sum, len(data))
			}
			b.files[name] = data
		case message.FileMissing:
			b.missing[p.Path] = p.Reason
		case message.FilesAnew:
			b.anew++
		}
	}
	return b
}

func TestFilesAreCollectedOnceNoProcessIsLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("echo result > a.jsonl; mkdir -p logs/x; echo deep > logs/x/y; echo no > other; exit 3", "exec sleep 1000")
	job.Collect = []string{"*.jsonl", "logs/**"}
	s.Start(job)
	s.Await(job, message.Exited)
	s.Tell(job, message.Control{Kind: message.Stop, Cause: message.StopFailure})
	ended := s.Await(job, message.Ended)
	done := s.finish(job)
	of := s.Of(job)
	want := map[string]string{"a.jsonl": "result\n", "logs/x/y": "deep\n"}
	if got := unpack(t, of.Pieces()).files; !maps.Equal(got, want) {
		t.Errorf("collected %q, want %q", got, want)
	}
	for seq := range of.Batches {
		if seq < ended.Seq {
			t.Errorf("a batch of files is number %d, before the end of the processes, which is %d", seq, ended.Seq)
		}
	}
	if done.Outcome != message.HostDone || done.Files == nil || *done.Files != (message.FileTotals{Files: 2, Bytes: 12}) {
		t.Errorf("done %+v with files %+v, want 2 of 12 bytes", done, done.Files)
	}
}

func TestRunWithoutCollectReportsNothingOfFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("echo result > a.jsonl")
	s.Start(job)
	done := s.finish(job)
	if of := s.Of(job); done.Files != nil || len(of.Batches) > 0 || slices.ContainsFunc(of.Events, func(e *message.Event) bool { return e.Kind == message.Ended }) {
		t.Errorf("done %+v, batches %v, events %v: files were not asked for", done, of.Batches, of.Events)
	}
}

// Files are compressed as the publisher can read them, and else not.
func TestFilesAreCompressedAsThePublisherReadsThem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		codecs []message.Codec
		small  bool
	}{
		"ours":                  {message.Codecs(), true},
		"gzip alone":            {[]message.Codec{"brotli", message.CodecGzip}, true},
		"none":                  {nil, false},
		"one that is not known": {[]message.Codec{"brotli"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const size = 100_000
			s := newSite(t)
			s.serve(nil)
			job := s.job(fmt.Sprintf("head -c %d /dev/zero >out", size))
			job.Collect, job.Codecs = []string{"out"}, test.codecs
			s.Start(job)
			s.finish(job)
			of := s.Of(job)
			if got := unpack(t, of.Pieces()).files["out"]; len(got) != size || (of.Carried < size/10) != test.small {
				t.Errorf("%d bytes have come in %d, want %d, compressed: %t", len(got), of.Carried, size, test.small)
			}
		})
	}
}

// A log whose events nobody acknowledges lets a collection go on only as far as
// its backlog.
func TestNextRunHasTheHostWhileFilesAreOnTheirWay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("head -c 3000000 /dev/urandom > big")
	job.Collect, job.WindowBytes = []string{"big"}, 4000
	s.Start(job)
	s.Await(job, message.Ended)
	next := s.job("true")
	s.Start(next)
	s.finish(next)
	of := s.Of(job)
	for len(of.Events) == 0 || of.Events[len(of.Events)-1].Kind != message.Done {
		s.Ack(job)
		s.Receive()
	}
	if got := unpack(t, of.Pieces()).files["big"]; len(got) != 3_000_000 {
		t.Errorf("%d bytes have come, want all", len(got))
	}
	s.Ack(job)
	s.removed(job)
}

func TestWorkerThatDiedWhileItCollectedCollectsAnew(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	job := s.job("true")
	job.Collect = []string{"*"}
	log := s.log(job)
	j := newJournal(job, clock.New(0), log, func(err error) { t.Error(err) })
	testkit.Check(t, j.event(message.Event{Kind: message.Ended}))
	var part message.Pieces
	part.Add(message.Piece{Kind: message.FileBegin, Path: "a"})
	part.Add(message.Piece{Kind: message.FileData, Data: []byte("ha")})
	_, _, err := j.files(part.Pack())
	testkit.Check(t, err)
	testkit.Check(t, log.Close())
	totals := []streams.Total{{StdoutLines: 1, StdoutBytes: 5}}
	dir := directory{runs: filepath.Dir(s.runDir(job)), run: job.Run}
	testkit.Check(t, dir.keepEnd(&message.DoneInfo{Outcome: message.HostDone, Totals: totals}))
	testkit.Check(t, os.Mkdir(filepath.Join(s.runDir(job), workDir), 0o700))
	testkit.Check(t, os.WriteFile(filepath.Join(s.runDir(job), workDir, "a"), []byte("half"), 0o600))
	s.serve(nil)
	done := s.finish(job)
	if done.Outcome != message.HostDone || !slices.Equal(done.Totals, totals) || done.Files == nil || *done.Files != (message.FileTotals{Files: 1, Bytes: 4}) {
		t.Errorf("done %+v with files %+v, want what was to be reported, and one file", done, done.Files)
	}
	if got := unpack(t, s.Of(job).Pieces()); got.anew != 1 || got.files["a"] != "half" {
		t.Errorf("collected %q, %d times anew; want a, anew", got.files, got.anew)
	}
}

// A worker that dies while it removes the directory has all files in its log.
func TestWorkerThatDiedAfterItCollectedDoesNotCollectAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	job := s.job("true")
	job.Collect = []string{"*"}
	log := s.log(job)
	j := newJournal(job, clock.New(0), log, func(err error) { t.Error(err) })
	testkit.Check(t, j.event(message.Event{Kind: message.Ended}))
	var part message.Pieces
	part.Add(message.Piece{Kind: message.FileBegin, Path: "a"})
	part.Add(message.Piece{Kind: message.FileData, Data: []byte("whole")})
	part.Add(message.Piece{Kind: message.FileEnd, Size: 5, Sum: sha256.Sum256([]byte("whole"))})
	_, _, err := j.files(part.Pack())
	testkit.Check(t, err)
	testkit.Check(t, log.Close())
	files := message.FileTotals{Files: 1, Bytes: 5}
	dir := directory{runs: filepath.Dir(s.runDir(job)), run: job.Run}
	testkit.Check(t, dir.keepEnd(&message.DoneInfo{Outcome: message.HostDone, Totals: make([]streams.Total, 1), Files: &files}))
	s.serve(nil)
	if done := s.finish(job); done.Outcome != message.HostDone || done.Files == nil || *done.Files != files {
		t.Errorf("done %+v with files %+v, want what was collected", done, done.Files)
	}
	if got := unpack(t, s.Of(job).Pieces()); got.anew != 0 || got.files["a"] != "whole" {
		t.Errorf("collected %q, %d times anew; want a, as it was", got.files, got.anew)
	}
}

// newTestCollection makes one of that directory whose log nobody reads.
func newTestCollection(t *testing.T, backlog int, patterns ...string) (*collection, *journal) {
	t.Helper()
	j, _ := newTestJournal(t)
	broker := mem.New(queue.Options{})
	t.Cleanup(func() { testkit.Check(t, broker.Close()) })
	s := newSender(broker, "nowhere", 1, j.log, slog.New(slog.DiscardHandler))
	return newCollection(patterns, j, s, backlog), j
}

// pieces reads a log's batches of files back.
func pieces(t *testing.T, j *journal) []message.Piece {
	t.Helper()
	var all []message.Piece
	for _, record := range records(t, j) {
		a, err := message.DecodeFiles(record)
		testkit.Check(t, err)
		part, _, err := a.Pieces(nil)
		testkit.Check(t, err)
		all = slices.AppendSeq(all, part)
	}
	return all
}

func TestWhatIsNoFileIsNamedAndNotFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	testkit.Check(t, os.WriteFile(in("plain"), []byte("x"), 0o600))
	testkit.Check(t, os.Mkdir(in("dir"), 0o700))
	for name, target := range map[string]string{"inside": "plain", "outside": "/etc/passwd", "above": "../..", "dangling": "nothing", "todir": "dir", "loop": "loop", "dir/up": "../plain"} {
		testkit.Check(t, os.Symlink(target, in(name)))
	}
	testkit.Check(t, syscall.Mkfifo(in("pipe"), 0o600))
	testkit.Check(t, os.WriteFile(in("new\nline\x1b\xff"), []byte("y"), 0o600))
	c, j := newTestCollection(t, 1<<20, "**")
	totals := c.run(t.Context(), openRoot(t, dir), false)
	got := unpack(t, pieces(t, j))
	if want := map[string]string{"plain": "x", "inside": "x", "dir/up": "x", "new\nline\x1b\xff": "y"}; !maps.Equal(got.files, want) {
		t.Errorf("collected %q, want %q", got.files, want)
	}
	leadsOut := "it is a link that is not followed: it leads out of the run's directory, or to itself"
	want := map[string]string{
		"outside": leadsOut, "above": leadsOut, "loop": leadsOut, "dangling": "it is a link to what is not there",
		"todir": "it is a link to a directory", "pipe": "it is a named pipe",
	}
	if !maps.Equal(got.missing, want) {
		t.Errorf("missing %q, want %q", got.missing, want)
	}
	if totals != (message.FileTotals{Files: 4, Bytes: 4, Missing: 6}) {
		t.Errorf("totals %+v", totals)
	}
}

func TestLargeAndManyFilesComeWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := map[string]string{"big": strings.Repeat("0123456789", 200_000)}
	for i := range 3000 {
		want[fmt.Sprintf("many/%d", i)] = strings.Repeat("z", i)
	}
	testkit.Check(t, os.Mkdir(filepath.Join(dir, "many"), 0o700))
	for name, content := range want {
		testkit.Check(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	c, j := newTestCollection(t, 1<<30, "**")
	totals := c.run(t.Context(), openRoot(t, dir), false)
	if got := unpack(t, pieces(t, j)).files; !maps.Equal(got, want) || totals.Files != 3001 {
		t.Errorf("%d files were collected (totals %+v), want %d as they were", len(got), totals, len(want))
	}
}

// Files beyond the limits of one host are left out, and named up to a bound; the others
// arrive whole.
func TestCollectionIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 6 {
		testkit.Check(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte("12345"), 0o600))
	}
	for name, test := range map[string]struct {
		limit  func(*collection)
		totals message.FileTotals
		reason string // of the last file's absence
	}{
		"files": {func(c *collection) { c.mostFiles = 2 }, message.FileTotals{Files: 2, Bytes: 10, Missing: 4}, "more than 2 files are not taken from one host"},
		"bytes": {func(c *collection) { c.mostBytes = 17 }, message.FileTotals{Files: 3, Bytes: 15, Missing: 3}, "more than 17 bytes are not taken from one host"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, j := newTestCollection(t, 1<<20, "**")
			test.limit(c)
			totals := c.run(t.Context(), openRoot(t, dir), false)
			got := unpack(t, pieces(t, j))
			if totals != test.totals || uint64(len(got.files)) != test.totals.Files || got.missing["5"] != test.reason {
				t.Errorf("totals %+v with files %q, missing %q; want %+v", totals, got.files, got.missing, test.totals)
			}
		})
	}
}

// A collection that is broken off reports exactly the files that the publisher can have.
func TestCollectionThatIsBrokenOffSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noise := make([]byte, 600<<10)
	state := uint32(1)
	for i := range noise {
		state = state*1664525 + 1013904223
		noise[i] = byte(state >> 24)
	}
	for _, name := range []string{"a", "b", "c"} {
		testkit.Check(t, os.WriteFile(filepath.Join(dir, name), noise, 0o600))
	}
	c, j := newTestCollection(t, 1<<20, "**") // the third batch waits
	errLeaving := errors.New("the worker is leaving")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan message.FileTotals, 1)
	root := openRoot(t, dir)
	go func() { done <- c.run(ctx, root, false) }()
	testkit.WaitFor(t, "the collection waits", func() bool { return j.log.Last() == 2 })
	cancel(errLeaving)
	totals := <-done
	got := unpack(t, pieces(t, j))
	if totals.BrokenOff != errLeaving.Error() || totals.Files != uint64(len(got.files)) || totals.Files != 1 {
		t.Errorf("totals %+v, and the log has %d whole files; want one, and why there are not more", totals, len(got.files))
	}
	if !bytes.Equal([]byte(got.files["a"]), noise) {
		t.Error("the first file is not as it was")
	}
}

func TestFullDiskBreaksACollectionOffAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	testkit.Check(t, os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o600))
	c, j := newTestCollection(t, 1<<20, "**")
	j.failed = errors.New("no space left on device")
	if totals := c.run(t.Context(), openRoot(t, dir), false); !strings.Contains(totals.BrokenOff, "the worker's disk takes no more: no space left on device") || totals.Files != 0 {
		t.Errorf("totals %+v, want none, and the disk's error", totals)
	}
}

func openRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	testkit.Check(t, err)
	t.Cleanup(func() { testkit.Check(t, root.Close()) })
	return root
}
