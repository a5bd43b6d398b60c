package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"downbeat/internal/facts"
)

// SourcesDir is where the directory of an experiment keeps the experiment's file, in
// each version that was run: <SHA-256>.json or <SHA-256>.yaml.
const SourcesDir = "sources"

// A sourceEntry is a version of the experiment's file in experiment.json, with the time from
// which it was run.
type sourceEntry struct {
	Since  time.Time `json:"since"`
	SHA256 string    `json:"sha256"`
	// Kept is where it is kept, relative to the experiment's directory.
	Kept string `json:"kept"`
	// File and Format are as in [Meta], Path and Directory too.
	File      string   `json:"file"`
	Format    string   `json:"format"`
	Path      string   `json:"path,omitempty"`
	Directory string   `json:"directory,omitempty"`
	Versions  versions `json:"versions"`
	// Git is as in [Meta].
	Git facts.Git `json:"git,omitzero"`
}

// Hash is the SHA-256 of a source, as records name it.
func Hash(source []byte) string {
	sum := sha256.Sum256(source)
	return hex.EncodeToString(sum[:])
}

func newSourceEntry(meta Meta) sourceEntry {
	hash := Hash(meta.Source)
	kept := SourcesDir + "/" + hash
	if meta.Format != "" {
		kept += "." + meta.Format
	}
	var git facts.Git
	if meta.Git != nil {
		git = *meta.Git
	}
	return sourceEntry{
		Git: git, Since: meta.Time, SHA256: hash, Kept: kept, File: meta.File, Format: meta.Format,
		Path: meta.Path, Directory: meta.Directory, Versions: versionsOf(meta.Version),
	}
}

// keep writes a source to the place in its entry.
func (s sourceEntry) keep(dir string, source []byte) error {
	if err := os.Mkdir(filepath.Join(dir, SourcesDir), 0o777); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return writeAtomically(filepath.Join(dir, SourcesDir), filepath.Base(s.Kept), source)
}

// read reads the source of an entry.
func (s sourceEntry) read(dir string) ([]byte, error) {
	path := filepath.Join(dir, SourcesDir, filepath.Base(s.Kept))
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read what was run: %w", err)
	}
	if Hash(data) != s.SHA256 {
		return nil, fmt.Errorf("%s has been changed: it is not what was run", path)
	}
	return data, nil
}

// Use notes that the next runs use this version of the file, and keeps it. The time in meta is
// when that starts; zero means now.
func (e *Experiment) Use(meta Meta) error {
	if meta.Time.IsZero() {
		meta.Time = time.Now()
	}
	meta.Time = meta.Time.UTC()
	d, err := readDocument(e.dir)
	if err != nil {
		return err
	}
	entry := newSourceEntry(meta)
	if n := len(d.Sources); n > 0 && d.Sources[n-1].same(entry) {
		return nil
	}
	if len(d.Sources) == 0 { // made before versions were kept
		if err := d.adopt(e.dir); err != nil {
			return err
		}
	}
	if err := entry.keep(e.dir, meta.Source); err != nil {
		return advise(fmt.Errorf("keep the experiment's file: %w", err))
	}
	d.Sources = append(d.Sources, entry)
	return d.write(e.dir)
}

// same reports whether nothing but the time has changed.
func (s sourceEntry) same(other sourceEntry) bool {
	s.Since = other.Since
	return s == other
}

// adopt keeps the only source of an old experiment, as [Create] does now.
func (d *document) adopt(dir string) error {
	first, err := d.meta()
	if err != nil {
		return err
	}
	entry := newSourceEntry(first)
	entry.Versions = d.Versions
	if err := entry.keep(dir, first.Source); err != nil {
		return advise(fmt.Errorf("keep the experiment's file: %w", err))
	}
	d.Sources = []sourceEntry{entry}
	return nil
}
