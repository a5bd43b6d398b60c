package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"downbeat/internal/terminal"
)

// A foundation says on how many processes or files a metric is based in several runs.
type foundation struct {
	known         int // runs that say it
	part          int // runs in which it is based on fewer than there are
	fewest, most  int // processes or files, of those there are
	expectedLeast int
	expectedMost  int
	program       string // that has printed the values
}

func foundationOf(metric string, runs []*run) foundation {
	var f foundation
	for _, r := range runs {
		of, ok := r.record.MetricsOf[metric]
		if !ok {
			continue
		}
		switch {
		case f.known == 0:
			f.program = of.Program
		case f.program != of.Program: // its arguments depend on the datapoint
			f.program, _, _ = strings.Cut(of.Program, " ")
		}
		if f.known == 0 {
			f.fewest, f.expectedLeast = of.Values, of.Expected
		}
		f.known++
		f.fewest, f.most = min(f.fewest, of.Values), max(f.most, of.Values)
		f.expectedLeast, f.expectedMost = min(f.expectedLeast, of.Expected), max(f.expectedMost, of.Expected)
		if of.Values < of.Expected {
			f.part++
		}
	}
	return f
}

// foundationCaption says it below a plot; nothing where no run does.
func foundationCaption(metric string, runs []*run) []string {
	f := foundationOf(metric, runs)
	switch {
	case f.known == 0:
		return nil
	case f.program != "":
		return []string{printable(fmt.Sprintf("Each value is what %s printed.", f.program))}
	}
	text := fmt.Sprintf("Each value is based on %s of %s processes or files", fromTo(f.fewest, f.most), fromTo(f.expectedLeast, f.expectedMost))
	if f.part > 0 {
		text += fmt.Sprintf("; in %s on fewer than there are", terminal.Count(uint64(f.part), "run"))
	}
	return append([]string{text + "."}, windowCaption(metric, runs)...)
}

// windowCaption says of which part of each run a metric is.
func windowCaption(metric string, runs []*run) []string {
	name, shortest, longest := "", time.Duration(0), time.Duration(0)
	for _, r := range runs {
		w, ok := r.record.Window(r.record.MetricsOf[metric].Window)
		if !ok || w.From.IsZero() {
			continue
		}
		length := w.To.Sub(w.From)
		if name == "" {
			shortest = length
		}
		name, shortest, longest = w.Window, min(shortest, length), max(longest, length)
	}
	if name == "" {
		return nil
	}
	of := terminal.Duration(shortest)
	if to := terminal.Duration(longest); to != of {
		of += " to " + to
	}
	return []string{fmt.Sprintf("Only what was read in window %s counts: %s of each run.", name, of)}
}

// restsOn says, for the axis of a plot, on how many processes or files its values rest if it is not
// on all.
func restsOn(metric string, runs []*run) string {
	f := foundationOf(metric, runs)
	if f.part == 0 {
		return ""
	}
	return fmt.Sprintf(" of %s of %s", fromTo(f.fewest, f.most), fromTo(f.expectedLeast, f.expectedMost))
}

func fromTo(low, high int) string {
	if low == high {
		return strconv.Itoa(low)
	}
	return fmt.Sprintf("%d to %d", low, high)
}
