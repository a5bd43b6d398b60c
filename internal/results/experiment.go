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
)

// ExperimentFile is the name of the document that describes an experiment, in
// the experiment's directory.
const ExperimentFile = "experiment.json"

// LatestLink is the name of the link to the newest experiment of a name.
const LatestLink = "latest"

// timeLayout names the directory of an experiment. It has no colon, which rsync
// and scp would take for the end of a host's name.
const timeLayout = "2006-01-02T15-04-05Z"

// Meta is what [Create] is told of an experiment.
type Meta struct {
	Name    string
	Time    time.Time // when it began; zero means now
	File    string    // path of the file as the person gave it, "-" for standard input
	Format  string    // "json" or "yaml"
	Source  []byte    // the file as it was
	Version string    // of this program
	// Path is where the file is, from the root on; empty for standard input, and in
	// an experiment of before it was kept. Directory is that in which publish ran.
	Path      string
	Directory string
}

// document is experiment.json.
type document struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	File      string    `json:"file"`
	Path      string    `json:"path,omitempty"` // from the root on
	Directory string    `json:"directory,omitempty"`
	Format    string    `json:"format"`
	SHA256    string    `json:"sha256"` // of the source, hexadecimal
	Versions  versions  `json:"versions"`
	// Source is the file as it was; SourceBase64 takes its place where it
	// is not UTF-8, which JSON can't carry.
	Source       string `json:"source,omitempty"`
	SourceBase64 string `json:"source_base64,omitempty"`
	// Sources are all versions of the file that were run, the latest last. All else
	// is of the first of them.
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
}

// Create makes the directory <root>/<name>/<time> with experiment.json in it
// and moves the link <root>/<name>/latest there. The directory is always a new
// one: a second experiment in the same second gets a number. On a file system
// without links there is no latest.
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

// write puts experiment.json into the directory of its experiment.
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

// mkdirUnique makes the directory name in parent, or, where that is taken,
// name with separator and the first free number from 2 on.
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

// moveLatest makes the link latest in parent point to target. The link is made
// beside its place and renamed into it, so that there is one at any moment.
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
		return fmt.Errorf("link %s to %s: %w; remove what is in its place", latest, target, err)
	}
	return nil
}

// marshal gives JSON for people and programs: with <, > and & as they are, which
// commands are full of.
func marshal(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// writeAtomically puts a file into dir that is either whole or not there, also
// after a power failure.
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

// syncDir makes a rename in dir last. Some file systems can't, and need not.
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
