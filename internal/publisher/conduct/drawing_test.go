package conduct

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"downbeat/internal/message"
)

// The drawings of stages and phases say what the tables say, beside them and in the
// protocol.
func TestDrawingsAreWhatTheTablesSay(t *testing.T) {
	t.Parallel()
	stages, phases := make(map[string]bool), make(map[string]bool)
	for _, s := range stageTransitions {
		for from := s.from; from <= s.until; from++ {
			edge(stages, from.String(), s.to.String())
		}
	}
	for _, s := range phaseTransitions {
		for from := s.from; from <= s.until && !s.stay; from++ {
			edge(phases, from.String(), s.to.String())
		}
	}
	beats := make(map[string]bool)
	for _, s := range beatTransitions {
		edge(beats, s.from.String(), s.to.String())
	}
	for _, where := range []struct {
		file, begin string
		want        map[string]bool
	}{
		{"stage.go", "//	gathering ", stages},
		{"phase.go", "//	asked ", phases},
		{"beats.go", "//	beat_waiting ", beats},
		{"../../../docs/protocol.md", "gathering ⇄", stages},
		{"../../../docs/protocol.md", "asked → ", phases},
	} {
		drawn := make(map[string]bool)
		for _, line := range block(t, where.file, where.begin) {
			readChain(drawn, line)
		}
		for e := range where.want {
			if !drawn[e] {
				t.Errorf("%s: %s is not drawn", where.file, e)
			}
		}
		for e := range drawn {
			if !where.want[e] {
				t.Errorf("%s: %s is drawn, and not in the table", where.file, e)
			}
		}
	}
}

func edge(edges map[string]bool, from, to string) {
	if from != to {
		edges[from+" → "+to] = true
	}
}

// block gives the lines from the first that begins so to the first that isn't of the
// drawing.
func block(t *testing.T, file, begin string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	first := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, begin) })
	if first < 0 {
		t.Fatalf("%s has no drawing that begins with %q", file, begin)
	}
	var drawing []string
	for _, line := range lines[first:] {
		line = strings.TrimSpace(strings.TrimPrefix(line, "//"))
		if !strings.ContainsAny(line, "→⇄") {
			break
		}
		drawing = append(drawing, line)
	}
	return drawing
}

var arrow = regexp.MustCompile(`\s*(→|⇄)\s*`)

// readChain reads a line such as "a, b → c ⇄ d".
func readChain(edges map[string]bool, line string) {
	names, arrows := arrow.Split(line, -1), arrow.FindAllString(line, -1)
	for i, a := range arrows {
		for from := range strings.SplitSeq(names[i], ", ") {
			for to := range strings.SplitSeq(names[i+1], ", ") {
				edge(edges, from, to)
				if strings.Contains(a, "⇄") {
					edge(edges, to, from)
				}
			}
		}
	}
}

// Every kind of event that has a number is in the table, so that none is forgotten; and
// every deadline has a name of its own.
func TestTablesAreWhole(t *testing.T) {
	t.Parallel()
	for _, kind := range []message.EventKind{
		message.Waiting, message.SettingUp, message.Refused, message.Ready, message.Committed, message.Started, message.Exited,
		message.Stopping, message.TearingDown, message.Ended, message.Done, message.Want,
	} {
		if !slices.ContainsFunc(phaseTransitions, func(s phaseTransition) bool { return s.on == kind }) {
			t.Errorf("%s is not in the table", kind)
		}
	}
	names := make(map[string]bool)
	for _, d := range slices.Concat(hostDeadlines[:], runDeadlines[:]) {
		if names[d.name] || d.name == "" {
			t.Errorf("the name %q is not its own", d.name)
		}
		names[d.name] = true
	}
	for p := range Completed {
		if p.String() == "" || fmt.Sprint(p) == "" {
			t.Errorf("phase %d has no name", p)
		}
	}
}
