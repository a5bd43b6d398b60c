package sim

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewriteFlag = flag.Bool("rewrite", false, "write what comes out of the scenarios into testdata")

// Each step of a scenario has the outcome that its file says.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(data))
			if strings.Contains(got, "!!") {
				t.Errorf("%s breaks a promise:\n%s", file, got)
			}
			switch {
			case got == string(data):
			case *rewriteFlag:
				replaceFile(t, file, []byte(got))
			default:
				t.Errorf("%s goes otherwise (-rewrite accepts that):\n%s", file, got)
			}
		})
	}
}

// replaceFile writes a file anew, at once: another test may be reading it.
func replaceFile(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// play carries out a file of steps and writes it anew, with what came out.
func play(t *testing.T, file string) string {
	t.Helper()
	var out strings.Builder
	s := NewScenario()
	var step []string
	inOutput := false
	for line := range strings.Lines(file) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case inOutput:
			if line == "" {
				inOutput = false
				out.WriteString("\n")
			}
		case line == "----":
			came, err := s.Do(step[0], step[1:])
			if err != nil {
				t.Fatalf("%s: %v", step[0], err)
			}
			out.WriteString("----\n" + came)
			step, inOutput = nil, true
		default:
			out.WriteString(line + "\n")
			if line != "" && !strings.HasPrefix(line, "#") {
				step = append(step, line)
			}
		}
	}
	return out.String()
}
