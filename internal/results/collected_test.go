package results_test

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"downbeat/internal/results"
)

// store puts one file into a collection.
func store(c *results.Collection, name, content string) error {
	if err := c.Begin(name, 0o755, epoch); err != nil {
		return err
	}
	if err := c.Write([]byte(content)); err != nil {
		return err
	}
	return c.End(uint64(len(content)), sha256.Sum256([]byte(content)))
}

func TestCollectedFilesAreBelowTheirHost(t *testing.T) {
	t.Parallel()
	run := newRun(t, results.Process{Host: "alpha", Name: "0"})
	c := run.Collection("alpha")
	long := strings.Repeat("n", 255)
	deep := strings.Repeat("d/", 300) + "end"
	for _, name := range []string{"run.json", "logs/a", "new\nline\x1b[31m", "bad\xff", long, deep, "-rf", "..."} {
		check(t, store(c, name, name))
		if got := readFile(t, run.Dir(), "alpha", "files", name); got != name {
			t.Errorf("%q holds %q", name, got)
		}
	}
	files := c.Files()
	if len(files) != 8 || files[0].Path != "-rf" || files[0].Bytes != 3 || files[0].Mode != "0755" || !files[0].ModifiedAt.Equal(epoch) {
		t.Errorf("recorded %+v", files)
	}
	for _, f := range files {
		if (f.PathBase64 != nil) != (f.Path == "bad\uFFFD") {
			t.Errorf("path %q, bytes %q", f.Path, f.PathBase64)
		}
	}
	info, err := os.Stat(filepath.Join(run.Dir(), "alpha", "files", "run.json"))
	check(t, err)
	if info.Mode()&0o100 == 0 || !info.ModTime().Equal(epoch) {
		t.Errorf("mode %v, changed at %v; want executable, at %v", info.Mode(), info.ModTime(), epoch)
	}
	check(t, run.Finish(results.Record{}))
}

// Nothing that a worker sends is written outside the host's files.
func TestPathsThatLeadOutHaveNoPlace(t *testing.T) {
	t.Parallel()
	run := newRun(t, results.Process{Host: "alpha", Name: "0"})
	before := tree(t, filepath.Dir(run.Dir()))
	c := run.Collection("alpha")
	for _, name := range []string{"", "/", "/etc/x", "../0.out", "a/../../x", "a//b", "a/", ".", "a/./b", "a\x00b", "..", strings.Repeat("n", 256)} {
		if err := store(c, name, "evil"); !errors.Is(err, results.ErrNoPlace) {
			t.Errorf("%q: error %v, want %v", name, err, results.ErrNoPlace)
		}
	}
	check(t, store(c, "a", "good"))
	for _, name := range []string{"a", "a/b"} { // there is a file already
		if err := store(c, name, "evil"); !errors.Is(err, results.ErrNoPlace) {
			t.Errorf("%q: error %v, want %v", name, err, results.ErrNoPlace)
		}
	}
	after := strings.Replace(tree(t, filepath.Dir(run.Dir())), "0001/alpha/files\n0001/alpha/files/a\n", "", 1)
	if after != before {
		t.Errorf("there is now\n%swhere there was\n%s", after, before)
	}
	check(t, run.Flush())
}

// tree lists what is in a directory.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	check(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, _ fs.DirEntry, err error) error {
		b.WriteString(path + "\n")
		return err
	}))
	return b.String()
}

func TestFileThatIsNotWhatWasAnnouncedIsNotKept(t *testing.T) {
	t.Parallel()
	run := newRun(t, results.Process{Host: "alpha", Name: "0"})
	c := run.Collection("alpha")
	for _, sent := range []struct {
		size uint64
		of   string
	}{{3, "abd"}, {4, "abc"}} {
		check(t, c.Begin("a", 0o600, epoch))
		check(t, c.Write([]byte("abc")))
		if err := c.End(sent.size, sha256.Sum256([]byte(sent.of))); !errors.Is(err, results.ErrNoPlace) {
			t.Errorf("announced %+v: error %v, want %v", sent, err, results.ErrNoPlace)
		}
	}
	check(t, c.Begin("b", 0o600, epoch))
	check(t, c.Discard())
	check(t, store(c, "c", "1"))
	check(t, c.Anew())
	check(t, store(c, "c", "2"))
	if got := readFile(t, run.Dir(), "alpha", "files", "c"); got != "2" || len(c.Files()) != 1 {
		t.Errorf("c holds %q, recorded %+v; want the second", got, c.Files())
	}
	if got := tree(t, filepath.Join(run.Dir(), "alpha", "files")); got != ".\nc\n" {
		t.Errorf("there is\n%swant c alone", got)
	}
}
