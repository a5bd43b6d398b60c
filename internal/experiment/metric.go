package experiment

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"downbeat/internal/message"
)

// A Metric is one number to be taken out of what a run left.
type Metric struct {
	Name string
	Unit string // for people; may be empty
	// Sources are where its values are: files, or streams of processes.
	Sources []Source
	// Format is how they are written where Field is set, which is a column's
	// name, or a path such as latency.p99. Where picks rows.
	Format Format
	Field  string
	Where  []Condition
	// Pattern finds values instead. It has one group, or none where they are
	// only counted.
	Pattern *regexp.Regexp
	// Lines makes one value of those of each source, and Processes one of
	// these; without Lines, Processes makes one of all values.
	Lines, Processes Reduction
	// Scale multiplies the result.
	Scale float64
	// Partial: the number may rest on fewer processes, or files, than there are.
	Partial bool
	// Definition is a hash of what the file says of the metric: two values with
	// the same one may stand in one column.
	Definition string
}

// NeedsAll reports whether the number says nothing true of the run where the value
// of a process is not there. One that counts processes, or that picks the value
// of one, does without.
func (m *Metric) NeedsAll() bool {
	switch m.Processes {
	case First, Last:
		return false
	case Count:
		return m.Lines == "" // else it counts those that have a value
	}
	return true
}

// A Source is one or several places where a metric's values are. One of File
// and Process is set.
type Source struct {
	Host    string
	File    string // a pattern below the host's collected files
	Process string
	Stderr  bool // the process's standard error, else its standard output
	// Named are the processes on the host whose files File names. Groups are theirs
	// where the metric does not say whose files these are: then a group that has left
	// none anywhere owes none.
	Named  []string
	Groups []string
}

// Wild reports whether File may be the name of several files.
func (s *Source) Wild() bool { return strings.ContainsAny(s.File, `*?[{\\`) }

// A Condition is a field that a row has to have with that value.
type Condition struct{ Field, Value string }

// Inner is the reduction that the values themselves are given to.
func (m *Metric) Inner() Reduction { return cmp.Or(m.Lines, m.Processes) }

// String says what the metric looks for, for people.
func (m *Metric) String() string {
	var b strings.Builder
	switch {
	case m.Pattern != nil:
		fmt.Fprintf(&b, "lines that match %s", m.Pattern)
	default:
		fmt.Fprintf(&b, "field %q", m.Field)
	}
	for i, c := range m.Where {
		separator := " and "
		if i == 0 {
			separator = " where "
		}
		fmt.Fprintf(&b, "%s%s is %q", separator, c.Field, c.Value)
	}
	return b.String()
}

// Format is how values are written.
type Format string

// The formats. A text of JSON is one document, or a list of rows; JSONL has a
// document in each line.
const (
	JSON  Format = "json"
	JSONL Format = "jsonl"
	CSV   Format = "csv"
	TSV   Format = "tsv"
)

var formatNames = []string{"json", "jsonl", "csv", "tsv"}

// formatOf tells a format by the end of a file's name, or gives "".
func formatOf(file string) Format {
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(file), "."))
	if ext == "ndjson" {
		return JSONL
	}
	if slices.Contains(formatNames, ext) {
		return Format(ext)
	}
	return ""
}

// A metric is what the file says about one, as templates.
type metric struct {
	Metric
	whole   *text // its place
	file    *text // one of file and stream is set
	stream  string
	groups  []string // empty: all
	hosts   []string // empty: all
	field   *text    // one of field and pattern is set
	pattern *text
	where   []variable
}

func (d *decoder) metrics(n *node) {
	if n == nil {
		return
	}
	const hint = "such as {throughput: {file: client.jsonl, field: throughput, reduce: sum}}"
	if n.kind != mapNode {
		d.add(n.pos, "metrics", hint, "must be a map of metrics, not %s", n.kind)
		return
	}
	for _, p := range d.pairs(n, "metrics") {
		at := "metrics." + p.key
		if err := message.CheckName(p.key); err != nil {
			d.add(p.pos, "metrics", "", "%v", err)
		}
		if slices.Contains(measured, p.key) {
			d.add(p.pos, at, "choose another name", "every run has a %s: it is measured", p.key)
		}
		if p.value.kind != mapNode {
			d.add(p.value.pos, at, "such as {file: client.jsonl, field: throughput, reduce: sum}", "a metric must be a map, not %s", p.value.kind)
			continue
		}
		m := &metric{Metric: Metric{Name: p.key, Scale: 1}, whole: &text{at: p.pos, field: at}}
		d.metric(m, d.fields(p.value, at, metricFields))
		m.Definition = m.definition()
		d.file.metrics = append(d.file.metrics, m)
	}
}

func (d *decoder) metric(m *metric, fields map[string]*node) {
	at, path := m.whole.at, m.whole.field
	if n := fields["reduce"]; n != nil {
		m.Lines, m.Processes = d.reduce(n, path+".reduce")
	} else {
		d.add(at, path, "such as reduce: sum", `"reduce" is missing: it makes one number of the values of several lines and processes`)
	}
	if n := fields["group"]; n != nil {
		m.groups = d.names(n, path+".group", "group", groupNames(d.file.Groups))
	}
	if n := fields["host"]; n != nil {
		m.hosts = d.names(n, path+".host", "host", hostNames(d.file.Hosts))
	}
	if n := fields["unit"]; n != nil {
		m.Unit = d.unit(n, path+".unit")
	}
	if n := fields["scale"]; n != nil {
		m.Scale = d.number(n, path+".scale")
	}
	if n := fields["partial"]; n != nil {
		m.Partial = d.boolean(n, path+".partial")
	}
	d.valuesFrom(m, fields)
	d.selection(m, fields)
	d.tooWide(m)
}

// anybodys reports whether nothing says whose files the metric is about.
func (m *metric) anybodys() bool {
	return m.file != nil && m.file.constant() && len(m.groups) == 0 && len(m.hosts) == 0
}

// tooWide warns of a metric that wants a value of every process where there are
// several groups, of which one most likely has none.
func (d *decoder) tooWide(m *metric) {
	if len(d.file.Groups) < 2 || len(m.groups) > 0 || len(m.hosts) > 0 || m.Partial || !m.NeedsAll() || m.Inner() == Count || m.anybodys() {
		return
	}
	d.warn(m.whole.at, m.whole.field, "every process of %s has to have a value, else the run fails; with group: it is only those of one",
		"groups "+strings.Join(groupNames(d.file.Groups), ", "))
}

// uncollected warns of metrics whose files nobody brings home.
func (d *decoder) uncollected() {
	if len(d.file.collect) > 0 || slices.ContainsFunc(d.file.commands, func(c *command) bool { return len(c.collect) > 0 }) {
		return
	}
	for _, m := range d.file.metrics {
		if m.file != nil {
			d.warn(m.file.at, m.file.field, "nothing is collected, so it finds nothing: there has to be a collect that picks these files")
		}
	}
}

// valuesFrom reads where a metric's values are.
func (d *decoder) valuesFrom(m *metric, fields map[string]*node) {
	path := m.whole.field
	file, output := fields["file"], fields["output"]
	switch {
	case file == nil && output == nil:
		d.add(m.whole.at, path, "file: names files that were collected; output: stdout is what processes wrote", `"file" or "output" is missing: it says where the values are`)
	case file != nil && output != nil:
		d.add(output.pos, path+".output", "remove one", "the values are in files or in the output, not in both")
	}
	if file != nil {
		if m.file = d.text(file, path+".file", allKeys); m.file != nil && m.file.constant() {
			if err := checkGlob(m.file.src); err != nil {
				d.problem(m.file, err)
			}
		}
	}
	if output != nil {
		if m.stream = d.choice(output, path+".output", "output", []string{"stdout", "stderr"}); m.stream == "" {
			m.stream = "stdout"
		}
	}
}

// selection reads what of a line is a metric's value.
func (d *decoder) selection(m *metric, fields map[string]*node) {
	path := m.whole.field
	field, pattern, format, where := fields["field"], fields["pattern"], fields["format"], fields["where"]
	switch {
	case field == nil && pattern == nil:
		d.add(m.whole.at, path, `a column or a path such as latency.p99, or a regular expression such as '([0-9.]+) req/s'`,
			`"field" or "pattern" is missing: it says what in there is a value`)
	case field != nil && pattern != nil:
		d.add(pattern.pos, path+".pattern", "remove one", "values are found by a field or by a pattern, not by both")
		return
	}
	if pattern != nil {
		m.pattern = d.expression(m, pattern, path+".pattern")
		for name, n := range map[string]*node{"format": format, "where": where} {
			if n != nil {
				d.add(n.pos, path+"."+name, "remove it", "%s goes with a field, not with a pattern", name)
			}
		}
		return
	}
	if field != nil {
		if m.field = d.text(field, path+".field", limitKeys); m.field != nil && m.field.src == "" {
			d.add(field.pos, path+".field", "", "is empty")
		}
	}
	if format != nil {
		m.Format = Format(d.choice(format, path+".format", "format", formatNames))
	} else if field != nil {
		d.impliedFormat(m)
	}
	if where != nil {
		m.where = d.where(where, path+".where")
	}
}

// impliedFormat tells the format by the file's name.
func (d *decoder) impliedFormat(m *metric) {
	switch {
	case m.file != nil:
		if m.Format = formatOf(m.file.src); m.Format == "" {
			d.add(m.file.at, m.whole.field, "add format: json, jsonl, csv or tsv", "the format is not clear from the name %q", m.file.src)
		}
	case m.stream != "":
		d.add(m.whole.at, m.whole.field, "add format: json, jsonl, csv or tsv", "the format of the output is missing")
	}
}

func (d *decoder) expression(m *metric, n *node, path string) *text {
	t := d.text(n, path, limitKeys)
	if t != nil && t.constant() {
		if _, err := compilePattern(t.src, m.Inner()); err != nil {
			d.problem(t, err)
		}
	}
	return t
}

// compilePattern makes the expression that finds values for a reduction.
func compilePattern(src string, r Reduction) (*regexp.Regexp, error) {
	re, err := regexp.Compile(src)
	switch {
	case err != nil:
		return nil, &textError{"not a regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: "), "see https://pkg.go.dev/regexp/syntax"}
	case re.NumSubexp() == 0 && r != Count:
		return nil, &textError{"the pattern has no group", "put the number's part into parentheses, such as '([0-9.]+) req/s'"}
	case re.NumSubexp() > 1:
		return nil, &textError{fmt.Sprintf("the pattern has %d groups", re.NumSubexp()), "one holds the number; write (?:...) for the others"}
	}
	return re, nil
}

// checkGlob checks a pattern of files below a run's directory.
func checkGlob(glob string) error {
	switch {
	case glob == "":
		return &textError{"is empty", ""}
	case !doublestar.ValidatePattern(glob):
		return &textError{fmt.Sprintf("%q is not a pattern of files: a bracket or brace is not closed", glob), ""}
	case strings.HasPrefix(glob, "/"):
		return &textError{fmt.Sprintf("%q is not below the run's directory", glob), "give the path from there"}
	case slices.Contains(strings.Split(glob, "/"), ".."):
		return &textError{fmt.Sprintf("%q leaves the run's directory", glob), ""}
	}
	return nil
}

func (d *decoder) where(n *node, path string) []variable {
	if n.kind != mapNode || len(n.pairs) == 0 {
		d.add(n.pos, path, "such as {test: SET}", "must be a map of fields and their values, not %s", describeEmpty(n))
		return nil
	}
	var where []variable
	for _, p := range d.pairs(n, path) {
		if p.key == "" {
			d.add(p.pos, path, "", "a field has no name")
		}
		if t := d.scalar(p.value, path+"."+p.key, limitKeys); t != nil {
			where = append(where, variable{p.key, t})
		}
	}
	return where
}

func (d *decoder) unit(n *node, path string) string {
	s, ok := d.str(n, path)
	if ok && (strings.TrimSpace(s) == "" || len(s) > maxUnit || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' })) {
		d.add(n.pos, path, "such as ms or req/s", "must be a short word")
	}
	return s
}

const maxUnit = 63

// number reads a factor.
func (d *decoder) number(n *node, path string) float64 {
	v, err := strconv.ParseFloat(n.text, 64)
	if n.kind != numberNode || err != nil || v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		what := n.kind.String()
		if n.kind == numberNode {
			what = n.text
		}
		d.add(n.pos, path, "such as 0.001", "must be a number other than 0, not %s", what)
		return 1
	}
	return v
}

// choice reads one of a few words, "" if it is none of them.
func (d *decoder) choice(n *node, path, what string, words []string) string {
	s, ok := d.str(n, path)
	if ok && !slices.Contains(words, s) {
		d.add(n.pos, path, d.didYouMean(s, words), "unknown %s %q", what, s)
		return ""
	}
	return s
}
