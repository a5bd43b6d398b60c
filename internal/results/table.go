package results

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The tables of an experiment: one row for each run, one for each process.
const (
	DatapointsFile = "datapoints.csv"
	ProcessesFile  = "processes.csv"
)

// A column is identified by its kind and its name; its header is made from both.
type column struct {
	kind columnKind
	name string
}

type columnKind string

const (
	fieldColumn     columnKind = "field" // of run.json, with its name there
	parameterColumn columnKind = "parameter"
	metricColumn    columnKind = "metric"
	// On how many processes a metric is based, and out of how many.
	valuesColumn   columnKind = "values"
	expectedColumn columnKind = "expected"
)

// A row is one line of a table; missing cells are empty.
type row map[column]string

// A table is a CSV file that grows by rows and, if a later run has new parameters or metrics,
// by columns.
type table struct {
	path       string
	fields     []string // after those that identify the run
	parameters []string // sorted
	metrics    []string // sorted
	begun      bool
}

// tables are the two of an experiment.
type tables struct {
	datapoints table
	processes  table
}

func newTables(dir string) *tables {
	return &tables{
		datapoints: table{path: filepath.Join(dir, DatapointsFile), fields: datapointFields},
		processes:  table{path: filepath.Join(dir, ProcessesFile), fields: processFields},
	}
}

// tabulate adds the run in a directory to the tables, and marks the rows of runs that it
// supersedes.
func (e *Experiment) tabulate(rec Record, directory string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	gone := make(map[string]bool)
	for i := range e.tabled {
		if t := &e.tabled[i]; !t.superseded && supersedes(rec, t.Record) {
			t.superseded, gone[t.Run] = true, true
		}
	}
	if err := e.tables.mark(gone); err != nil {
		return err
	}
	if err := e.enter(tabled{brief(rec), place{directory: directory}}, rec); err != nil {
		return err
	}
	return e.writeSummary()
}

// enter adds a run's rows.
func (e *Experiment) enter(t tabled, rec Record) error {
	parameters := slices.Sorted(maps.Keys(rec.Parameters))
	metrics := slices.Sorted(maps.Keys(rec.Metrics))
	if err := e.tables.processes.add(parameters, nil, processRows(rec, t.place)); err != nil {
		return err
	}
	if err := e.tables.datapoints.add(parameters, metrics, []row{datapointRow(rec, t.place)}); err != nil {
		return err
	}
	e.tabled = append(e.tabled, t)
	return nil
}

// mark marks the rows of these runs as superseded.
func (t *tables) mark(runs map[string]bool) error {
	if len(runs) == 0 {
		return nil
	}
	for _, t := range []*table{&t.processes, &t.datapoints} {
		if !t.begun {
			continue
		}
		columns := t.columns()
		err := t.rewrite(columns, columns, func(r row) {
			if runs[r[column{fieldColumn, "run"}]] {
				r[column{fieldColumn, supersededField}] = "true"
			}
		})
		if err != nil {
			return fmt.Errorf("mark the runs that another has superseded: %w", err)
		}
	}
	return nil
}

// add appends rows with one write, so that a program that reads the table meanwhile sees whole
// rows.
func (t *table) add(parameters, metrics []string, rows []row) error {
	before := t.columns()
	t.parameters = union(t.parameters, parameters)
	t.metrics = union(t.metrics, metrics)
	after := t.columns()
	if t.begun && len(after) > len(before) {
		if err := t.rewrite(before, after, func(row) {}); err != nil {
			return fmt.Errorf("add columns: %w", err)
		}
	}
	var lines [][]string
	if !t.begun {
		lines = append(lines, t.header())
	}
	for _, r := range rows {
		lines = append(lines, cells(after, r))
	}
	data, err := encodeCSV(lines)
	if err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	if err := appendFile(t.path, data); err != nil {
		return err
	}
	t.begun = true
	return nil
}

// rewrite writes the table again, with change applied to each row. New columns are empty in the
// existing rows.
func (t *table) rewrite(before, after []column, change func(row)) error {
	data, err := os.ReadFile(t.path)
	if err != nil {
		return err
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = len(before)
	old, err := r.ReadAll()
	if err == nil && len(old) == 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("%s: %w; another program has changed the file", t.path, err)
	}
	lines := [][]string{t.header()}
	for _, line := range old[1:] {
		values := make(row, len(before))
		for i, c := range before {
			values[c] = line[i]
		}
		change(values)
		lines = append(lines, cells(after, values))
	}
	if data, err = encodeCSV(lines); err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	return writeAtomically(filepath.Dir(t.path), filepath.Base(t.path), data)
}

// columns are those that identify the run, the parameters, the other fields, the bases of the
// metrics, and the metrics.
func (t *table) columns() []column {
	var columns []column
	for kind, names := range t.sections() {
		for _, name := range names {
			columns = append(columns, column{kind, name})
			if kind == valuesColumn {
				columns = append(columns, column{expectedColumn, name})
			}
		}
	}
	return columns
}

func (t *table) sections() func(yield func(columnKind, []string) bool) {
	return func(yield func(columnKind, []string) bool) {
		_ = yield(fieldColumn, runFields) &&
			yield(parameterColumn, t.parameters) &&
			yield(fieldColumn, t.fields) &&
			yield(valuesColumn, t.metrics) &&
			yield(metricColumn, t.metrics)
	}
}

// header names the columns. A parameter or metric has its name in the file, unless another
// column has that name or it begins with one of these prefixes: then it is prefixed with
// "parameter." or "metric.". The basis of a metric is named after it, with the suffixes "_n"
// and "_expected" or, if those are taken, the prefixes "values." and "expected.".
func (t *table) header() []string {
	var header []string
	for _, c := range t.columns() {
		name := t.plain(c)
		if c.kind != fieldColumn && t.ambiguous(c, name) {
			name = string(c.kind) + "." + c.name
		}
		header = append(header, name)
	}
	return header
}

// plain is a column's name if no other column has it.
func (t *table) plain(c column) string {
	switch c.kind {
	case valuesColumn:
		return c.name + "_n"
	case expectedColumn:
		return c.name + "_expected"
	}
	return c.name
}

func (t *table) ambiguous(c column, name string) bool {
	for _, kind := range []columnKind{parameterColumn, metricColumn, valuesColumn, expectedColumn} {
		if strings.HasPrefix(name, string(kind)+".") {
			return true
		}
	}
	return slices.Contains(runFields, name) ||
		slices.Contains(datapointFields, name) ||
		slices.Contains(processFields, name) ||
		c.kind != parameterColumn && slices.Contains(t.parameters, name) ||
		(c.kind == valuesColumn || c.kind == expectedColumn) && slices.Contains(t.metrics, name)
}

func cells(columns []column, r row) []string {
	line := make([]string, len(columns))
	for i, c := range columns {
		line[i] = r[c]
	}
	return line
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func encodeCSV(lines [][]string) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(lines); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func appendFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// ShowParameter is a parameter's value for people, as the tables have it.
func ShowParameter(v any) string { return jsonCell(v) }

// jsonCell formats a parameter or list for a cell: a plain string as it is, everything else as
// JSON.
func jsonCell(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	data, err := marshal(v, "")
	if err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSpace(string(data))
}
