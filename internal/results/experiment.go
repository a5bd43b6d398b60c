package results

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"downbeat/internal/facts"
)

// ExperimentFile is the name of the document that describes an experiment, in
// the experiment's directory.
const ExperimentFile = "experiment.json"

// LatestLink is the name of the link to the newest experiment of a name.
const LatestLink = "latest"

// timeLayout names the directory of an experiment. It has no colon, which rsync and scp would
// take as the end of a host name.
const timeLayout = "2006-01-02T15-04-05Z"

// Meta describes an experiment for [Create].
type Meta struct {
	Name    string
	Time    time.Time // when it began; zero means now
	File    string    // path of the file as it was given, "-" for standard input
	Format  string    // "json" or "yaml"
	Source  []byte    // the file as it was
	Version string    // of this program
	// Path is the absolute path of the file; empty for standard input, and in experiments of
	// older versions. Directory is where publish ran.
	Path      string
	Directory string
	// Git is the state of the repository that the file is in; nil if it is in none.
	Git *facts.Git
}

// document is experiment.json.
type document struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	File      string    `json:"file"`
	Path      string    `json:"path,omitempty"` // absolute
	Directory string    `json:"directory,omitempty"`
	Format    string    `json:"format"`
	SHA256    string    `json:"sha256"` // of the source, hexadecimal
	Versions  versions  `json:"versions"`
	// Source is the file as it was; SourceBase64 replaces it if it is not UTF-8, which JSON
	// can't hold.
	Source       string `json:"source,omitempty"`
	SourceBase64 string `json:"source_base64,omitempty"`
	// Sources are all versions of the file that were run, the latest last. All other fields are
	// about the first of them.
	Sources []sourceEntry `json:"sources,omitempty"`
}

type versions struct {
	Downbeat string `json:"downbeat"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// An Experiment is the directory of one experiment. Its methods may be called
// concurrently.
type Experiment struct {
	dir  string
	lock *os.File // see acquire

	mu     sync.Mutex // guards the tables
	tables *tables
	tabled []tabled // the runs in them

	summarizer Summarizer // of these
}

// Create makes the directory <root>/<name>/<time> with experiment.json in it, and points the
// link <root>/<name>/latest to it. The directory is always new: a second experiment in the same
// second gets a number. On a file system without links there is no latest.
func Create(root string, meta Meta) (*Experiment, error) {
	if meta.Time.IsZero() {
		meta.Time = time.Now()
	}
	meta.Time = meta.Time.UTC()
	parent := filepath.Join(root, sanitize(meta.Name, "experiment", maxName))
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return nil, fmt.Errorf("create results directory: %w; choose another place with --results", err)
	}
	dir, err := mkdirUnique(parent, meta.Time.Format(timeLayout), "-")
	if err != nil {
		return nil, fmt.Errorf("create results directory: %w; choose another place with --results", err)
	}
	if err := begin(dir, meta); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	e := &Experiment{dir: dir, tables: newTables(dir)}
	if err := e.acquire(); err != nil {
		return nil, err
	}
	return e, nil
}

// begin fills the directory of a new experiment and makes it the latest.
func begin(dir string, meta Meta) error {
	d := describe(meta)
	if err := d.Sources[0].keep(dir, meta.Source); err != nil {
		return advise(fmt.Errorf("keep the experiment's file: %w", err))
	}
	if err := d.write(dir); err != nil {
		return err
	}
	return moveLatest(filepath.Dir(dir), filepath.Base(dir))
}

// Dir is the experiment's directory, absolute if root was.
func (e *Experiment) Dir() string { return e.dir }

func describe(meta Meta) document {
	d := document{
		Name:      meta.Name,
		CreatedAt: meta.Time,
		File:      meta.File,
		Path:      meta.Path,
		Directory: meta.Directory,
		Format:    meta.Format,
		SHA256:    Hash(meta.Source),
		Versions:  versionsOf(meta.Version),
		Sources:   []sourceEntry{newSourceEntry(meta)},
	}
	if utf8.Valid(meta.Source) {
		d.Source = string(meta.Source)
	} else {
		d.SourceBase64 = base64.StdEncoding.EncodeToString(meta.Source)
	}
	return d
}

func versionsOf(downbeat string) versions {
	return versions{Downbeat: downbeat, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
}

// write writes experiment.json into the directory of the experiment.
func (d *document) write(dir string) error {
	data, err := marshal(d, " ")
	if err != nil {
		return fmt.Errorf("describe experiment: %w", err)
	}
	if err := writeAtomically(dir, ExperimentFile, data); err != nil {
		return advise(fmt.Errorf("describe experiment: %w", err))
	}
	return nil
}

// mkdirUnique makes the directory name in parent or, if that exists, name with separator and
// the first free number from 2 on.
func mkdirUnique(parent, name, separator string) (string, error) {
	dir := filepath.Join(parent, name)
	for n := 2; ; n++ {
		err := os.Mkdir(dir, 0o777)
		if err == nil || !errors.Is(err, os.ErrExist) {
			return dir, err
		}
		dir = filepath.Join(parent, name+separator+strconv.Itoa(n))
	}
}

// moveLatest makes the link latest in parent point to target. It makes a new link and renames
// it, so that there is a link at any moment.
func moveLatest(parent, target string) error {
	latest := filepath.Join(parent, LatestLink)
	temp := filepath.Join(parent, "."+LatestLink+"."+target)
	err := os.Symlink(target, temp)
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, errors.ErrUnsupported):
		return nil // no links here: vfat, some network file systems
	case err != nil:
		return fmt.Errorf("link %s to %s: %w", latest, target, err)
	}
	if err := os.Rename(temp, latest); err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("link %s to %s: %w; remove the file that is in its place", latest, target, err)
	}
	return nil
}

// marshal makes JSON for people and programs: without escaping <, > and &, which are common in
// commands.
func marshal(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// writeAtomically writes a file into dir that is either whole or absent, even after a power
// failure.
func writeAtomically(dir, name string, data []byte) error {
	temp := filepath.Join(dir, "."+name+".tmp")
	f, err := os.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(temp, filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename in dir durable. Some file systems can't do that, and need not.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
