package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// trialsAsJSON prints an object for each run, a line each, whose fields are those of run.json.
func trialsAsJSON(w io.Writer, trials []trial) {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for _, t := range trials {
		r := t.now.Normal()
		_ = out.Encode(struct { // reported at the end, as for every command
			Directory  string                         `json:"directory"`
			Run        string                         `json:"run"`
			Datapoint  int                            `json:"datapoint"`
			Repetition int                            `json:"repetition"`
			Attempt    int                            `json:"attempt"`
			Parameters map[string]any                 `json:"parameters"`
			Outcome    string                         `json:"outcome"`
			Reason     string                         `json:"reason"`
			Metrics    results.Metrics                `json:"metrics"`
			Units      map[string]string              `json:"units,omitempty"`
			Notes      map[string]string              `json:"metric_notes,omitempty"`
			Of         map[string]results.MetricBasis `json:"metrics_of,omitempty"`
			Windows    []results.WindowRecord         `json:"windows,omitempty"`
			Checks     []results.Check                `json:"checks,omitempty"`
		}{
			t.dir, r.Run, r.Datapoint, r.Repetition, r.Attempt, r.Parameters, string(r.Outcome), r.Reason,
			r.Metrics, r.Units, r.MetricNotes, r.MetricsOf, r.Windows, checksOf(r),
		})
	}
}

func checksOf(r results.Record) []results.Check {
	if r.Judged == nil {
		return nil
	}
	return r.Judged.Checks
}

// trialsAsText prints a table of the metrics, run by run, and below it what there is to say.
func trialsAsText(w io.Writer, trials []trial, metrics []string) {
	metrics = trialColumns(metrics, trials)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "run\toutcome\t%s\n", strings.Join(metrics, "\t"))
	var notes trialNotes
	for _, t := range trials {
		name := filepath.Base(t.dir)
		ended := outcomeWord(t.now)
		if t.superseded {
			ended += ", superseded"
		}
		fmt.Fprintf(table, "%s\t%s", name, ended)
		for _, m := range metrics {
			fmt.Fprintf(table, "\t%s", trialCell(t.now, m))
		}
		fmt.Fprintln(table)
		notes.addRun(name, t)
	}
	_ = table.Flush() // reported at the end, as for every command
	notes.print(w)
}

// trialColumns are the metrics with those that programs have given besides.
func trialColumns(metrics []string, trials []trial) (columns []string) {
	found := make(map[string]bool)
	for _, t := range trials {
		for name := range t.now.Metrics {
			found[name] = true
		}
	}
	for _, m := range metrics {
		var parts []string
		for name := range found {
			if strings.HasPrefix(name, m+".") && !slices.Contains(metrics, name) {
				parts = append(parts, name)
			}
		}
		if found[m] || len(parts) == 0 {
			columns = append(columns, m)
		}
		columns = append(columns, slices.Sorted(slices.Values(parts))...)
	}
	return columns
}

// trialCell is a metric in a run: a dash where it found nothing.
func trialCell(r results.Record, metric string) string {
	v, ok := r.Metrics[metric]
	if !ok || math.IsNaN(v) {
		return "-"
	}
	cell := strings.TrimSpace(strconv.FormatFloat(v, 'g', 6, 64) + " " + r.Units[metric])
	if of := r.MetricsOf[metric]; of.Values < of.Expected {
		cell += basis(r, metric)
	}
	return cell
}

// trialNotes are what there is to say about the runs; what holds for several is said once.
type trialNotes struct {
	texts []string
	runs  map[string][]string // by text
}

func (n *trialNotes) add(run, text string) {
	if n.runs == nil {
		n.runs = make(map[string][]string)
	}
	if n.runs[text] == nil {
		n.texts = append(n.texts, text)
	}
	n.runs[text] = append(n.runs[text], run)
}

// addRun adds what there is to say about a run.
func (n *trialNotes) addRun(name string, t trial) {
	r := t.now
	if r.ReleasedAt.IsZero() {
		n.add(name, "nothing was started, so there is nothing to find")
	} else {
		for _, metric := range slices.Sorted(maps.Keys(r.MetricNotes)) {
			note := r.MetricNotes[metric]
			if v, isMetric := r.Metrics[metric]; isMetric && math.IsNaN(v) {
				note = "nothing found: " + note
			}
			n.add(name, metric+": "+note)
		}
		for _, metric := range slices.Sorted(maps.Keys(r.MetricsOf)) {
			if of := r.MetricsOf[metric]; of.Values > 0 && of.Values < of.Expected {
				n.add(name, fmt.Sprintf("%s is based on %d of %d: %s", metric, of.Values, of.Expected, strings.Join(of.Lacking, "; ")))
			}
		}
	}
	for _, unmet := range unmetRequirements(r) {
		n.add(name, unmet)
	}
	if before := t.before; before.Outcome != r.Outcome {
		n.add(name, fmt.Sprintf("would have %s, and is recorded as %s", outcomeWord(r), outcomeWord(before)))
	}
}

// unmetRequirements are the reasons why a run fails but for those that its metrics have told.
func unmetRequirements(r results.Record) []string {
	if r.Judged == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.Judged.Unmet), func(reason string) bool {
		name, _, _ := strings.Cut(reason, " ")
		_, told := r.MetricNotes[name]
		return told || strings.HasPrefix(reason, name+" is the ")
	})
}

func outcomeWord(r results.Record) string { return strings.ReplaceAll(string(r.Outcome), "_", " ") }

// mostNotes is how many notes are printed below a table.
const mostNotes = 30

func (n *trialNotes) print(w io.Writer) {
	for i, text := range n.texts {
		if i == 0 {
			fmt.Fprintln(w)
		}
		if i == mostNotes && len(n.texts) > mostNotes+1 {
			fmt.Fprintf(w, "... and %d more; --output json has them all\n", len(n.texts)-mostNotes)
			return
		}
		runs := n.runs[text]
		where := strings.Join(runs, ", ")
		if len(runs) > most {
			where = fmt.Sprintf("%s (%s and %d more)", terminal.Count(uint64(len(runs)), "run"), strings.Join(runs[:2], ", "), len(runs)-2)
		}
		fmt.Fprintf(w, "%s: %s\n", where, text)
	}
}
