// Package export writes the results of an experiment for other programs: one tidy table each of
// its runs, hosts, processes and metrics, as CSV, Parquet or SQLite, and the summary as a table
// for LaTeX.
//
// [Load] reads an experiment and [Data.Tables] makes the tables, which know nothing of files.
package export

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// A Kind is what is in the cells of a column. Any cell may be nil, as there is nothing.
type Kind uint8

// The kinds, with the Go type of their cells.
const (
	Text    Kind = iota // string
	Integer             // int64
	Real                // float64
	Boolean             // bool
	Time                // time.Time, in UTC
)

// A Column is one of a table.
type Column struct {
	Name string
	Kind Kind
}

// A Table has its rows in the order in which they are written, each with a cell for each column.
type Table struct {
	Name    string
	Columns []Column
	Rows    iter.Seq2[[]any, error] // what ends with an error is not whole
}

// rowsOf gives rows that are in memory.
func rowsOf(rows [][]any) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// A builder makes a table, row by row.
type builder struct {
	name    string
	columns []Column
	rows    [][]any
}

// add adds a row. The cells are in the order of the columns.
func (b *builder) add(cells ...any) {
	if len(cells) != len(b.columns) {
		panic(fmt.Sprintf("a row of table %s has %d cells, and there are %d columns", b.name, len(cells), len(b.columns)))
	}
	b.rows = append(b.rows, cells)
}

func (b *builder) table() Table { return Table{b.name, distinct(b.columns), rowsOf(b.rows)} }

// distinct gives each column a name that no other has, whatever case it is in: databases don't
// tell n from N.
func distinct(columns []Column) []Column {
	columns = slices.Clone(columns)
	taken := make(map[string]bool)
	for i := range columns {
		name := columns[i].Name
		for n := 2; taken[strings.ToLower(name)]; n++ {
			name = fmt.Sprintf("%s_%d", columns[i].Name, n)
		}
		taken[strings.ToLower(name)] = true
		columns[i].Name = name
	}
	return columns
}
