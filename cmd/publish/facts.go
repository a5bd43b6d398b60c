package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"downbeat/internal/facts"
	"downbeat/internal/publisher"
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
