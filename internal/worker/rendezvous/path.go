package rendezvous

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"downbeat/internal/trustedpath"
)

// maxPath is the longest path of a socket, in bytes: Linux takes 107, macOS 103.
const maxPath = 100

// Path is where the socket of a run is: in its directory or, where that path is too long
// for one, in a directory of this user's own below the system's for temporary files. It is
// always the same.
func Path(dir string) string {
	path := filepath.Join(dir, "sync")
	if len(path) <= maxPath {
		return path
	}
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(elsewhere(), fmt.Sprintf("%x", sum[:8]))
}

// elsewhere is the directory for the sockets of runs whose own paths are too long.
func elsewhere() string {
	return filepath.Join(os.TempDir(), "downbeat-"+strconv.Itoa(os.Getuid()))
}

// makeRoom makes sure that there is a directory for the socket that nobody else can write
// to, and no socket yet.
func makeRoom(path string) error {
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the socket of %s: %w", Env, err)
	}
	if err := trustedpath.CheckDir(dir); err != nil {
		return fmt.Errorf("make the socket of %s: %w", Env, err)
	}
	return unlink(path)
}

// Remove removes the socket, if it is there. It is to be called, too, for a run that a
// worker has left that died.
func Remove(path string) error {
	if err := unlink(path); err != nil {
		return err
	}
	if dir := filepath.Dir(path); dir == elsewhere() {
		_ = os.Remove(dir) // where it was the last one: else it stays
	}
	return nil
}

func unlink(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the socket of %s: %w", Env, err)
	}
	return nil
}
