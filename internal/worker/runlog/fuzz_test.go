package runlog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// written is what the two segments of a log with these events look like on disk.
func written(f *testing.F, events ...string) (job, rest []byte) {
	f.Helper()
	dir := filepath.Join(f.TempDir(), "log")
	l, err := Create(dir, []byte("the job"))
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range events {
		if err := l.Append([]byte(e)); err != nil {
			f.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	var parts [2][]byte
	for i := range parts {
		if parts[i], err = os.ReadFile(l.path(uint64(i))); err != nil {
			f.Fatal(err)
		}
	}
	return parts[0], parts[1]
}

// A log that a crash or a bad disk has damaged is opened, or refused with an error. Only
// records with a valid checksum are read from it, and it can be appended to and read again.
func FuzzLog(f *testing.F) {
	job, rest := written(f, "one", "", "three and more")
	f.Add(job, rest, "00000000000000000001.log")
	f.Add(job, rest[:len(rest)-3], "00000000000000000001.log")
	f.Add(job, []byte{}, "00000000000000000009.log")
	f.Add([]byte{}, rest, "x.log")
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x00"), rest, "00000000000000000000.log")
	f.Add(job, rest, "18446744073709551615.log")
	f.Fuzz(func(t *testing.T, job, rest []byte, name string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "00000000000000000000.log"), job, 0o600); err != nil {
			t.Fatal(err)
		}
		if filepath.Base(name) != name || os.WriteFile(filepath.Join(dir, name), rest, 0o600) != nil {
			t.Skip("no name of a file")
		}
		l, _, err := Open(dir)
		if err != nil {
			return
		}
		defer func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}()
		last := l.Last()
		if err := l.Append([]byte("more")); err != nil {
			t.Fatal(err)
		}
		if l.Last() != last+1 {
			t.Fatalf("the newest record was %d, and is %d after one more", last, l.Last())
		}
		reader := l.Reader(l.First())
		for seq := l.First(); ; seq++ {
			got, record, ok, err := reader.Next(nil)
			if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrTrimmed) {
				t.Fatal(err)
			}
			if err != nil || !ok {
				if seq <= last+1 && err == nil {
					t.Fatalf("record %d of %d is not there", seq, last+1)
				}
				return
			}
			if got != seq || seq == last+1 && !bytes.Equal(record, []byte("more")) {
				t.Fatalf("record %d is %d, %q", seq, got, record)
			}
		}
	})
}
