package message

import (
	"errors"
	"strings"
	"testing"
)

func TestFilesOfAJobAreChecked(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("ab", 32)
	for _, f := range []File{
		{Path: "a", Mode: 0o644, Bytes: 1, SHA256: hash}, {Path: "a/b", Mode: 0, Text: "x"}, {Path: "..a", Mode: 0o777}, {Path: "empty", SHA256: hash},
	} {
		if err := f.check(); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
	for _, f := range []File{
		{Path: ""},
		{Path: "/a"},
		{Path: "../a"},
		{Path: "a/../b"},
		{Path: "a//b"},
		{Path: "a//"},
		{Path: "/"},
		{Path: "a/", Text: "x"},
		{Path: "./a"},
		{Path: "a\x00"},
		{Path: strings.Repeat("a/", 4000) + "a"},
		{Path: "a", Mode: 0o4755},
		{Path: "a", Bytes: 1},
		{Path: "a", SHA256: "../../etc/passwd"},
		{Path: "a", SHA256: strings.ToUpper(hash)},
		{Path: "a", SHA256: hash[1:]},
		{Path: "a", SHA256: hash, Bytes: -1},
		{Path: "a", SHA256: hash, Text: "x"},
	} {
		j := testJob()
		j.Files = []File{f}
		if err := j.Check(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%+v: error %v, want %v", f, err, ErrMalformed)
		}
	}
	j := testJob()
	j.Collect = []string{"../x"}
	if err := j.Check(); !errors.Is(err, ErrMalformed) {
		t.Errorf("a pattern that leads out: error %v, want %v", err, ErrMalformed)
	}
}
