package runner

import (
	"fmt"
	"testing"
)

// A process may have any name; its parent and start time come after the name.
func FuzzStat(f *testing.F) {
	f.Add("sleep", 1, 42)
	f.Add("a) R 1 1", 7, 7)
	f.Add("\n) (", 1, 1)
	f.Fuzz(func(t *testing.T, name string, parent, start int) {
		if len(name) > 15 || start < 0 {
			t.Skip("the kernel cuts names, and counts time from 0")
		}
		data := fmt.Sprintf("9 (%s) S %d 3 3 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", name, parent, start)
		got, ok := parseStat(9, []byte(data))
		if !ok || got.parent != parent || got.start != uint64(start) || got.group != 3 || got.zombie {
			t.Errorf("%q is read as %+v, %t", data, got, ok)
		}
	})
}

// Reading any content in /proc does no harm.
func FuzzStatOfAnyForm(f *testing.F) {
	f.Add([]byte("9 (x) Z"))
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, data []byte) { parseStat(9, data) })
}

// The first line of a file names an interpreter, or doesn't.
func FuzzInterpreter(f *testing.F) {
	f.Add([]byte("#!/bin/sh -e\n"))
	f.Add([]byte("#! \t\n"))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path, arg := interpreter(data)
		if len(path)+len(arg) > len(data) {
			t.Errorf("%q of %q", path+" "+arg, data)
		}
	})
}
