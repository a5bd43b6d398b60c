package runner

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A cgroup holds the processes of one set, if cgroup v2 is delegated to us. A process can't
// leave it, nor can its descendants, unless it may write to other cgroups. A nil cgroup is
// always empty.
type cgroup struct {
	path string
	fd   int // the directory's, to start processes in it
}

const cgroupPrefix = "downbeat-"

// cgroupBase is the directory of this program's own cgroup, below which it may
// make others; empty if it may not.
func cgroupBase() string {
	own, err := ownCgroup()
	if err != nil {
		return ""
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer mounts.Close()
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		if base := cgroupDir(lines.Text(), own); base != "" {
			return base
		}
	}
	return ""
}

// ownCgroup is this program's cgroup, from /proc.
func ownCgroup() (string, error) {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(path, "\n"), nil
		}
	}
	return "", fs.ErrNotExist
}

// cgroupDir is the directory of the cgroup own in a mount, which is a line of mountinfo; empty
// if it isn't there, or the mount is not cgroup v2.
func cgroupDir(mount, own string) string {
	before, after, _ := strings.Cut(mount, " - ")
	fields := strings.Fields(before)
	if len(fields) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
		return ""
	}
	root, point := unescapeMount(fields[3]), unescapeMount(fields[4])
	below, ok := strings.CutPrefix(own, strings.TrimSuffix(root, "/"))
	if !ok || below != "" && below[0] != '/' {
		return ""
	}
	dir := filepath.Join(point, below)
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
		return ""
	}
	return dir
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	for _, c := range []string{" ", "\t", "\n", `\`} {
		s = strings.ReplaceAll(s, fmt.Sprintf(`\%03o`, c[0]), c)
	}
	return s
}

// cgroups numbers the cgroups that this process has made, for all runners.
var cgroups atomic.Int64

// newCgroup makes a cgroup that can be killed as a whole (Linux 5.14).
func newCgroup(base string) (*cgroup, error) {
	path := filepath.Join(base, fmt.Sprintf("%s%d-%d", cgroupPrefix, os.Getpid(), cgroups.Add(1)))
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, fmt.Errorf("make cgroup: %w", err)
	}
	if _, err := os.Stat(filepath.Join(path, "cgroup.kill")); err != nil {
		os.Remove(path) //nolint:errcheck // it is empty, and the first error is what matters
		return nil, fmt.Errorf("make cgroup: %w", err)
	}
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		os.Remove(path) //nolint:errcheck // as above
		return nil, fmt.Errorf("open cgroup %s: %w", path, err)
	}
	return &cgroup{path: path, fd: fd}, nil
}

// dir is the cgroup's directory; empty: there is none.
func (c *cgroup) dir() string {
	if c == nil {
		return ""
	}
	return c.path
}

// populated reports whether any process is left in the cgroup or below. A cgroup that is gone
// has none.
func (c *cgroup) populated(sys *system) (bool, error) {
	if c == nil {
		return false, nil
	}
	data, err := sys.read(filepath.Join(c.path, "cgroup.events"))
	if err != nil && isGone(err) {
		err = nil
	}
	return bytes.Contains(data, []byte("populated 1")), err
}

// pids are the live processes in the cgroup and below.
func (c *cgroup) pids(sys *system) ([]int, error) {
	var (
		pids []int
		errs []error
	)
	err := c.walk(func(dir string) {
		data, err := sys.read(filepath.Join(dir, "cgroup.procs"))
		if err != nil && !isGone(err) {
			errs = append(errs, err)
		}
		for field := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
	})
	return pids, errors.Join(append(errs, err)...)
}

// isIn reports whether data, the content of /proc/PID/cgroup, names the cgroup or one below it.
func (c *cgroup) isIn(data []byte) bool {
	for line := range strings.Lines(string(data)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			name := "/" + filepath.Base(c.path)
			return strings.Contains(strings.TrimSuffix(path, "\n")+"/", name+"/")
		}
	}
	return false
}

// kill kills everything in the cgroup and below, even what is forked meanwhile.
func (c *cgroup) kill(sys *system) error {
	if c == nil {
		return nil
	}
	if err := sys.lend(func() error {
		return os.WriteFile(filepath.Join(c.path, "cgroup.kill"), []byte("1"), 0)
	}); err != nil && !isGone(err) {
		return fmt.Errorf("kill cgroup: %w", err)
	}
	return nil
}

// close removes the cgroup, which is empty; the kernel may take a moment to notice.
func (c *cgroup) close() error {
	unix.Close(c.fd) //nolint:errcheck // a directory has nothing to lose
	return removeCgroup(c.path, 100)
}

func removeCgroup(path string, tries int) error {
	c := &cgroup{path: path}
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := unix.Rmdir(path)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if tries--; tries <= 0 {
			return fmt.Errorf("remove cgroup %s: %w", path, err)
		}
		var below []string                                      // cgroups that a process made
		c.walk(func(dir string) { below = append(below, dir) }) //nolint:errcheck // it is tried again
		for i := len(below) - 1; i > 0; i-- {                   // the deepest first
			unix.Rmdir(below[i]) //nolint:errcheck // removing the top one will tell
		}
		<-time.After(pause)
	}
}

// walk visits the cgroup and all below it, parents first. Those that disappear meanwhile are
// skipped.
func (c *cgroup) walk(visit func(dir string)) error {
	var errs []error
	//nolint:errcheck // the function returns none
	filepath.WalkDir(c.path, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err == nil && d.IsDir():
			visit(path)
		case err != nil && !isGone(err):
			errs = append(errs, err)
		}
		return nil
	})
	return errors.Join(errs...)
}

// removeStaleCgroups removes the empty cgroups of programs that have ended.
func removeStaleCgroups(base string) {
	if base == "" {
		return
	}
	dirs, err := filepath.Glob(filepath.Join(base, cgroupPrefix+"*"))
	if err != nil {
		return // the pattern is valid, so this can't happen
	}
	for _, dir := range dirs {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), cgroupPrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err == nil && pid > 0 && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			removeCgroup(dir, 1) //nolint:errcheck // if processes are left in it, a sweep ends them
		}
	}
}
