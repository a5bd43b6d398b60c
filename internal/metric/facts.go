package metric

import (
	"fmt"
	"strings"

	"downbeat/internal/experiment"
	"downbeat/internal/facts"
	"downbeat/internal/results"
)

// unmetFact says on which hosts of a run a fact is not as it is required to be. What is not
// known is not as required.
func unmetFact(r *experiment.Requirement, rec *results.Record) []string {
	row, _ := facts.RowOf(r.Name)
	hosts := make(map[string][]string)
	var values []string // in the order in which they are met
	for i := range rec.Hosts {
		h := &rec.Hosts[i]
		value, ok := factOf(r, row, h.Facts)
		if ok {
			continue
		}
		if hosts[value] == nil {
			values = append(values, value)
		}
		hosts[value] = append(hosts[value], h.Host)
	}
	reasons := make([]string, len(values))
	for i, value := range values {
		is := "is " + value
		if value == "" {
			is = "is not known"
		}
		reasons[i] = fmt.Sprintf("%s %s on %s, required %s", r.Name, is, strings.Join(hosts[value], ", "), r.Text)
	}
	return reasons
}

// factOf gives a fact of a host for people, and whether it is as required.
func factOf(r *experiment.Requirement, row facts.Row, f *facts.HostFacts) (value string, ok bool) {
	switch {
	case f == nil:
	case row.Text != nil:
		value, ok = row.Text(f)
		ok = ok && r.Permits(value)
	default:
		var v float64
		v, ok = row.Number(f)
		value, ok = row.Show(f), ok && r.Met(v)
	}
	return value, ok
}
