package course

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The drawing at State is the table of transitions, no more and no less.
func TestDrawingIsTheTable(t *testing.T) {
	t.Parallel()
	compare(t, edgesOf(t, drawing(t)), Found)
}

// So is the one in the protocol's description, but for what a worker does at its start.
func TestDrawingInTheProtocolIsTheTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## A run on a host\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var lines []string
	drawing := false
	for line := range strings.Lines(section) {
		switch line = strings.TrimRight(line, "\n"); {
		case line == "```":
			drawing = !drawing
			lines = append(lines, "")
		case drawing:
			lines = append(lines, line)
		}
	}
	compare(t, edgesOf(t, lines), Waiting)
}

// compare compares a drawing with the table, from a state on.
func compare(t *testing.T, drawn map[edge]bool, first State) {
	t.Helper()
	table := map[edge]bool{}
	for _, tr := range transitions {
		for _, from := range tr.from {
			if tr.to != stay && tr.to != from && from >= first {
				table[edge{from.String(), tr.to.String()}] = true
			}
		}
	}
	for e := range table {
		if !drawn[e] {
			t.Errorf("%s → %s is not drawn", e.from, e.to)
		}
	}
	for e := range drawn {
		if !table[e] {
			t.Errorf("%s → %s is drawn, and not in the table", e.from, e.to)
		}
	}
}

// Each row of the table is for a state and trigger that no earlier row takes whole,
// or else it would never count.
func TestEveryTransitionCanCount(t *testing.T) {
	t.Parallel()
	type key struct {
		from State
		on   trigger
	}
	always := map[key]bool{}
	for _, tr := range transitions {
		for _, from := range tr.from {
			k := key{from, tr.on}
			if always[k] {
				t.Errorf("%s, %s: a row comes after one that always holds", from, tr.on)
			}
			always[k] = always[k] || tr.when == nil
		}
		if tr.to == stay && len(tr.do) == 0 {
			t.Errorf("%v, %s: a row that does nothing", tr.from, tr.on)
		}
	}
}

type edge struct{ from, to string }

// drawing gives the lines of the drawing in the comment at State.
func drawing(t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("state.go")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(source)) {
		if strings.HasPrefix(line, "type State ") {
			return lines
		}
		if text, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "//\t"); ok {
			lines = append(lines, text)
		} else {
			lines = append(lines, "") // drawings don't touch one another
		}
	}
	t.Fatal("there is no State")
	return nil
}

// A place is a character of the drawing.
type place struct{ row, column int }

// Each line character, and the sides to which it leads. An arrow's head leads on to
// what it points at.
var leads = map[rune][]place{
	'─': {left, right}, '│': {above, below},
	'┌': {right, below}, '┐': {left, below}, '└': {above, right}, '┘': {above, left},
	'├': {above, below, right}, '┤': {above, below, left}, '┬': {left, right, below}, '┴': {left, right, above}, '┼': {left, right, above, below},
	'→': {left, right}, '←': {left, right}, '↑': {above, below}, '↓': {above, below}, '⇄': {left, right},
}

var left, right, above, below = place{0, -1}, place{0, 1}, place{-1, 0}, place{1, 0}

var points = map[rune]place{'→': right, '←': left, '↑': above, '↓': below}

// edgesOf reads a drawing: what hangs together by lines leads from each state that it
// touches to each one that an arrow points at.
func edgesOf(t *testing.T, lines []string) map[edge]bool {
	t.Helper()
	grid := make([][]rune, len(lines))
	for i, line := range lines {
		grid[i] = []rune(line)
	}
	edges := map[edge]bool{}
	seen := map[place]bool{}
	for row := range grid {
		for column := range grid[row] {
			p := place{row, column}
			if len(leads[char(grid, p)]) == 0 || seen[p] {
				continue
			}
			from, to := map[string]bool{}, map[string]bool{}
			follow(t, grid, p, seen, from, to)
			for f := range from {
				for target := range to {
					if f != target {
						edges[edge{f, target}] = true
					}
				}
			}
		}
	}
	return edges
}

// follow goes along the lines from a place.
func follow(t *testing.T, grid [][]rune, p place, seen map[place]bool, from, to map[string]bool) {
	t.Helper()
	seen[p] = true
	c := char(grid, p)
	for _, side := range leads[c] {
		next := place{p.row + side.row, p.column + side.column}
		switch {
		case slices.Contains(leads[char(grid, next)], place{-side.row, -side.column}):
			if !seen[next] {
				follow(t, grid, next, seen, from, to)
			}
		default:
			name := label(grid, next, side)
			switch {
			case name == "":
				t.Errorf("line %d, column %d of the drawing leads nowhere", p.row+1, p.column+1)
			case c == '⇄':
				from[name], to[name] = true, true
			case points[c] == side:
				to[name] = true
			default:
				from[name] = true
			}
		}
	}
}

func char(grid [][]rune, p place) rune {
	if p.row < 0 || p.row >= len(grid) || p.column < 0 || p.column >= len(grid[p.row]) {
		return ' '
	}
	return grid[p.row][p.column]
}

// label is the name of the state at a place: its letters, and blanks between two of
// them. A line and a state in one row have a blank between them.
func label(grid [][]rune, p, side place) string {
	if char(grid, p) == ' ' {
		p.column += side.column
	}
	if p.row < 0 || p.row >= len(grid) {
		return ""
	}
	row := string(grid[p.row])
	for _, name := range stateNames {
		for begin := 0; ; {
			i := strings.Index(row[begin:], name)
			if i < 0 {
				break
			}
			first := len([]rune(row[:begin+i]))
			if p.column >= first && p.column < first+len(name) {
				return name
			}
			begin += i + len(name)
		}
	}
	return ""
}
