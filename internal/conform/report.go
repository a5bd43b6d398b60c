package conform

import (
	"fmt"
	"io"
	"strings"
)

// A Summary counts results.
type Summary struct {
	OK      int `json:"ok"`
	Failed  int `json:"failed"`
	Known   int `json:"known_failures"`
	Mended  int `json:"mended"`
	Skipped int `json:"skipped"`
}

// Summarize counts the results.
func Summarize(results []Result) Summary {
	var s Summary
	for _, r := range results {
		switch r.Outcome {
		case OK:
			s.OK++
		case Failed:
			s.Failed++
		case Known:
			s.Known++
		case Mended:
			s.Mended++
		case Skipped:
			s.Skipped++
		}
	}
	return s
}

// String tells a person.
func (s Summary) String() string {
	parts := []string{fmt.Sprintf("%d ok", s.OK+s.Mended), fmt.Sprintf("%d failed", s.Failed)}
	if s.Known > 0 {
		parts = append(parts, fmt.Sprintf("%d failed as expected", s.Known))
	}
	if s.Mended > 0 {
		parts = append(parts, fmt.Sprintf("%d of those that were expected to fail did not", s.Mended))
	}
	return strings.Join(append(parts, fmt.Sprintf("%d skipped", s.Skipped)), ", ")
}

// WriteText writes a result for a person: one line, and, for a case that failed, the
// rules that were broken, with the messages around, and what the subject said last.
func (r *Result) WriteText(w io.Writer) {
	line := fmt.Sprintf("%-16s %s", r.Name, r.Outcome)
	switch r.Outcome {
	case Failed:
		line = fmt.Sprintf("%-16s FAILED", r.Name)
	case Skipped:
		line += ": " + r.Reason
	case OK, Known, Mended:
	}
	fmt.Fprintf(w, "%s\n", line)
	if r.Outcome != Failed {
		return
	}
	fmt.Fprintf(w, "    %s\n", r.Shows)
	for _, b := range r.Broken {
		fmt.Fprintf(w, "    rule %s: %s\n", b.Rule, b.Text)
		for _, m := range b.Messages {
			fmt.Fprintf(w, "      %s\n", m)
		}
	}
	if len(r.Stderr) > 0 {
		fmt.Fprintf(w, "    the end of what the program wrote to standard error:\n")
	}
	for _, line := range r.Stderr {
		fmt.Fprintf(w, "      %s\n", line)
	}
}
