package results

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"downbeat/internal/lastwords"
)

// lastWordsSpan is how much of the end of a process's standard error is read, in bytes: enough
// for the stacks of many thousand goroutines.
const lastWordsSpan = 64 << 20

// LastWords is the line on standard error that says why a process of the run in dir ended: the
// last one, other than blank ones, unless that belongs to a stack below a message (see package
// lastwords). It is without escape sequences and control characters, cut at 4096 bytes, and
// empty if the process wrote nothing.
func LastWords(dir, host, process string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(errPath(host, process))))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	var finder lastwords.Finder
	from := max(size-lastWordsSpan, 0)
	if _, err := io.Copy(&finder, io.NewSectionReader(f, from, size-from)); err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return finder.Words(), nil
}
