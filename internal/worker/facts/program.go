package facts

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"downbeat/internal/facts"
)

// An identity tells whether a file is still the one that was read.
type identity struct {
	device, inode uint64
	size          int64
	modified      time.Time
}

// maxKnown is how many files are remembered at most.
const maxKnown = 4096

// file describes what is in a file. What was read once is remembered.
func (r *Reader) file(ctx context.Context, path string) (facts.ProgramFacts, error) {
	f, err := os.Open(path)
	if err != nil {
		return facts.ProgramFacts{}, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return facts.ProgramFacts{}, err
	}
	if !info.Mode().IsRegular() {
		return facts.ProgramFacts{}, errors.New("not a regular file")
	}
	id := identify(info)
	r.mu.Lock()
	known, ok := r.programs[id]
	r.mu.Unlock()
	if ok {
		return known, nil
	}
	sum := sha256.New()
	n, err := io.Copy(sum, reading{ctx, f})
	if err != nil {
		return facts.ProgramFacts{}, err
	}
	known = facts.ProgramFacts{Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil)), Build: build(f)}
	if n == id.size && id.inode != 0 && time.Since(id.modified) > fresh {
		r.remember(id, known)
	}
	return known, nil
}

// fresh is for how long a file is not trusted to change its time whenever it is written to.
const fresh = 2 * time.Second

func (r *Reader) remember(id identity, p facts.ProgramFacts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.programs) >= maxKnown {
		clear(r.programs)
	}
	r.programs[id] = p
}

func identify(info os.FileInfo) identity {
	id := identity{size: info.Size(), modified: info.ModTime()}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		id.device, id.inode = uint64(s.Dev), s.Ino //nolint:unconvert // Dev has another type elsewhere
	}
	return id
}

// reading is a reader that a context ends.
type reading struct {
	ctx context.Context
	io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

// build is what an executable says of its origin; empty if it says nothing.
func build(f *os.File) string {
	if info, err := buildinfo.Read(f); err == nil {
		parts := []string{info.GoVersion}
		if info.Main.Path != "" {
			parts = append(parts, strings.TrimSpace(info.Main.Path+" "+info.Main.Version))
		}
		var commit, changed string
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = "commit " + s.Value[:min(len(s.Value), 12)]
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = " with changes"
			}
		}
		if commit != "" {
			parts = append(parts, commit+changed)
		}
		return strings.Join(parts, ", ")
	}
	id, err := buildID(f)
	if err != nil {
		return ""
	}
	return "build id " + id
}

// buildID reads the note by which linkers tell builds apart.
func buildID(f *os.File) (string, error) {
	e, err := elf.NewFile(f)
	if err != nil {
		return "", err
	}
	s := e.Section(".note.gnu.build-id")
	if s == nil {
		return "", errors.New("no build id")
	}
	data, err := s.Data()
	if err != nil {
		return "", err
	}
	const head = 16 // sizes, kind, and "GNU"
	if len(data) <= head || len(data) > head+64 {
		return "", errors.New("a strange build id")
	}
	return hex.EncodeToString(data[head:]), nil
}

// program describes the program at path, whose symbolic links are followed.
func (r *Reader) program(ctx context.Context, path string, w *Work) facts.ProgramFacts {
	if followed, err := filepath.EvalSymlinks(path); err == nil {
		path = followed
	}
	within := below(w.dir, path)
	if hash := w.shipped[within]; hash != "" {
		return shipped(within, path, hash)
	}
	p, err := r.file(ctx, path)
	if err != nil {
		p.Reason = why(err)
	}
	p.Path = within
	return p
}

// shipped describes a program that was put into the run's directory, and may be gone by now:
// what is in it is known.
func shipped(name, path, hash string) facts.ProgramFacts {
	p := facts.ProgramFacts{Path: name, SHA256: hash}
	f, err := os.Open(path)
	if err != nil {
		return p
	}
	defer func() { _ = f.Close() }() // only read
	if info, err := f.Stat(); err == nil {
		p.Bytes, p.Build = info.Size(), build(f)
	}
	return p
}

// below is a path as it is seen from the run's directory, if it is in that.
func below(base, path string) string {
	if followed, err := filepath.EvalSymlinks(base); err == nil && base != "" {
		if rel, err := filepath.Rel(followed, path); err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return path
}

// why is an error without the operation and the path, which are known.
func why(err error) string {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Sprintf("it can't be read: %v", p.Err)
	}
	return err.Error()
}
