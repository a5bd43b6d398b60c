package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"downbeat/internal/facts"
)

// A hostTable is what was true of the hosts, in the last run of which that is known. Hosts that
// were alike share a column.
type hostTable struct {
	Run     link
	Columns []string
	Rows    []hostFact
}

// A hostFact is a fact of each column's hosts.
type hostFact struct {
	Label string
	Cells []string
}

// evidence gives the facts of the runs that count, in their order.
func evidence(sorted []*run, superseded map[*run]bool) []facts.Run {
	var all []facts.Run
	for _, r := range sorted {
		if r.complete && !superseded[r] && !r.record.ReleasedAt.IsZero() {
			all = append(all, r.facts)
		}
	}
	return all
}

// differences says where hosts and runs were not alike.
func differences(sorted []*run, superseded map[*run]bool) []string {
	const most = 20
	all := facts.Differences(evidence(sorted, superseded))
	shown := make([]string, 0, min(len(all), most+1))
	for i, text := range all {
		if i == most && len(all) > most+1 {
			shown = append(shown, fmt.Sprintf("… and %d more", len(all)-most))
			break
		}
		shown = append(shown, printable(strings.ToUpper(text[:1])+text[1:])+".")
	}
	return shown
}

// hosts makes the table of the last run's hosts; nil if nothing is known of them.
func hosts(sorted []*run) *hostTable {
	for i, r := range slices.Backward(sorted) {
		if columns := columnsOf(r.facts.Hosts); len(columns) > 0 {
			t := tableOf(columns)
			t.Run = link{Link: r.link(), Text: fmt.Sprintf("run %d", i+1)}
			return t
		}
	}
	return nil
}

// A hostColumn is hosts that are alike, but for what is another one each time.
type hostColumn []facts.Host

func columnsOf(all []facts.Host) []hostColumn {
	var columns []hostColumn
	at := make(map[string]int)
	for _, h := range all {
		if h.Facts == nil {
			continue
		}
		var key strings.Builder
		for _, row := range facts.Rows {
			if !row.Fleeting {
				key.WriteString(row.Show(h.Facts) + "\x00")
			}
		}
		n, ok := at[key.String()]
		if !ok {
			n = len(columns)
			at[key.String()] = n
			columns = append(columns, nil)
		}
		columns[n] = append(columns[n], h)
	}
	return columns
}

func tableOf(columns []hostColumn) *hostTable {
	t := new(hostTable)
	for _, c := range columns {
		t.Columns = append(t.Columns, printable(c.title()))
	}
	for _, row := range facts.Rows {
		fact, known := hostFact{Label: row.Label}, false
		for _, c := range columns {
			cell := c.cell(row)
			known = known || cell != ""
			fact.Cells = append(fact.Cells, printable(cmp.Or(cell, "–")))
		}
		if known {
			t.Rows = append(t.Rows, fact)
		}
	}
	return t
}

// title names the hosts of a column, at most a few.
func (c hostColumn) title() string {
	const most = 4
	var names []string
	for i, h := range c {
		if i == most && len(c) > most+1 {
			return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), len(c)-most)
		}
		names = append(names, h.Name)
	}
	return strings.Join(names, ", ")
}

// cell is a fact of all hosts of a column: of a number that is another one each time from the
// least to the greatest, of such a text nothing, if there are several.
func (c hostColumn) cell(row facts.Row) string {
	if !row.Fleeting || len(c) == 1 {
		return row.Show(c[0].Facts)
	}
	if row.Number == nil {
		return ""
	}
	var values []float64
	for _, h := range c {
		if v, ok := row.Number(h.Facts); ok {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return ""
	}
	least, most := values[0], values[0]
	for _, v := range values {
		least, most = min(least, v), max(most, v)
	}
	if least == most {
		return number(least)
	}
	return number(least) + " to " + number(most)
}
