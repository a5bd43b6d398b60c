package worker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/testkit"
)

// A parcel is a file and what it holds.
type parcel struct {
	message.File
	content []byte
	sum     [sha256.Size]byte
}

func newParcel(path string, mode uint32, content string) parcel {
	p := parcel{content: []byte(content), sum: sha256.Sum256([]byte(content))}
	p.File = message.File{Path: path, Mode: mode, Bytes: int64(len(content)), SHA256: hex.EncodeToString(p.sum[:])}
	return p
}

// answer sends what a want asks for, but for the chunks that lose picks.
func (s *site) answer(job *message.Job, p parcel, w *message.WantInfo, lose func(offset int64) bool) {
	s.t.Helper()
	if w.SHA256 != p.SHA256 {
		s.t.Fatalf("%s is asked for, want %s", w.SHA256, p.SHA256)
	}
	var chunks []*message.Chunk
	for at := w.Offset; at < w.Offset+w.Bytes; at += message.MaxChunk {
		if end := min(at+message.MaxChunk, w.Offset+w.Bytes); lose == nil || !lose(at) {
			chunks = append(chunks, &message.Chunk{Run: job.Run, Sum: p.sum, Offset: at, Data: p.content[at:end]})
		}
	}
	for i := range chunks { // the last first, each twice
		c := chunks[len(chunks)-1-i]
		s.Chunk(testHost, c)
		s.Chunk(testHost, c)
	}
}

func TestFilesAreInPlaceBeforeTheProcesses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	program := newParcel("bin/program", 0o755, "#!/bin/sh\ncat conf/text\nsha256sum <data\nls -d spool/*/\nstat -c %a spool/out\n")
	data := newParcel("data", 0o400, strings.Repeat("0123456789", 500_000))
	job := s.job("true")
	job.Commands[0].Argv = []string{"bin/program"}
	job.Files = []message.File{program.File, {Path: "conf/text", Mode: 0o644, Text: "hello\n"}, data.File, {Path: "spool/in/", Mode: 0o700}, {Path: "spool/out/", Mode: 0o750}}
	s.Send(job)
	s.answer(job, program, s.Await(job, message.Want).Want, nil)
	for done := int64(0); done < data.Bytes; {
		w := s.Await(job, message.Want).Want
		if w.Path != "data" || w.Total != data.Bytes || w.Offset != done {
			t.Fatalf("asked for %+v, want what follows %d", w, done)
		}
		s.answer(job, data, w, nil)
		done += w.Bytes
	}
	s.Await(job, message.Ready)
	s.Commit(job)
	s.Release(job)
	s.finish(job)
	if got := s.Of(job).Output["stdout.0"]; got != "hello\n"+data.SHA256+"  -\nspool/in/\nspool/out/\n750\n" {
		t.Errorf("the program has read %q, want the files", got)
	}

	// The next run has it all from the cache.
	next := s.job("true")
	next.Commands[0].Argv, next.Files = job.Commands[0].Argv, job.Files
	s.Ready(next)
	if len(s.Of(next).Events) > 0 {
		t.Errorf("the next run asks again: %+v", s.Of(next).Events)
	}
}

func TestLostPartOfAFileIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	p := newParcel("data", 0o644, strings.Repeat("0123456789", 100_000))
	job := s.job("true")
	job.Files = []message.File{p.File}
	s.Send(job)
	s.answer(job, p, s.Await(job, message.Want).Want, func(offset int64) bool { return offset == 2*message.MaxChunk })
	w := s.Await(job, message.Want).Want
	if w.Offset != 2*message.MaxChunk {
		t.Errorf("asked for %+v, want from the chunk that was lost", w)
	}
	s.answer(job, p, w, nil)
	s.Await(job, message.Ready)
}

// Chunks are not signed: only what hashes to what the job names is used.
func TestContentThatIsNotWhatTheJobNamesIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	p := newParcel("data", 0o644, "what was signed")
	job := s.job("true")
	job.Files = []message.File{p.File}
	s.Send(job)
	w := s.Await(job, message.Want).Want
	s.Chunk(testHost, &message.Chunk{Run: job.Run, Sum: sha256.Sum256(nil), Data: p.content})                 // of another file
	s.Chunk(testHost, &message.Chunk{Run: job.Run, Sum: p.sum, Data: []byte("too short")})                    // of another size
	s.Chunk(testHost, &message.Chunk{Run: job.Run, Sum: p.sum, Offset: 3, Data: p.content})                   // of another place
	s.Chunk(testHost, &message.Chunk{Run: message.NewRun(s.ID), Sum: p.sum, Data: []byte("WHAT WAS SIGNED")}) // of another run
	s.Chunk(testHost, &message.Chunk{Run: job.Run, Sum: p.sum, Data: []byte("what was forged")[:w.Bytes]})
	refused := s.Await(job, message.Refused).Refused
	if want := "file data: what came is not what the job names"; !strings.HasPrefix(refused.Reason, want) {
		t.Errorf("refused for %q, want %q", refused.Reason, want)
	}
	entries, err := os.ReadDir(filepath.Join(s.state, cacheDir))
	testkit.Check(t, err)
	if len(entries) > 0 {
		t.Errorf("the cache holds %v, want nothing", entries)
	}
}

func TestDamagedCacheIsFetchedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	p := newParcel("data", 0o644, "content")
	testkit.Check(t, os.MkdirAll(filepath.Join(s.state, cacheDir), 0o700))
	testkit.Check(t, os.WriteFile(filepath.Join(s.state, cacheDir, p.SHA256), []byte("damaged"), 0o600))
	job := s.job("cat data")
	job.Files = []message.File{p.File}
	s.Send(job)
	s.answer(job, p, s.Await(job, message.Want).Want, nil)
	s.Await(job, message.Ready)
	s.Commit(job)
	s.Release(job)
	s.finish(job)
	if got := s.Of(job).Output["stdout.0"]; got != "content" {
		t.Errorf("the process has read %q", got)
	}
}

func TestProcessCannotAlterTheCache(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	p := newParcel("data", 0o644, "content")
	job := s.job("echo changed > data; chmod 0 data")
	job.Files = []message.File{p.File}
	s.Send(job)
	s.answer(job, p, s.Await(job, message.Want).Want, nil)
	s.Await(job, message.Ready)
	s.Commit(job)
	s.Release(job)
	s.finish(job)
	got, err := os.ReadFile(filepath.Join(s.state, cacheDir, p.SHA256))
	if err != nil || string(got) != "content" {
		t.Errorf("the cache holds %q (%v), want what it did", got, err)
	}
}

func TestStopEndsAFetch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	p := newParcel("data", 0o644, "content")
	job := s.job("true")
	job.Files = []message.File{p.File}
	s.Send(job)
	s.Await(job, message.Want)
	s.Tell(job, message.Control{Kind: message.Stop, Cause: message.StopAbort})
	s.finish(job)
}

func TestCacheDropsWhatWasNotUsedForLongest(t *testing.T) {
	t.Parallel()
	c := cache{filepath.Join(t.TempDir(), "cache"), 25}
	add := func(content string, age time.Duration) string {
		f, err := c.create()
		testkit.Check(t, err)
		_, err = f.WriteString(content)
		testkit.Check(t, err)
		sum := sha256.Sum256([]byte(content))
		hash := hex.EncodeToString(sum[:])
		testkit.Check(t, verify(f, hash))
		testkit.Check(t, c.keep(f, hash))
		at := time.Now().Add(-age)
		testkit.Check(t, os.Chtimes(filepath.Join(c.dir, hash), at, at))
		return hash
	}
	old, used := add("aaaaaaaaaa", 3*time.Hour), add("bbbbbbbbbb", 2*time.Hour)
	testkit.Check(t, c.copyTo(new(bytes.Buffer), old)) // which is no longer the oldest
	recent := add("cccccccccc", 0)
	for hash, want := range map[string]bool{old: true, used: false, recent: true} {
		if c.has(hash) != want {
			t.Errorf("%.8s is there: %t, want %t", hash, !want, want)
		}
	}
	f, err := c.create()
	testkit.Check(t, err)
	if err := verify(f, recent); !errors.Is(err, errOtherContent) {
		t.Errorf("error %v, want %v", err, errOtherContent)
	}
	testkit.Check(t, f.Close())
	testkit.Check(t, os.Remove(f.Name()))
	entries, err := os.ReadDir(c.dir)
	testkit.Check(t, err)
	if len(entries) != 2 {
		t.Errorf("the cache holds %v, want two entries", entries)
	}
}

// A cache that is deleted while a file is on its way, or right after it came, makes
// no difference.
func TestCacheThatIsDeletedDuringAFetchMakesNoDifference(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	first, second := newParcel("first", 0o644, "one"), newParcel("second", 0o644, "two")
	job := s.job("cat first second")
	job.Files = []message.File{first.File, second.File}
	s.Send(job)
	for _, p := range []parcel{first, second} {
		want := s.Await(job, message.Want).Want
		testkit.Check(t, os.RemoveAll(filepath.Join(s.state, cacheDir)))
		s.answer(job, p, want, nil)
	}
	s.Await(job, message.Ready)
	s.Commit(job)
	s.Release(job)
	s.finish(job)
	if got := s.Of(job).Output["stdout.0"]; got != "onetwo" {
		t.Errorf("the process found %q", got)
	}
}
