package metric

import (
	"encoding/csv"
	"io"
	"slices"
	"strings"

	"downbeat/internal/experiment"
)

// A table reads the rows of a CSV or TSV, a line each. Among the output of a
// process there may be other lines before the header, and several tables.
type table struct {
	search *search
	into   *reducer
	feed   feed
	csv    *csv.Reader

	header []string
	field  int   // index of the metric's column; -1: there is no header yet
	where  []int // of those of its conditions
}

func newTable(s *search, into *reducer) *table {
	t := &table{search: s, into: into, field: -1}
	t.csv = csv.NewReader(&t.feed)
	t.csv.FieldsPerRecord, t.csv.ReuseRecord = -1, true
	if s.metric.Format == experiment.TSV {
		t.csv.Comma, t.csv.LazyQuotes = '\t', true
	} else {
		t.csv.TrimLeadingSpace = true
	}
	return t
}

// A feed gives the CSV reader one line and then its end, again and again: so a
// quote that is not closed spoils one line and not the rest of the file.
type feed struct{ line []byte }

func (f *feed) Read(p []byte) (int, error) {
	if len(f.line) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.line)
	f.line = f.line[n:]
	return n, nil
}

func (t *table) line(line []byte) {
	s := t.search
	if len(strings.TrimSpace(string(line))) == 0 {
		return
	}
	t.feed.line = line
	cells, err := t.csv.Read()
	t.feed.line = nil
	switch {
	case err != nil && t.field >= 0:
		s.left.note(s.place, s.row, "is not a row of a table: a quote is out of place")
	case err != nil:
	case t.begins(cells):
		s.note(noRow, "%s has no row below its header", s.place)
	case t.field < 0 && s.here.near >= noField: // one that is told is enough
	case t.field < 0:
		s.note(noField, "%s has no header with %s; its first line has %s", s.place, listed(t.columns()), listed(cells))
	case len(cells) == 1 && len(t.header) > 1 && s.isOutput():
		// Something else that the process had to say.
	case len(cells) != len(t.header):
		s.left.note(s.place, s.row, "does not have the header's %d cells", len(t.header))
	default:
		t.take(cells)
	}
}

// isOutput reports whether a process's own output is read.
func (s *search) isOutput() bool { return s.metric.Sources[0].File == "" }

// columns are those that the metric needs.
func (t *table) columns() []string {
	m := t.search.metric
	names := []string{m.Field}
	for _, c := range m.Where {
		if !slices.Contains(names, c.Field) {
			names = append(names, c.Field)
		}
	}
	return names
}

// begins takes a line as header if it has all the columns that are looked for.
func (t *table) begins(cells []string) bool {
	m := t.search.metric
	where := make([]int, len(m.Where))
	field := column(cells, m.Field)
	if field < 0 {
		return false
	}
	for i, c := range m.Where {
		if where[i] = column(cells, c.Field); where[i] < 0 {
			return false
		}
	}
	t.header, t.field, t.where = slices.Clone(cells), field, where
	t.search.known = true
	return true
}

// column finds a column by its name; blanks around it don't matter.
func column(cells []string, name string) int {
	name = strings.TrimSpace(name)
	return slices.IndexFunc(cells, func(cell string) bool { return strings.TrimSpace(cell) == name })
}

// take takes a row's value, if it is one of those that are looked for.
func (t *table) take(cells []string) {
	s := t.search
	for i, c := range s.metric.Where {
		if !same(cells[t.where[i]], c.Value) {
			s.note(noMatch, "%s has no row where %s is %q", s.place, c.Field, c.Value)
			return
		}
	}
	cell := cells[t.field]
	if strings.TrimSpace(cell) == "" {
		s.note(noValue, "%s has nothing but empty cells for %q", s.place, s.metric.Field)
		return
	}
	s.value(cell, t.into)
}

// same reports whether a value is the one that is looked for: as text, or as a number.
func same(got, want string) bool {
	got, want = strings.TrimSpace(got), strings.TrimSpace(want)
	if got == want {
		return true
	}
	a, ok := number(got)
	b, too := number(want)
	return ok && too && a == b
}
