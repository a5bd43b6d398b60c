package results

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// lastWordsSpan is how much of the end of a process's standard error is looked at, in bytes.
const lastWordsSpan = 4096

// LastWords is the last line, other than blank ones, that a process of the run
// in dir wrote to standard error, as bytes of the process: most often, why it
// failed. It is empty where the process wrote none; a line is cut at 4096 bytes.
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
	end := make([]byte, min(size, lastWordsSpan))
	if _, err := f.ReadAt(end, size-int64(len(end))); err != nil {
		return nil, err
	}
	end = bytes.TrimRight(end, " \t\r\n")
	return bytes.TrimSpace(end[bytes.LastIndexByte(end, '\n')+1:]), nil
}
