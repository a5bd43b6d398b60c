package worker

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A cache keeps what files of jobs hold, by their hash, for the runs that follow.
// All workers of a state directory share it: an entry appears in one piece, is
// verified whenever it is used, and may be gone at any time.
type cache struct {
	dir   string
	limit int64 // bytes
}

const (
	cacheDir = "cache" // within the state directory
	// cacheLimit is how much the cache may take before the entries that were
	// not used for longest are removed.
	cacheLimit = 4 << 30
	// partial begins the names of entries that are still on their way; those
	// that a worker which died has left are removed after partialFor.
	partial    = "partial-"
	partialFor = 24 * time.Hour
)

// errNotCached: the content has to be fetched.
var errNotCached = errors.New("not in the cache")

// copyTo writes the content with that hash to w. Where the error is errNotCached,
// something else may have been written.
func (c cache) copyTo(w io.Writer, hash string) error {
	name := filepath.Join(c.dir, hash)
	f, err := os.Open(name)
	if err != nil {
		return errNotCached
	}
	defer func() { _ = f.Close() }() // only read
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, sum), f); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != hash {
		_ = os.Remove(name) // so that it is fetched again
		return errNotCached
	}
	now := time.Now()
	_ = os.Chtimes(name, now, now) // it is the last to go, if that works
	return nil
}

// has reports whether there is an entry. What it holds is found out by copyTo.
func (c cache) has(hash string) bool {
	_, err := os.Lstat(filepath.Join(c.dir, hash))
	return err == nil
}

// create begins an entry. The directory may be deleted between two steps of it.
func (c cache) create() (f *os.File, err error) {
	for range 10 {
		if err = os.MkdirAll(c.dir, 0o700); err != nil {
			return nil, err
		}
		if f, err = os.CreateTemp(c.dir, partial); !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, err
}

// errOtherContent: what was fetched does not hash to what was asked for.
var errOtherContent = errors.New("what came is not what the job names: it was changed after the experiment began")

// verify checks that what was written to f has that hash.
func verify(f *os.File, hash string) error {
	sum := sha256.New()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != hash {
		return errOtherContent
	}
	return nil
}

// keep makes what was verified the entry of that hash, and makes room; it closes f.
// Where the cache has been deleted meanwhile the content is not kept.
func (c cache) keep(f *os.File, hash string) error {
	err := f.Close()
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(c.dir, hash))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error tells
		return err
	}
	c.evict(hash)
	return nil
}

// evict removes the entries that were not used for longest, but for keep, until
// what is left fits.
func (c cache) evict(keep string) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	var all []fs.FileInfo
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		if strings.HasPrefix(e.Name(), partial) {
			if time.Since(info.ModTime()) > partialFor {
				_ = os.Remove(filepath.Join(c.dir, e.Name())) // another may have been quicker
			}
			continue
		}
		all = append(all, info)
		total += info.Size()
	}
	slices.SortFunc(all, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	for _, info := range all {
		if total <= c.limit {
			return
		}
		if info.Name() != keep {
			_ = os.Remove(filepath.Join(c.dir, info.Name())) // another may have been quicker
			total -= info.Size()
		}
	}
}

func (w *Worker) cache() cache {
	return cache{filepath.Join(w.config.StateDir, cacheDir), cacheLimit}
}

// fileProblem words what keeps a job's file from being there.
func fileProblem(path string, err error) error {
	return fmt.Errorf("file %s: %w", path, plain(err))
}
