package trustedpath

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// write makes DIR/a/b/file with these modes and returns its path.
func write(t *testing.T, a, b, file os.FileMode) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a")
	path := filepath.Join(dir, "b", "file")
	check(t, os.MkdirAll(filepath.Dir(path), 0o700))
	check(t, os.WriteFile(path, []byte("content"), 0o600))
	check(t, os.Chmod(path, file))
	check(t, os.Chmod(filepath.Dir(path), b))
	check(t, os.Chmod(dir, a))
	return path
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A path that others can write to is refused, and so is one in a directory that they can
// write to without being bound by the sticky bit. The error has path, mode and remedy.
func TestWhatOthersCanWriteIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		a, b, file os.FileMode
		blame      string // path at fault below the test's directory; empty: none
		secret     bool   // whether ReadSecret takes it
	}{
		{"own", 0o700, 0o700, 0o600, "", true},
		{"readable by others", 0o755, 0o755, 0o644, "", false},
		{"readable by a group", 0o755, 0o755, 0o640, "", false},
		{"only executable by others", 0o755, 0o755, 0o601, "", false},
		{"group writes the file", 0o700, 0o700, 0o620, "a/b/file", false},
		{"others write the file", 0o700, 0o700, 0o602, "a/b/file", false},
		{"group writes its directory", 0o755, 0o775, 0o600, "a/b", false},
		{"others write its directory", 0o755, 0o757, 0o600, "a/b", false},
		{"others write the directory above", 0o777, 0o755, 0o600, "a", false},
		{"sticky", 0o777 | os.ModeSticky, 0o777 | os.ModeSticky, 0o600, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, c.a, c.b, c.file)
			_, err := Read(path)
			if (err != nil) != (c.blame != "") || err != nil && !errors.Is(err, ErrUntrusted) {
				t.Errorf("Read: %v", err)
			}
			if blame := filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(path))), c.blame); c.blame != "" &&
				!strings.HasPrefix(err.Error(), blame+" can be written") || err != nil && !strings.HasSuffix(err.Error(), "chmod go-w "+blame) {
				t.Errorf("Read: %v, want %s, and what to do", err, blame)
			}
			if _, err := ReadSecret(path); (err == nil) != c.secret {
				t.Errorf("ReadSecret: %v", err)
			}
		})
	}
}

// A directory for state is refused by the same rule as one with a key in it.
func TestDirectoryThatOthersCanWriteIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(write(t, 0o755, 0o755, 0o600))
	check(t, CheckDir(dir))
	for _, mode := range []os.FileMode{0o770, 0o702, 0o777 | os.ModeSticky} {
		check(t, os.Chmod(dir, mode))
		if err := CheckDir(dir); !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), "chmod go-w "+dir) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	if err := CheckDir(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that isn't there: %v", err)
	}
}

// A file that belongs to neither root nor this user is refused, and so is a link of
// such a user, or into a directory that others can write to.
func TestWhatBelongsToSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make files of others")
	}
	const stranger = 4242
	file := write(t, 0o755, 0o755, 0o600)
	check(t, os.Chown(file, stranger, stranger))
	if _, err := Read(file); !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), "belongs to user 4242") {
		t.Errorf("a stranger's file: %v", err)
	}
	dir := write(t, 0o755, 0o755, 0o600)
	check(t, os.Chown(filepath.Dir(filepath.Dir(dir)), stranger, stranger))
	if _, err := Read(dir); !errors.Is(err, ErrUntrusted) {
		t.Errorf("a stranger's directory: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	check(t, os.Symlink(write(t, 0o755, 0o755, 0o600), link))
	_, err := Read(link)
	check(t, err)
	check(t, os.Lchown(link, stranger, stranger))
	if _, err := Read(link); !errors.Is(err, ErrUntrusted) {
		t.Errorf("a stranger's link: %v", err)
	}
	into := filepath.Join(t.TempDir(), "into")
	check(t, os.Symlink(write(t, 0o777, 0o755, 0o600), into))
	if _, err := Read(into); !errors.Is(err, ErrUntrusted) {
		t.Errorf("a link to where others write: %v", err)
	}
}

// A pipe in the place of a file is refused, and not waited for.
func TestWhatIsNotAFileIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe")
	check(t, syscall.Mkfifo(path, 0o600))
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a pipe: %v", err)
	}
}
