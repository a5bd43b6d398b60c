package results_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// The directory of an experiment is named by its name and the time in UTC, and
// describes itself with the file as it was.
func TestCreate(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "not", "there", "yet")
	source := "name: locks # <html> & \"quotes\"\nhosts: {ä: [true]}\n"
	e, err := results.Create(root, results.Meta{
		Name: "locks", Time: epoch, File: "dir/locks.yaml", Format: "yaml", Source: []byte(source), Version: "v1.2.3",
	})
	e = must(t, e, err)
	if want := filepath.Join(root, "locks", "2026-11-23T09-30-00Z"); e.Dir() != want {
		t.Errorf("directory: got %s, want %s", e.Dir(), want)
	}
	text := readFile(t, e.Dir(), "experiment.json")
	if !strings.Contains(text, "<html> &") {
		t.Errorf("the source is escaped beyond need: %s", text)
	}
	var got struct {
		Name, File, Format, SHA256, Source string
		CreatedAt                          string `json:"created_at"`
		Versions                           struct{ Downbeat, Go, OS, Arch string }
	}
	check(t, json.Unmarshal([]byte(text), &got))
	sum := sha256.Sum256([]byte(source))
	if got.Name != "locks" || got.File != "dir/locks.yaml" || got.Format != "yaml" || got.Source != source ||
		got.SHA256 != hex.EncodeToString(sum[:]) || got.CreatedAt != "2026-11-23T09:30:00.123456789Z" {
		t.Errorf("got %+v", got)
	}
	if v := got.Versions; v.Downbeat != "v1.2.3" || v.Go == "" || v.OS == "" || v.Arch == "" {
		t.Errorf("versions: got %+v", v)
	}
}

// A file that is no UTF-8 is kept byte for byte all the same.
func TestCreateFromOddBytes(t *testing.T) {
	t.Parallel()
	source := "name: \xff\xfe"
	e, err := results.Create(t.TempDir(), results.Meta{Name: "x", Source: []byte(source)})
	e = must(t, e, err)
	var got map[string]any
	check(t, json.Unmarshal([]byte(readFile(t, e.Dir(), "experiment.json")), &got))
	if got["source"] != nil || got["source_base64"] != base64.StdEncoding.EncodeToString([]byte(source)) {
		t.Errorf("got %v", got)
	}
}

// Experiments that start in the same second get directories of their own, and
// latest is one of them at any moment.
func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var mu sync.Mutex
	var wg sync.WaitGroup
	dirs := map[string]bool{}
	for range 20 {
		wg.Go(func() {
			e, err := results.Create(root, results.Meta{Name: "locks", Time: epoch})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			dirs[filepath.Base(e.Dir())] = true
		})
	}
	wg.Wait()
	if len(dirs) != 20 || !dirs["2026-11-23T09-30-00Z"] || !dirs["2026-11-23T09-30-00Z-20"] {
		t.Errorf("got %v, want 20 directories", dirs)
	}
	target, err := os.Readlink(filepath.Join(root, "locks", "latest"))
	if err != nil || !dirs[target] {
		t.Errorf("latest: got %q, %v, want one of the directories", target, err)
	}
	entries, err := os.ReadDir(filepath.Join(root, "locks"))
	if check(t, err); len(entries) != 21 {
		t.Errorf("got %d entries, want the directories and latest", len(entries))
	}
}

// latest moves to the newest experiment, and replaces only a link.
func TestLatest(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for i := range 3 {
		e, err := results.Create(root, results.Meta{Name: "locks", Time: epoch.AddDate(0, 0, i)})
		e = must(t, e, err)
		target, err := filepath.EvalSymlinks(filepath.Join(root, "locks", "latest"))
		check(t, err)
		if want, _ := filepath.EvalSymlinks(e.Dir()); target != want {
			t.Errorf("latest: got %s, want %s", target, want)
		}
	}
	latest := filepath.Join(root, "locks", "latest")
	check(t, os.Remove(latest))
	check(t, os.Mkdir(latest, 0o777))
	if _, err := results.Create(root, results.Meta{Name: "locks", Time: epoch.AddDate(1, 0, 0)}); err == nil || !strings.Contains(err.Error(), latest) {
		t.Errorf("a directory in its place: got error %v, want one that names it", err)
	}
	if _, err := os.Stat(filepath.Join(root, "locks", "2027-11-23T09-30-00Z")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory is left of the experiment that could not be made: %v", err)
	}
}

// A place where nothing can be made is named in the error, with what to do.
func TestCreateImpossible(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(root, nil, 0o666))
	_, err := results.Create(root, results.Meta{Name: "locks"})
	if err == nil || !strings.Contains(err.Error(), root) || !strings.Contains(err.Error(), "--results") {
		t.Errorf("got %v, want an error that names %s and --results", err, root)
	}
}

// Names of experiments and runs, whatever they are, stay one directory below
// their parent.
func TestOddNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"locks": "locks", "../../etc": "_.._etc", "a/b": "a_b", "": "fallback", "..": "fallback", ".hidden": "hidden",
		"-rf": "rf", "x\x00\n\xff": "x___", "clients=4,mode=a b": "clients=4,mode=a_b", "größe": "größe",
		strings.Repeat("ä", 300): "",
	} {
		root := t.TempDir()
		e, err := results.Create(root, results.Meta{Name: name, Time: epoch})
		e = must(t, e, err)
		run, err := e.NewRun(name, []results.Process{{Host: "a", Name: "0"}})
		run = must(t, run, err)
		check(t, run.Abandon())
		dir, got := filepath.Base(filepath.Dir(e.Dir())), filepath.Base(run.Dir())
		if filepath.Dir(filepath.Dir(e.Dir())) != root || filepath.Dir(run.Dir()) != e.Dir() {
			t.Errorf("%.20q: made %s and %s, outside %s", name, e.Dir(), run.Dir(), root)
		}
		switch {
		case want == "fallback":
			if dir != "experiment" || got != "run" {
				t.Errorf("%.20q: got %q and %q, want the fallbacks", name, dir, got)
			}
		case want != "" && (dir != want || got != want):
			t.Errorf("%.20q: got %q and %q, want %q", name, dir, got, want)
		}
	}
}

// A second attempt at a datapoint has a directory of its own.
func TestSecondAttempt(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	for _, want := range []string{"0001-clients=4", "0001-clients=4.attempt2", "0001-clients=4.attempt3"} {
		run, err := e.NewRun("0001-clients=4", []results.Process{{Host: "a", Name: "0"}})
		run = must(t, run, err)
		output(t, run, 0, streams.Stdout, 0, want)
		check(t, run.Finish(results.Record{}))
		if got := filepath.Base(run.Dir()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := readFile(t, e.Dir(), "0001-clients=4", "a", "0.out"); got != "0001-clients=4" {
		t.Errorf("the first attempt's output is now %q", got)
	}
}

// Hosts and processes that would not be plain, distinct files are refused, and
// nothing is made.
func TestBadProcesses(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	for _, p := range []results.Process{
		{"", "0"},
		{"a", ""},
		{"..", "0"},
		{"a", ".."},
		{"a/b", "0"},
		{"a", "../../b"},
		{"/etc", "passwd"},
		{"a", "x\x00"},
		{"run.json", "0"},
		{".a", "0"},
		{"twice", "0"},
		{"a", strings.Repeat("x", 256)},
	} {
		if _, err := e.NewRun("0001", []results.Process{{"twice", "0"}, p}); err == nil {
			t.Errorf("%q: no error", p)
		}
	}
	entries, err := os.ReadDir(e.Dir())
	if check(t, err); len(entries) != 2 {
		t.Errorf("got %v, want %s and %s alone", entries, results.ExperimentFile, results.SourcesDir)
	}
}
