package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"downbeat/internal/facts"
	"downbeat/internal/publisher"
	"downbeat/internal/report"
	"downbeat/internal/results"
)

// factsTable prints what is true of the hosts: a row for each fact, a column for each host.
func (a *app) factsTable(reports []publisher.HostReport) error {
	var told []publisher.HostReport
	for _, r := range reports {
		switch {
		case r.Facts != nil:
			told = append(told, r)
		case r.Answered:
			a.say("publish: warning: the worker on %s is too old to tell facts of its host: update it\n", r.Host)
		}
	}
	if len(told) == 0 {
		return nil
	}
	fmt.Fprintln(a.out)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "FACT")
	for _, r := range told {
		fmt.Fprintf(w, "\t%s", r.Host)
	}
	fmt.Fprintln(w)
	for _, row := range facts.Rows {
		line, known := row.Label, false
		for _, r := range told {
			value := row.Show(r.Facts)
			known = known || value != ""
			line += "\t" + orDash(value)
		}
		if known {
			fmt.Fprintln(w, line)
		}
	}
	for i := range facts.MaxForeign {
		line, known := "", false
		if i == 0 {
			line = "used by"
		}
		for _, r := range told {
			cell := ""
			if i < len(r.Facts.Foreign) {
				f := r.Facts.Foreign[i]
				cell, known = fmt.Sprintf("%s (%d) %.0f %%", f.Name, f.PID, f.CPU*100), true
			}
			line += "\t" + cell
		}
		if !known {
			break
		}
		fmt.Fprintln(w, strings.TrimRight(line, "\t"))
	}
	return w.Flush()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// tellDifferences says where hosts, or runs, were not alike: what makes their numbers hard to
// compare.
func (s *series) tellDifferences(records []results.Record) {
	differences := facts.Differences(factsOf(records))
	for i, text := range differences {
		if i == most && len(differences) > most+1 {
			s.say("publish: note: ... and %d more differences; see %s\n", len(differences)-most, report.PageFile)
			return
		}
		s.say("publish: note: %s\n", text)
	}
}

// factsOf are those of the runs that are not superseded, in their order.
func factsOf(records []results.Record) []facts.Run {
	var runs []facts.Run
	superseded := results.Supersede(records)
	for i := range records {
		rec := &records[i]
		if superseded[i] || rec.ReleasedAt.IsZero() {
			continue
		}
		runs = append(runs, results.FactsOf(rec, "run "+rec.Run+" (datapoint "+strconv.Itoa(rec.Datapoint)+")"))
	}
	return runs
}
