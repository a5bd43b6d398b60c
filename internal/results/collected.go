package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// FilesDir is the directory below a host's in which its collected files are.
const FilesDir = "files"

// A FileRecord is one file that was collected from a host.
type FileRecord struct {
	// Path is below the host's files, with slashes. If it is not UTF-8, PathBase64 has its
	// bytes.
	Path       string `json:"path"`
	PathBase64 []byte `json:"path_base64,omitempty"`
	Bytes      uint64 `json:"bytes"`
	SHA256     string `json:"sha256"`
	// Mode is its permissions on the host, such as "0644", and ModifiedAt is when it was last
	// changed, by the clock of the host's file system.
	Mode       string    `json:"mode"`
	ModifiedAt time.Time `json:"modified_at"`
}

// A MissingFile is one that should have been collected and was not.
type MissingFile struct {
	// Path is empty if the reason is about more than one file.
	Path       string `json:"path"`
	PathBase64 []byte `json:"path_base64,omitempty"`
	Reason     string `json:"reason"`
}

// NewMissingFile says why the file at a path is missing.
func NewMissingFile(path, reason string) MissingFile {
	m := MissingFile{Reason: reason}
	m.Path, m.PathBase64 = recordPath(path)
	return m
}

// recordPath converts a path for a record.
func recordPath(p string) (text string, raw []byte) {
	if utf8.ValidString(p) {
		return p, nil
	}
	return strings.ToValidUTF8(p, string(utf8.RuneError)), []byte(p)
}

// ErrNoPlace is wrapped by errors about a file that can't be stored under its
// name. The run goes on without it.
var ErrNoPlace = errors.New("can't be stored")

// A Collection stores the files of one host, one after the other: Begin, Write and End, or
// Discard. Like the run's methods, its methods must not be called concurrently, and an error
// other than [ErrNoPlace] is final for the run.
type Collection struct {
	run   *Run
	host  string
	root  *os.Root // of the host's files, once there is one
	dir   string   // that was made last
	files []FileRecord

	current *os.File
	path    string
	record  FileRecord
	sum     hash.Hash
}

// Collection returns the collection for a host that has processes in the run.
func (r *Run) Collection(host string) *Collection {
	if r.collected == nil {
		r.collected = make(map[string]*Collection)
	}
	c := r.collected[host]
	if c == nil {
		c = &Collection{run: r, host: host}
		r.collected[host] = c
	}
	return c
}

// Begin creates the next file. Whatever the path is, nothing outside the host's files is
// touched.
func (c *Collection) Begin(name string, mode fs.FileMode, modified time.Time) error {
	if err := c.run.usable(); err != nil {
		return err
	}
	if c.current != nil {
		return c.fail(fmt.Errorf("%q was started before %q was finished", name, c.path))
	}
	if err := checkFilePath(name); err != nil {
		return fmt.Errorf("%w: %w", ErrNoPlace, err)
	}
	if err := c.openRoot(); err != nil {
		return c.fail(err)
	}
	f, err := c.create(name, mode)
	if err != nil {
		return err
	}
	c.current, c.path, c.sum = f, name, sha256.New()
	c.record = FileRecord{Mode: fmt.Sprintf("%04o", mode.Perm()), ModifiedAt: modified.UTC().Round(0)}
	c.record.Path, c.record.PathBase64 = recordPath(name)
	return nil
}

// openRoot makes the directory of the host's files.
func (c *Collection) openRoot() error {
	if c.root != nil {
		return nil
	}
	dir := path.Join(c.host, FilesDir)
	err := c.run.root.Mkdir(dir, 0o777)
	if err == nil {
		c.root, err = c.run.root.OpenRoot(dir)
	}
	return err
}

// create makes a new file, and the directories above it.
func (c *Collection) create(name string, mode fs.FileMode) (*os.File, error) {
	var f *os.File
	var err error
	if dir := path.Dir(name); dir != c.dir {
		err = c.root.MkdirAll(dir, 0o777)
		c.dir = dir
	}
	if err == nil {
		// Execute permissions are kept; the file is readable, whatever it was on the host.
		f, err = c.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666|mode&0o111)
	}
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("%w: there is a file of that name already (this file system may ignore case)", ErrNoPlace)
	case isBroken(err):
		return nil, c.fail(err)
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return nil, fmt.Errorf("%w: %w", ErrNoPlace, err)
}

// isBroken tells errors of the disk from those of a name.
func isBroken(err error) bool {
	for _, broken := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return false
}

// checkFilePath refuses paths that lead outside the directory they are relative to. [os.Root]
// would too, but this explains the error.
func checkFilePath(name string) error {
	elements := strings.Split(name, "/")
	switch {
	case strings.ContainsRune(name, 0):
		return errors.New("its path contains a NUL byte")
	case slices.Contains(elements, ".."), slices.Contains(elements, "."), slices.Contains(elements, ""):
		return errors.New("its path leads out of the run's directory, or is not valid")
	}
	return nil
}

// Write appends to the file that was begun.
func (c *Collection) Write(data []byte) error {
	if err := c.run.usable(); err != nil {
		return err
	}
	if c.current == nil {
		return c.fail(errors.New("bytes without a file"))
	}
	if _, err := c.current.Write(data); err != nil {
		return c.fail(err)
	}
	c.sum.Write(data)
	c.record.Bytes += uint64(len(data))
	return nil
}

// End closes the file, which must have that size and hash to sum.
func (c *Collection) End(size uint64, sum [sha256.Size]byte) error {
	if err := c.run.usable(); err != nil {
		return err
	}
	if c.current == nil {
		return c.fail(errors.New("an end without a file"))
	}
	if got := [sha256.Size]byte(c.sum.Sum(nil)); c.record.Bytes != size || got != sum {
		err := fmt.Errorf("%w: it has %d bytes with the hash %x, but was announced with %d and %x", ErrNoPlace, c.record.Bytes, got, size, sum)
		return errors.Join(err, c.Discard())
	}
	err := c.current.Close()
	c.current = nil
	if err != nil {
		return c.fail(err)
	}
	_ = c.root.Chtimes(c.path, time.Now(), c.record.ModifiedAt) // the record has it anyway
	c.record.SHA256 = hex.EncodeToString(sum[:])
	c.files = append(c.files, c.record)
	return nil
}

// Discard removes the unfinished file, if any.
func (c *Collection) Discard() error {
	if c.current == nil {
		return nil
	}
	err := c.current.Close()
	c.current = nil
	if err = errors.Join(err, c.root.Remove(c.path)); err != nil {
		return c.fail(err)
	}
	return nil
}

// Anew removes all files of the host, because they will be sent again.
func (c *Collection) Anew() error {
	if err := c.Discard(); err != nil {
		return err
	}
	c.files, c.dir = nil, ""
	if c.root == nil {
		return nil
	}
	err := c.root.Close()
	c.root = nil
	if err = errors.Join(err, c.run.root.RemoveAll(path.Join(c.host, FilesDir))); err != nil {
		return c.fail(err)
	}
	return nil
}

// Open is the path of the unfinished file; empty if there is none.
func (c *Collection) Open() string {
	if c.current == nil {
		return ""
	}
	return c.path
}

// Files are the finished files, sorted by path.
func (c *Collection) Files() []FileRecord {
	slices.SortFunc(c.files, func(a, b FileRecord) int { return strings.Compare(a.Path, b.Path) })
	return c.files
}

// fail makes an error final for the run.
func (c *Collection) fail(err error) error {
	c.run.err = advise(fmt.Errorf("store the files of %s in %s: %w", c.host, c.run.dir, err))
	return c.run.err
}

func (c *Collection) close() {
	if c.current != nil {
		_ = c.current.Close() // the run is not complete anyhow
		c.current = nil
	}
	if c.root != nil {
		_ = c.root.Close()
		c.root = nil
	}
}
