package experiment

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

// A Metric is one number to be taken from what a run left.
type Metric struct {
	Name string
	Unit string // for people; may be empty
	// Better says which values are; empty: that is not known.
	Better Direction
	// Sources are where its values are: files, or streams of processes.
	Sources []Source
	// Sample is the name of a quantity of which they are samples, instead; see the samples package.
	Sample string
	// Program, if set, finds the value instead. Field is the path of a number in the object
	// that it prints; without one, each number of an object is a metric: see [Metric.Part].
	Program *Program
	// Format is how they are written if Field is set: the name of a column, or a
	// path such as latency.p99. Where picks rows.
	Format Format
	Field  string
	Where  []Condition
	// Tag is that of the histograms that count, in HDR: empty for those without one, AnyTag for
	// all.
	Tag string
	// Pattern finds values instead. It has one group, or none where they are
	// only counted.
	Pattern *regexp.Regexp
	// Parse says how a value is read.
	Parse Notation
	// Lines makes one value of those of each source, and Processes one of
	// these; without Lines, Processes makes one of all values.
	Lines, Processes Reduction
	// Window is the name of the window in which values count; empty: they all do.
	Window string
	// Series is the width of the pieces of the run's time for each of which the metric is
	// computed too; 0: for none.
	Series time.Duration
	// Scale multiplies the result.
	Scale float64
	// Partial: the number may rest on fewer processes, or files, than there are.
	Partial bool
	// Definition is a hash of what the file says about the metric: values with the
	// same one may stand in one column.
	Definition string
}

// Timed reports whether the metric depends on when its values were read.
func (m *Metric) Timed() bool {
	return m.Sample != "" || m.Window != "" || m.Series > 0 || m.Inner() == Rate
}

// Part is the metric that a key of the object stands for which its program prints.
func (m *Metric) Part(key string) (Metric, error) {
	part := *m
	part.Name = m.Name + "." + key
	return part, cmp.Or(message.CheckName(key), message.CheckName(part.Name))
}

// Gives reports whether the metric may give one with that name, besides its own.
func (m *Metric) Gives(name string) bool {
	return m.Program != nil && m.Field == "" && strings.HasPrefix(name, m.Name+".")
}

// NeedsAll reports whether the number is wrong if the value of a process is
// missing. One that counts processes, or picks the value of one, is not.
func (m *Metric) NeedsAll() bool {
	switch m.Processes {
	case First, Last:
		return false
	case Count:
		return m.Lines == "" // else it counts those that have a value
	}
	return true
}

// A Direction says which values of a metric are better.
type Direction string

// The directions.
const (
	Lower  Direction = "lower"
	Higher Direction = "higher"
)

// A Source is a place where a metric's values are. One of File and Process is set; of samples of a
// host, neither is.
type Source struct {
	Host    string
	File    string // a pattern below the host's collected files
	Process string
	Stream  streams.Stream
	// Named are the processes on the host whose files File names. Groups are theirs,
	// if the metric does not say whose files these are: then no file is expected of
	// a group that has left none on any host.
	Named  []string
	Groups []string
}

// Wild reports whether File may be the name of several files.
func (s *Source) Wild() bool { return strings.ContainsAny(s.File, `*?[{\\`) }

// A Condition is a field that a row has to have with that value.
type Condition struct{ Field, Value string }

// Inner is the reduction that is applied to the values themselves.
func (m *Metric) Inner() Reduction { return cmp.Or(m.Lines, m.Processes) }

// String says what the metric looks for, for people.
func (m *Metric) String() string {
	var b strings.Builder
	switch {
	case m.Sample != "":
		return m.Sample
	case m.Program != nil && m.Field == "":
		return "what " + m.Program.String() + " prints"
	case m.Program != nil:
		return fmt.Sprintf("field %q of what %s prints", m.Field, m.Program)
	case m.Pattern != nil:
		fmt.Fprintf(&b, "lines that match %s", m.Pattern)
	case m.Format == HDR && m.Tag == "":
		b.WriteString("histograms")
	case m.Format == HDR:
		fmt.Fprintf(&b, "histograms with tag %q", m.Tag)
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

// The formats. JSON is one document, or a list of rows; JSONL has a document on
// each line.
const (
	JSON  Format = "json"
	JSONL Format = "jsonl"
	CSV   Format = "csv"
	TSV   Format = "tsv"
	HDR   Format = "hdr" // HdrHistogram's log: histograms, V2, compressed
)

var formats = []Format{JSON, JSONL, CSV, TSV, HDR}

// AnyTag stands for all tags of histograms, and for none.
const AnyTag = "*"

// Notation is how a value is written.
type Notation string

// The notations; "" is NotationNumber.
const (
	NotationNumber   Notation = "number"
	NotationDuration Notation = "duration" // 1.13ms, in seconds
	NotationSI       Notation = "si"       // 9.19k, 3Mi
)

// formatOf tells a format by the end of a file's name, or gives "".
func formatOf(file string) Format {
	ext := Format(strings.ToLower(strings.TrimPrefix(path.Ext(file), ".")))
	switch {
	case ext == "ndjson":
		return JSONL
	case ext == "hlog":
		return HDR
	case slices.Contains(formats, ext):
		return ext
	}
	return ""
}

// A metric is a metric of the file with its templates.
type metric struct {
	Metric
	judge
	whole   *text // its place
	file    *text // one of file, stream and judge.command is set
	stream  string
	groups  []string // empty: all
	hosts   []string // empty: all
	field   *text    // one of field and pattern is set
	pattern *text
	where   []variable
	tag     *text // with the format HDR
}

// metrics reads the metrics by their names.
var metrics = binding[File]{
	words: "map", schema: mapSchema(ref("metric")), inner: []*table{metricFields.table()},
	read: func(v value, f *File) {
		if !v.isMap("such as {throughput: {file: client.jsonl, field: throughput, reduce: sum}}", "must be a map of metrics") {
			return
		}
		for _, child := range v.pairs() {
			if err := message.CheckName(child.key); err != nil {
				v.wrongKey(child, "", "%v", err)
			}
			if isDuration(child.key) {
				v.in.add(child.at, child.path, "choose another name", "every run has a %s already, which is measured", child.key)
			}
			if !child.isMap("such as {file: client.jsonl, field: throughput, reduce: sum}", "a metric must be a map") {
				continue
			}
			m := &metric{Metric: Metric{Name: child.key}, whole: &text{at: child.at, field: child.path}}
			metricFields.read(child, m)
			if m.command != nil {
				m.Program = &Program{} // until it is known for a datapoint
			}
			m.Definition = m.definition(f.windowOf(m.Window))
			f.metrics = append(f.metrics, m)
		}
		checkMetricNames(v.in)
	},
}

// checkMetricNames checks that no metric has the name of one that a program may give.
func checkMetricNames(in *scope) {
	for _, m := range in.file.metrics {
		for _, other := range in.file.metrics {
			if m.gives(other.Name) {
				in.add(other.whole.at, other.whole.field, "choose another name, or give "+m.Name+" a field", "metric %s gives metrics that are named %s.KEY", m.Name, m.Name)
			}
		}
	}
}

// gives reports whether the metric may give one with that name, besides its own.
func (m *metric) gives(name string) bool {
	return m.command != nil && m.field == nil && strings.HasPrefix(name, m.Name+".")
}

// anybodys reports whether the metric does not say whose files it is about.
func (m *metric) anybodys() bool {
	return m.file != nil && m.file.constant() && len(m.groups) == 0 && len(m.hosts) == 0
}

// checkMetric checks what depends on several fields of a metric.
func checkMetric(v value, m *metric, given found) {
	if given.meant("sample") {
		checkSampled(v, m, given)
		return
	}
	checkValuesFrom(v, given)
	if given.has("run") {
		checkProgramMetric(given)
		return
	}
	if timeout, ok := given.get("timeout"); ok {
		timeout.wrong("remove it", "a timeout goes with run, not with file or output")
	}
	if !given.meant("reduce") {
		v.in.add(v.at, v.path, "such as reduce: sum", `"reduce" is missing: it makes one number of the values of several lines and processes`)
	}
	checkSelection(v, m, given)
	checkTimes(v, m, given)
	warnOfTooWide(v.in, m)
}

// warnOfTooWide warns about a metric that needs a value of every process of several
// groups, since probably not all of them have one.
func warnOfTooWide(in *scope, m *metric) {
	groups := in.file.Groups
	if len(groups) < 2 || len(m.groups) > 0 || len(m.hosts) > 0 || m.Partial || !m.NeedsAll() || m.Inner().Counts() || m.anybodys() {
		return
	}
	in.warn(m.whole.at, m.whole.field, "", "every process of %s must have a value, or the run fails; with group: only those of one group must",
		"groups "+strings.Join(groupNames(groups), ", "))
}

// warnOfUncollected warns about metrics of files when no files are collected.
func warnOfUncollected(in *scope) {
	f := in.file
	if len(f.collect) > 0 || slices.ContainsFunc(f.commands, func(c *command) bool { return len(c.collect) > 0 }) {
		return
	}
	for _, m := range f.metrics {
		if m.file != nil {
			in.warn(m.file.at, m.file.field, "", "nothing is collected, so it finds nothing: add a collect that matches these files")
		}
	}
}

// checkValuesFrom checks that exactly one field says where the values are.
func checkValuesFrom(v value, given found) {
	output, hasOutput := given.get("output")
	run, hasRun := given.get("run")
	switch {
	case !given.meant("file", "output", "run"):
		v.in.add(v.at, v.path, "file: names files that were collected; output: stdout is what processes wrote; sample: cpu is what was used; run: ./judge.py finds the value",
			`"file", "output", "sample" or "run" is missing: it says where the values are`)
	case hasRun && (hasOutput || given.has("file")):
		run.wrong("remove one", "the values are in files, in the output, or found by a program, not several of these")
	case given.has("file") && hasOutput:
		output.wrong("remove one", "the values are in files or in the output, not in both")
	}
}

// checkTimes checks that what depends on times is said of lines that have some.
func checkTimes(v value, m *metric, given found) {
	if m.Lines != "" && m.Processes == Rate {
		v.in.add(v.at, v.path, "such as {lines: rate, processes: sum}", "rate counts lines by their times: it is for the lines, not for the processes")
	}
	if !given.has("file") || m.Format == HDR {
		return
	}
	const hint = "the lines of a process's output do: use output"
	for _, name := range []string{"window", "series"} {
		if field, ok := given.get(name); ok {
			field.wrong(hint, "when a collected file was written is not known: its lines have no times")
		}
	}
	if reduce, ok := given.get("reduce"); ok && m.Inner() == Rate {
		reduce.wrong(hint, "a rate needs times, and the lines of a collected file have none")
	}
}

// checkProgramMetric checks that a metric by program has no field that is about lines.
func checkProgramMetric(given found) {
	for _, name := range []string{"pattern", "format", "tag", "where", "group", "host", "window", "reduce", "series"} {
		if other, ok := given.get(name); ok {
			other.wrong("remove it", "%s goes with file or output: a program has the whole run, and finds the value by itself", name)
		}
	}
}

// checkSelection checks that exactly one field says what in a line is a value.
func checkSelection(v value, m *metric, given found) {
	pattern, hasPattern := given.get("pattern")
	if !given.has("format") && !given.has("field") && !hasPattern && m.file != nil && formatOf(m.file.src) == HDR {
		m.Format = HDR
	}
	if tag, ok := given.get("tag"); ok && m.Format != HDR {
		tag.wrong("remove it", "a tag is that of a histogram: it goes with format hdr")
	}
	switch {
	case m.Format == HDR:
		checkHistograms(v, m, given)
	case !given.meant("field", "pattern"):
		v.in.add(v.at, v.path, `a column or a path such as latency.p99, or a regular expression such as '([0-9.]+) req/s'`,
			`"field" or "pattern" is missing: it says what in there is a value`)
	case given.has("field") && hasPattern:
		pattern.wrong("remove one", "values are found by a field or by a pattern, not by both")
	case hasPattern:
		checkPattern(m, pattern, given)
	case !given.has("format"):
		implyFormat(v, m, given)
	}
}

// checkHistograms checks what is said of histograms.
func checkHistograms(v value, m *metric, given found) {
	for _, name := range []string{"field", "pattern", "where", "parse"} {
		if other, ok := given.get(name); ok {
			other.wrong("remove it", "the values are in histograms, not in a %s", map[string]string{"field": "field", "pattern": "line that matches a pattern", "where": "row", "parse": "text"}[name])
		}
	}
	if r := m.Inner(); r == Sum || r == First || r == Last {
		v.in.add(v.at, v.path, "count, mean, min, max, median, a percentile such as p99, or rate", "histograms have no %s", r)
	}
}

func checkPattern(m *metric, v value, given found) {
	if m.pattern != nil && m.pattern.constant() {
		if _, err := compilePattern(m.pattern.src, m.Inner()); err != nil {
			v.in.problem(m.pattern, err)
		}
	}
	for _, name := range []string{"format", "where"} {
		if other, ok := given.get(name); ok {
			other.wrong("remove it", "%s goes with a field, not with a pattern", name)
		}
	}
}

// implyFormat finds the format from the file's name.
func implyFormat(v value, m *metric, given found) {
	const hint = "add format: json, jsonl, csv, tsv or hdr"
	switch {
	case m.file != nil:
		if m.Format = formatOf(m.file.src); m.Format == "" {
			v.in.add(m.file.at, v.path, hint, "the format is not clear from the name %q", m.file.src)
		}
	case given.has("output"):
		v.in.add(v.at, v.path, hint, "the format of the output is missing")
	}
}

// compilePattern makes the expression that finds values for a reduction.
func compilePattern(src string, r Reduction) (*regexp.Regexp, error) {
	re, err := regexp.Compile(src)
	switch {
	case err != nil:
		return nil, &textError{"not a regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: "), "see https://pkg.go.dev/regexp/syntax"}
	case re.NumSubexp() == 0 && !r.Counts():
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

// globs is a pattern of files below a run's directory.
var globs = shape[*text]{"pattern", nonEmpty, func(v value) *text {
	t := v.with(allKeys).text()
	if t != nil && t.constant() {
		if err := checkGlob(t.src); err != nil {
			v.in.problem(t, err)
		}
	}
	return t
}}

// conditions are the fields that a row has to have.
var conditions = shape[[]variable]{"map of templates", schema{"type": "object", "minProperties": 1, "additionalProperties": scalarSchema}, func(v value) (where []variable) {
	if v.kind != mapNode || len(v.node.pairs) == 0 {
		v.wrong("such as {test: SET}", "must be a map of fields and their values, not %s", v.describeEmpty())
		return nil
	}
	for _, child := range v.pairs() {
		if child.key == "" {
			v.wrongKey(child, "", "a field has no name")
		}
		if t := child.with(limitKeys).scalar(); t != nil {
			where = append(where, variable{child.key, t})
		}
	}
	return where
}}

const maxUnit = 63

// unit is a short word for people.
var unit = shape[string]{"string", schema{"type": "string", "minLength": 1, "maxLength": maxUnit}, func(v value) string {
	s, ok := v.str()
	if ok && (strings.TrimSpace(s) == "" || len(s) > maxUnit || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' })) {
		v.wrong("such as ms or req/s", "must be a short word")
	}
	return s
}}

// Better says which values of a metric are better; empty: the file does not say. The numbers of a
// program that prints several are metrics with its name and theirs.
func (f *File) Better(name string) Direction {
	whole, _, _ := strings.Cut(name, ".")
	found := Direction("")
	for _, m := range f.metrics {
		switch m.Name {
		case name:
			return m.Better
		case whole:
			found = m.Better
		}
	}
	return found
}
