package results

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLastWords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "alpha"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ written, want string }{
		"empty":      {"", ""},
		"blank":      {" \n\n", ""},
		"one":        {"no such key\n", "no such key"},
		"unfinished": {"one\ntwo", "two"},
		"trailing":   {"one\n  two\t\r\n\n \n", "two"},
		"long":       {"one\n" + strings.Repeat("x", 5000), strings.Repeat("x", 4096)},
	} {
		if err := os.WriteFile(filepath.Join(dir, "alpha", name+".err"), []byte(c.written), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := LastWords(dir, "alpha", name); string(got) != c.want || err != nil {
			t.Errorf("%s: got %.40q, %v, want %.40q", name, got, err, c.want)
		}
	}
	if got, err := LastWords(dir, "alpha", "silent"); got != nil || err != nil {
		t.Errorf("a process that wrote nothing: got %q, %v", got, err)
	}
}
