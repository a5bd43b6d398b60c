package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"downbeat/internal/testkit"

	"golang.org/x/sys/unix"
)

// Everything that a process leaves in its directory is removed: directories that are
// read-only (as Go's module cache), without permissions or deep, odd names, and special files.
func TestAnythingThatAProcessLeavesIsRemoved(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(t *testing.T, dir string){
		"read-only": func(t *testing.T, dir string) {
			mod := filepath.Join(dir, "go/pkg/mod/example.com/m@v1")
			testkit.Check(t, os.MkdirAll(mod, 0o700))
			testkit.Check(t, os.WriteFile(filepath.Join(mod, "go.mod"), nil, 0o400))
			for _, d := range []string{mod, filepath.Dir(mod)} {
				testkit.Check(t, os.Chmod(d, 0o555))
			}
		},
		"mode 000": func(t *testing.T, dir string) {
			testkit.Check(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o700))
			testkit.Check(t, os.WriteFile(filepath.Join(dir, "a/b/c"), nil, 0o000))
			testkit.Check(t, os.Chmod(filepath.Join(dir, "a/b"), 0))
			testkit.Check(t, os.Chmod(filepath.Join(dir, "a"), 0))
			testkit.Check(t, os.Chmod(dir, 0))
		},
		"deep": func(t *testing.T, dir string) {
			fd, err := unix.Open(dir, unix.O_DIRECTORY, 0)
			testkit.Check(t, err)
			for range 3000 {
				testkit.Check(t, unix.Mkdirat(fd, strings.Repeat("d", 100), 0o700))
				next, err := unix.Openat(fd, strings.Repeat("d", 100), unix.O_DIRECTORY, 0)
				testkit.Check(t, err)
				testkit.Check(t, unix.Close(fd))
				fd = next
			}
			testkit.Check(t, unix.Close(fd))
		},
		"names": func(t *testing.T, dir string) {
			for _, n := range []string{"a\nb", "-rf", "\xff\x1b[2J", ".downbeat-1", " "} {
				testkit.Check(t, os.MkdirAll(filepath.Join(dir, n, n), 0o500))
			}
		},
		"not files": func(t *testing.T, dir string) {
			testkit.Check(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
			testkit.Check(t, os.Symlink("/nowhere", filepath.Join(dir, "link")))
			testkit.Check(t, os.Symlink(".", filepath.Join(dir, "self")))
		},
		"many": func(t *testing.T, dir string) {
			for i := range 5000 {
				testkit.Check(t, os.Symlink("x", filepath.Join(dir, strings.Repeat("n", i%100+1)+string(rune('a'+i/100)))))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			work := filepath.Join(base, "run", "work")
			testkit.Check(t, os.MkdirAll(work, 0o700))
			leave(t, work)
			testkit.Check(t, withoutOverride(func() error { return RemoveTree(t.Context(), base, "run", "work") }))
			if _, err := os.Lstat(work); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("it is still there: %v", err)
			}
		})
	}
}

// Nothing outside of the tree is touched: not what links lead to, not the mode of a
// file that is linked to from elsewhere, not what is mounted.
func TestNothingOutsideIsTouched(t *testing.T) {
	t.Parallel()
	base, outside := t.TempDir(), t.TempDir()
	secret, closed := filepath.Join(outside, "secret"), filepath.Join(outside, "closed")
	testkit.Check(t, os.WriteFile(secret, []byte("x"), 0o400))
	testkit.Check(t, os.Mkdir(closed, 0o500))
	work := filepath.Join(base, "work")
	testkit.Check(t, os.MkdirAll(filepath.Join(work, "sub"), 0o700))
	testkit.Check(t, os.Link(secret, filepath.Join(work, "sub", "hard")))
	testkit.Check(t, os.Symlink(outside, filepath.Join(work, "dir")))
	testkit.Check(t, os.Symlink(closed, filepath.Join(work, "sub", "closed")))
	testkit.Check(t, os.Chmod(filepath.Join(work, "sub"), 0o500))
	testkit.Check(t, RemoveTree(t.Context(), base, "work"))
	for path, mode := range map[string]os.FileMode{secret: 0o400, closed: 0o500} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want it with mode %o", path, info, err, mode)
		}
	}
	testkit.Check(t, os.Symlink(outside, work)) // the directory itself has become a link
	if err := RemoveTree(t.Context(), base, "work"); err != nil {
		t.Error(err)
	}
	testkit.Check(t, os.Symlink(outside, filepath.Join(base, "run")))
	if err := RemoveTree(t.Context(), base, "run", "closed"); err == nil {
		t.Error("a link above it was followed")
	}
	if _, err := os.Stat(closed); err != nil {
		t.Error(err)
	}
}

// A directory that is swapped for a link, back and forth, while it is removed leads
// nowhere.
func TestDirectoryThatIsSwappedForALinkLeadsNowhere(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	kept := filepath.Join(outside, "d", "kept")
	testkit.Check(t, os.MkdirAll(kept, 0o500))
	for range 50 {
		base := t.TempDir()
		work := filepath.Join(base, "work")
		testkit.Check(t, os.MkdirAll(filepath.Join(work, "a", "d", "e"), 0o700))
		testkit.Check(t, os.Symlink(outside, filepath.Join(work, "b")))
		stop := make(chan struct{})
		var swapping sync.WaitGroup
		swapping.Go(func() {
			for {
				select {
				case <-stop:
					return
				default: // until there is nothing left to swap
					_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(work, "a"), unix.AT_FDCWD, filepath.Join(work, "b"), unix.RENAME_EXCHANGE)
				}
			}
		})
		_ = RemoveTree(t.Context(), base, "work") // what it can't remove in between is found at the end
		close(stop)
		swapping.Wait()
		testkit.Check(t, RemoveTree(t.Context(), base, "work"))
	}
	if info, err := os.Stat(kept); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("what was outside: %v, %v", info, err)
	}
}

// A mount in the tree is left alone and named, also one of the same file system; the rest
// is removed.
func TestWhatIsMountedIsLeftAlone(t *testing.T) {
	t.Parallel()
	base, outside := t.TempDir(), t.TempDir()
	testkit.Check(t, os.WriteFile(filepath.Join(outside, "kept"), nil, 0o600))
	mounted := filepath.Join(base, "work", "sub", "mounted")
	testkit.Check(t, os.MkdirAll(mounted, 0o700))
	testkit.Check(t, os.WriteFile(filepath.Join(base, "work", "gone"), nil, 0o600))
	if err := unix.Mount(outside, mounted, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	err := RemoveTree(t.Context(), base, "work")
	if !errors.Is(err, errMounted) || !strings.Contains(err.Error(), "work/sub/mounted") {
		t.Errorf("got %v, want that something is mounted at work/sub/mounted", err)
	}
	if _, err := os.Stat(filepath.Join(base, "work", "gone")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the rest is still there: %v", err)
	}
	testkit.Check(t, unix.Unmount(mounted, 0))
	if _, err := os.Stat(filepath.Join(outside, "kept")); err != nil {
		t.Error(err)
	}
	testkit.Check(t, RemoveTree(t.Context(), base, "work"))
}

// A removal ends with its context.
func TestRemovalEndsWithItsContext(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	testkit.Check(t, os.MkdirAll(filepath.Join(base, "work", "a"), 0o700))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := RemoveTree(ctx, base, "work"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// withoutOverride does something on a thread without the capabilities
// CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, so that modes count for root as well.
func withoutOverride(do func() error) error {
	errs := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&header, &data[0]); err != nil {
			errs <- err
			return
		}
		data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
		if err := unix.Capset(&header, &data[0]); err != nil {
			errs <- err
			return
		}
		errs <- do()
	}()
	return <-errs
}
