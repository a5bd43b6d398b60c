package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Removing what processes have left: anything may be there, in any mode, and it may
// still be changing. Every directory is opened by its name in the one above it, and
// never through a link, so nothing outside the tree is touched whatever takes the
// place of what; what is mounted in the tree is left alone. A directory that does not
// let us is made to by chmod, through its own handle. Files are not: a hard link
// would change what is outside.

const (
	// maxNested is how deep the removal goes at a time. What is deeper is moved up
	// first, so that no tree takes more descriptors than that.
	maxNested = 64
	// passes is how often a tree is gone through that was not empty afterwards.
	passes = 3
)

// errMounted: something is mounted there, and is somebody else's.
var errMounted = errors.New("something is mounted there: unmount it")

// A remover takes one tree away.
type remover struct {
	ctx   context.Context
	top   int // of the tree: what is too deep is moved there
	moved int
	first error // what could not be removed first
	more  int   // how much else could not
}

// RemoveTree removes the directory that is at that path below base, with all that
// is in it. What isn't there is no error. An error names the first that can't be
// removed. It does not follow links, and it breaks off when ctx ends.
func RemoveTree(ctx context.Context, base string, path ...string) error {
	above, err := unix.Open(base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: base, Err: err}
	}
	defer func() { _ = unix.Close(above) }()
	for i, name := range path {
		last := i == len(path)-1
		if last {
			return removeDir(ctx, above, name)
		}
		next, err := openDir(above, name)
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		if err != nil {
			return &fs.PathError{Op: "open", Path: filepath.Join(path[:i+1]...), Err: err}
		}
		_ = unix.Close(above)
		above = next
	}
	return nil
}

// removeDir removes one entry of a directory, and what is below it.
func removeDir(ctx context.Context, above int, name string) error {
	r := &remover{ctx: ctx}
	for range passes {
		r.first, r.more = nil, 0
		r.remove(above, name, name, 0)
		if r.first == nil || ctx.Err() != nil {
			break
		}
	}
	if r.first != nil && r.more > 0 {
		return fmt.Errorf("%w, and %d more", r.first, r.more)
	}
	return r.first
}

// failed notes what can't be removed.
func (r *remover) failed(path string, err error) {
	if r.first == nil {
		r.first = &fs.PathError{Op: "remove", Path: shownPath(path), Err: err}
		return
	}
	r.more++
}

// problems is how much could not be removed up to now.
func (r *remover) problems() int {
	if r.first == nil {
		return 0
	}
	return 1 + r.more
}

// shownPath is a path that processes chose, as it can be shown, and not too long.
func shownPath(path string) string {
	const most = 200
	if len(path) > most {
		path = path[:most/2] + "..." + path[len(path)-most/2:]
	}
	if quoted := strconv.Quote(path); quoted != `"`+path+`"` {
		return quoted
	}
	return path
}

// remove removes the entry of that name in the directory above; path is for people.
func (r *remover) remove(above int, name, path string, depth int) {
	if r.ctx.Err() != nil {
		if r.first == nil {
			r.failed(path, context.Cause(r.ctx))
		}
		return
	}
	err := unlink(above, name, 0)
	if err == nil {
		return
	}
	var st unix.Stat_t
	if statErr := unix.Fstatat(above, name, &st, unix.AT_SYMLINK_NOFOLLOW); statErr != nil {
		if !errors.Is(statErr, unix.ENOENT) {
			r.failed(path, statErr)
		}
		return
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		r.failed(path, err)
		return
	}
	r.removeDirectory(above, name, path, depth)
}

func (r *remover) removeDirectory(above int, name, path string, depth int) {
	if isMountPoint(above, name) {
		r.failed(path, errMounted)
		return
	}
	if unlink(above, name, unix.AT_REMOVEDIR) == nil {
		return // it was empty
	}
	if depth >= maxNested && r.lift(above, name) {
		return
	}
	dir, err := openDir(above, name)
	if errors.Is(err, unix.ENOENT) {
		return
	}
	if err != nil {
		r.failed(path, err)
		return
	}
	if depth == 0 {
		r.top = dir
	}
	before := r.problems()
	r.empty(dir, path, depth)
	_ = unix.Close(dir)
	if err := unlink(above, name, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, unix.ENOENT) && r.problems() == before {
		r.failed(path, err)
	}
}

// empty removes what is in a directory. What was moved up meanwhile is found by
// another look at the uppermost.
func (r *remover) empty(dir int, path string, depth int) {
	for {
		moved := r.moved
		r.each(dir, path, func(name string) { r.remove(dir, name, filepath.Join(path, name), depth+1) })
		if depth > 0 || r.moved == moved || r.ctx.Err() != nil {
			return
		}
	}
}

// each calls do with the names in an open directory, which may have any number.
func (r *remover) each(dir int, path string, do func(name string)) {
	again, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		r.failed(path, err)
		return
	}
	f := os.NewFile(uintptr(again), path)
	defer func() { _ = f.Close() }() // only read
	for r.ctx.Err() == nil {
		names, err := f.Readdirnames(4096)
		for _, name := range names {
			do(name)
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.failed(path, err)
			return
		}
	}
}

// lift moves a directory that is too deep to the top of the tree, where it is
// found later.
func (r *remover) lift(above int, name string) bool {
	for range 100 { // a name may be taken
		r.moved++
		to := ".downbeat-" + strconv.Itoa(r.moved)
		var st unix.Stat_t
		if !errors.Is(unix.Fstatat(r.top, to, &st, unix.AT_SYMLINK_NOFOLLOW), unix.ENOENT) {
			continue
		}
		if unix.Renameat(above, name, r.top, to) == nil {
			return true
		}
		allowAll(above, name) // a directory has to be writable to be moved elsewhere
		return unix.Renameat(above, name, r.top, to) == nil
	}
	return false
}

// unlink removes an entry of a directory, which is made writable if need be.
func unlink(dir int, name string, flags int) error {
	err := unix.Unlinkat(dir, name, flags)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) || flags == 0 && isDir(dir, name) {
		return err
	}
	var st unix.Stat_t
	if unix.Fstat(dir, &st) != nil || st.Mode&0o700 == 0o700 || unix.Fchmod(dir, open(&st)) != nil {
		return err
	}
	return unix.Unlinkat(dir, name, flags)
}

// open is the mode of a directory with all that its owner needs to empty it.
func open(st *unix.Stat_t) uint32 {
	return uint32(st.Mode&0o7777 | 0o700) //nolint:unconvert // it has another type elsewhere
}

func isDir(dir int, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// openDir opens a directory in another one, never through a link, and makes it
// readable if need be.
func openDir(above int, name string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(above, name, flags, 0)
	if !errors.Is(err, unix.EACCES) {
		return fd, err
	}
	var st unix.Stat_t
	if unix.Fstat(above, &st) == nil && st.Mode&0o700 != 0o700 {
		_ = unix.Fchmod(above, open(&st)) // the next try tells
	}
	allowAll(above, name)
	return unix.Openat(above, name, flags, 0)
}

// onOtherDevice reports whether a directory is on another file system than the one
// above it.
func onOtherDevice(above int, name string) bool {
	var here, there unix.Stat_t
	return unix.Fstat(above, &here) == nil && unix.Fstatat(above, name, &there, unix.AT_SYMLINK_NOFOLLOW) == nil && here.Dev != there.Dev
}
