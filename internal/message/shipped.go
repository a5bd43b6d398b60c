package message

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A File is one that a host finds in the run's directory before the processes
// are prepared: with Text in it, or else with the content that hashes to SHA256,
// which the worker asks for if it has not got it; see [Want]. A path that ends in
// a slash is that of a directory.
type File struct {
	Path string `json:"path"` // within the run's directory
	// Mode are its permissions.
	Mode   uint32 `json:"mode"`
	Text   string `json:"text,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"` // hexadecimal
}

// CheckTarget reports whether a file can be put at that path of a run's directory.
func CheckTarget(target string) error {
	elements := strings.Split(target, "/")
	switch {
	case target == "":
		return errors.New("the path is empty")
	case strings.HasPrefix(target, "/"):
		return fmt.Errorf("%.80q is absolute: it is seen from the run's directory", target)
	case slices.Contains(elements, ".."):
		return fmt.Errorf("%.80q leads out of the run's directory", target)
	case slices.Contains(elements, ""), slices.Contains(elements, "."):
		return fmt.Errorf("%.80q has an element that is empty or a dot", target)
	case strings.ContainsRune(target, 0):
		return fmt.Errorf("%.80q contains a NUL byte", target)
	case len(target) > maxPattern:
		return fmt.Errorf("the path has %d bytes, at most %d are taken", len(target), maxPattern)
	}
	return nil
}

// Directory gives the path of a directory, and whether the file is one.
func (f *File) Directory() (string, bool) { return strings.CutSuffix(f.Path, "/") }

func (f *File) check() error {
	target, isDir := f.Directory()
	if err := CheckTarget(target); err != nil {
		return err
	}
	sum, err := hex.DecodeString(f.SHA256)
	switch {
	case f.Mode > 0o777:
		return fmt.Errorf("%q: mode is %o", f.Path, f.Mode)
	case isDir && (f.SHA256 != "" || f.Bytes != 0 || f.Text != ""):
		return fmt.Errorf("%q is a directory and has content", f.Path)
	case f.SHA256 == "" && f.Bytes == 0:
		return nil
	case err != nil || len(sum) != sha256.Size || hex.EncodeToString(sum) != f.SHA256:
		return fmt.Errorf("%q: sha256 is %.80q", f.Path, f.SHA256)
	case f.Bytes < 0 || f.Text != "":
		return fmt.Errorf("%q: %d bytes, and text of %d", f.Path, f.Bytes, len(f.Text))
	}
	return nil
}
