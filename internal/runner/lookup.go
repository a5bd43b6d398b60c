package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// lookUp finds the program of a command; the path is for exec in the command's directory. Its
// errors are those of [Problem].
func lookUp(c *Command) (string, error) {
	if err := checkStrings(c); err != nil {
		return "", err
	}
	if err := checkDir(c.Dir); err != nil {
		return "", err
	}
	path, err := findProgram(c, c.Argv[0])
	if err != nil {
		return "", err
	}
	if err := checkInterpreter(c, path); err != nil {
		return "", err
	}
	return path, nil
}

// checkStrings reports arguments and entries that no program can be given.
func checkStrings(c *Command) error {
	if len(c.Argv) == 0 {
		return errors.New("the command is empty: it needs at least the name of a program")
	}
	if c.Argv[0] == "" {
		return errors.New("the program's name is empty")
	}
	for i, arg := range c.Argv {
		if strings.IndexByte(arg, 0) >= 0 {
			return fmt.Errorf("argument %d (%.40q) contains a NUL byte, which no program can be given", i, arg)
		}
	}
	for _, entry := range c.Env {
		if strings.IndexByte(entry, 0) >= 0 {
			return fmt.Errorf("environment entry %.40q contains a NUL byte, which no program can be given", entry)
		}
	}
	return nil
}

func checkDir(dir string) error {
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return explain(fs.ErrNotExist, "directory %q does not exist", dir)
	case err != nil:
		return fmt.Errorf("directory %q: %w", dir, reason(err))
	case !info.IsDir():
		return explain(syscall.ENOTDIR, "directory %q is not a directory", dir)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.X_OK, unix.AT_EACCESS); err != nil {
		return fmt.Errorf("directory %q can't be entered (mode %v): %w", dir, info.Mode(), err)
	}
	return nil
}

// findProgram finds name for the command c as a shell in its directory would,
// and in its Search directories too.
func findProgram(c *Command, name string) (string, error) {
	if !strings.Contains(name, "/") {
		return findInPath(c, name)
	}
	if filepath.IsAbs(name) {
		return name, checkProgram(name, name)
	}
	err := checkProgram(filepath.Join(c.Dir, name), name)
	if !errors.Is(err, fs.ErrNotExist) {
		return name, err // relative, so that a script's $0 is what was written
	}
	places := []string{absolute(c.Dir)}
	for _, dir := range c.Search {
		path := absolute(filepath.Join(dir, name))
		if err := checkProgram(path, name); !errors.Is(err, fs.ErrNotExist) {
			return path, err
		}
		places = append(places, absolute(dir))
	}
	return "", explain(notFound, "program %q not found in %s", name, strings.Join(places, " or "))
}

// notFound is wrapped by the error of every program that doesn't exist.
var notFound = errors.Join(exec.ErrNotFound, fs.ErrNotExist)

// findInPath looks in the PATH of the command's own environment. Like a shell, it skips files
// that can't be executed, and reports them only if nothing else is found.
func findInPath(c *Command, name string) (string, error) {
	path, set := variable(c.Env, "PATH")
	if !set || path == "" {
		return "", explain(notFound, "command %q not found: its environment has no PATH to look in", name)
	}
	var passed error
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			dir = absolute(filepath.Join(c.Dir, dir))
		}
		candidate := filepath.Join(dir, name)
		err := checkProgram(candidate, candidate)
		if err == nil {
			return candidate, nil
		}
		if passed == nil && errors.Is(err, fs.ErrPermission) && !isDirectory(candidate) {
			passed = err
		}
	}
	if passed != nil {
		return "", passed
	}
	return "", explain(notFound, "command %q not found in PATH (%s)", name, path)
}

// variable is the value of a variable in an environment; the last entry wins, as in os/exec.
func variable(env []string, name string) (value string, set bool) {
	for _, entry := range env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value, set = v, true
		}
	}
	return value, set
}

// checkProgram reports why the file at path, known to the user as name, can't
// be executed.
func checkProgram(path, name string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return explain(notFound, "program %q not found", name)
	case err != nil:
		return fmt.Errorf("program %q: %w", name, reason(err))
	case info.IsDir():
		return explain(fs.ErrPermission, "%q is a directory, not a program", name)
	case !info.Mode().IsRegular():
		return explain(fs.ErrPermission, "%q is not a regular file (%v), so it can't be executed", name, info.Mode())
	}
	err = unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
	switch {
	case err == nil:
		return nil
	case info.Mode()&0o111 == 0:
		return explain(fs.ErrPermission, "%q is not executable (mode %v): chmod +x it", name, info.Mode())
	default:
		return explain(fs.ErrPermission, "%q may not be executed by this user, or lies on a file system mounted noexec (mode %v): %v",
			name, info.Mode(), err)
	}
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// absolute makes the path absolute, if possible.
func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}

// reason strips the operation and path that package os puts before an error.
func reason(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// explained is an error with a text for people; errors.Is sees the error that it wraps.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

func explain(err error, format string, args ...any) error {
	return &explained{fmt.Sprintf(format, args...), err}
}
