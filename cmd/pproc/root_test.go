package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// docs/configuration.md has a row for each flag, with its default.
func TestFlagsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, docs, _ := strings.Cut(string(text), "\n## pproc\n")
	docs, _, _ = strings.Cut(docs, "\n## ")
	rows := make(map[string]string)
	for line := range strings.Lines(docs) {
		if cells := strings.Split(strings.ReplaceAll(line, "`", ""), " | "); strings.Contains(cells[0], "--") && len(cells) > 2 {
			_, name, _ := strings.Cut(cells[0], "--")
			name, _, _ = strings.Cut(name, " ")
			rows[name] = cells[1]
		}
	}
	// The defaults in words, for flags without a default value.
	words := map[string]string{"tag": "off", "pty": "off", "names": "numbers", "timeout": "never", "file": "none"}
	newRoot(nil, io.Discard, io.Discard).Flags().VisitAll(func(f *pflag.Flag) {
		want := words[f.Name]
		if want == "" {
			want = f.DefValue
		}
		if got, ok := rows[f.Name]; !ok || got != want {
			t.Errorf("docs/configuration.md has %q for --%s, want %q", got, f.Name, want)
		}
		delete(rows, f.Name)
	})
	delete(rows, "help") // cobra's own, with --version beside it
	if len(rows) > 0 {
		t.Errorf("docs/configuration.md has flags that pproc has not: %v", rows)
	}
}
