// Package trustedpath reads files that this program trusts or keeps secret, such as keys and
// files with the queue's URL, and refuses those that others could have written or read. It also
// checks directories for state.
//
// Only root and the user that this program runs as are trusted. A path is only as safe as the
// directories above it, so these are checked as well: a directory that others can write to must
// be sticky, as /tmp is.
package trustedpath

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrUntrusted is wrapped by every error that says that others could have
// written, or read, what is at a path.
var ErrUntrusted = errors.New("not trusted")

// maxFile is the most that is read of a file, in bytes: keys and URLs are short.
const maxFile = 1 << 20

// Permission bits of group and others: to write, and all of them.
const (
	groupOrOthersWrite = 0o022
	groupOrOthers      = 0o077
)

// Read reads a file that others must not be able to write. They may read it. If the file does
// not exist, the error is an [fs.ErrNotExist].
func Read(path string) ([]byte, error) { return read(path, checkWriters) }

// ReadSecret reads a file that others must be able neither to write nor to read. If this
// program is not root, a file of root may be readable by a group, as the secrets of container
// engines are.
func ReadSecret(path string) ([]byte, error) { return read(path, checkSecret) }

// CheckDir checks a directory whose content this program trusts: others must not be able to
// create or remove anything in it. The error names the directory at fault.
func CheckDir(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := checkWriters(path, info); err != nil {
		return err
	}
	return checkAbove(path, false)
}

// read opens the file first and then checks the open file, so that it can't be replaced in
// between.
func read(path string, check func(string, os.FileInfo) error) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if err := errors.Join(check(path, info), checkAbove(path, true)); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return data, err
}

// checkWriters refuses a file that others can write.
func checkWriters(path string, info os.FileInfo) error {
	if err := checkOwner(path, info); err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&groupOrOthersWrite != 0 {
		return fmt.Errorf("%s can be written by others than its owner (mode %04o), who could put anything there: chmod go-w %s%w", path, mode, path, untrusted{})
	}
	return nil
}

// checkSecret refuses a file that others can read or write.
func checkSecret(path string, info os.FileInfo) error {
	if err := checkOwner(path, info); err != nil {
		return err
	}
	mode, allowed := info.Mode().Perm(), os.FileMode(0)
	if owner(info) == 0 && os.Geteuid() != 0 {
		allowed = 0o040
	}
	if mode&groupOrOthers&^allowed != 0 {
		return fmt.Errorf("%s is readable by others, or can be written by them (mode %04o), and it is a secret: chmod 600 %s%w", path, mode, path, untrusted{})
	}
	return nil
}

func checkOwner(path string, info os.FileInfo) error {
	if uid := owner(info); !trusted(uid) {
		return fmt.Errorf("%s belongs to user %d, who is neither root nor the user that this program runs as (%d): chown it, or use a copy of your own%w",
			path, uid, os.Geteuid(), untrusted{})
	}
	return nil
}

// checkAbove checks the directories above a path, both as it is written and with all links
// followed. strict applies to the first of them: see checkParent.
func checkAbove(path string, strict bool) error {
	written, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	resolved, err := filepath.EvalSymlinks(written)
	if err != nil {
		return err
	}
	for _, p := range []string{resolved, written} {
		for first := strict; filepath.Dir(p) != p; first = false {
			if err := checkLink(p); err != nil {
				return err
			}
			p = filepath.Dir(p)
			if err := checkParent(p, first); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkLink refuses a link of an untrusted user, who could change where it leads at any time.
func checkLink(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		return err
	}
	return checkOwner(path, info)
}

// checkParent refuses a directory in which others can replace files. Unless strict, which is
// for the directory that holds the file, a group with its user's number counts as that user's
// own: many systems give each user such a group, and let it write.
func checkParent(dir string, strict bool) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := checkOwner(dir, info); err != nil {
		return err
	}
	mode := info.Mode()
	writers := mode.Perm() & groupOrOthersWrite
	if st := info.Sys().(*syscall.Stat_t); !strict && st.Uid != 0 && st.Gid == st.Uid {
		writers &^= 0o020
	}
	if writers != 0 && mode&os.ModeSticky == 0 {
		return fmt.Errorf("%s can be written by others than its owner (mode %04o), who could replace what is in it: chmod go-w %s%w", dir, mode.Perm(), dir, untrusted{})
	}
	return nil
}

func owner(info os.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// unmapped is the number that Linux shows for users who are not mapped in this user namespace,
// such as the real root in a rootless container.
const unmapped = 65534

func trusted(uid int) bool {
	return uid == 0 || uid == os.Geteuid() || uid == unmapped && inUserNamespace()
}

// inUserNamespace reports whether users have other numbers here than outside. Then no user in
// here can be, or become, the unmapped one.
func inUserNamespace() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(data)), " ") != "0 0 4294967295"
}

// untrusted makes an error an [ErrUntrusted] without adding text.
type untrusted struct{}

func (untrusted) Error() string { return "" }

func (untrusted) Is(target error) bool { return target == ErrUntrusted }
