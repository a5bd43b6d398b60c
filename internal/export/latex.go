package export

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"downbeat/internal/results"
)

// WriteLaTeX writes the summary as a table for LaTeX with the package booktabs: a row for each
// metric of each combination of parameters, with the parameters that differ. Numbers have as many
// digits as their interval gives a meaning to.
func (d *Data) WriteLaTeX(w io.Writer) error {
	records := make([]results.Record, len(d.runs))
	for i := range d.runs {
		records[i] = d.runs[i].Record
	}
	var summarizer results.Summarizer
	summaries := summarizer.Summarize(records)
	slices.SortStableFunc(summaries, func(a, b results.Summary) int { return strings.Compare(a.Metric, b.Metric) })
	differ, constant := d.varying(summaries)

	var b strings.Builder
	fmt.Fprintf(&b, "%% %s: \\usepackage{booktabs}. Intervals are of the mean, with 95 %% confidence.\n", comment(d.Name))
	for _, c := range constant {
		fmt.Fprintf(&b, "%% %s\n", comment(c))
	}
	fmt.Fprintf(&b, "\\begin{tabular}{l%srrrrr}\n\\toprule\n", strings.Repeat("l", len(differ)))
	heads := []string{"metric"}
	for _, p := range differ {
		heads = append(heads, escape(p))
	}
	heads = append(heads, "$n$", "median", "mean", "95\\,\\% interval", "sd")
	b.WriteString(strings.Join(heads, " & ") + " \\\\\n")
	metric := ""
	for i := range summaries {
		s := &summaries[i]
		if s.Metric != metric {
			b.WriteString("\\midrule\n")
			metric = s.Metric
		}
		b.WriteString(strings.Join(latexCells(s, differ), " & ") + " \\\\\n")
	}
	b.WriteString("\\bottomrule\n\\end{tabular}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// varying are the parameters that differ between combinations, and the others with their value.
func (d *Data) varying(summaries []results.Summary) (differ, constant []string) {
	for _, p := range d.parameters {
		values := make(map[string]bool)
		for _, s := range summaries {
			values[textOf(s.Parameters[p.name])] = true
		}
		if len(values) > 1 {
			differ = append(differ, p.name)
			continue
		}
		for value := range values {
			constant = append(constant, p.name+" = "+value)
		}
	}
	return differ, constant
}

func latexCells(s *results.Summary, parameters []string) []string {
	name := escape(s.Metric)
	if s.Unit != "" {
		name += " (" + escape(s.Unit) + ")"
	}
	cells := []string{name}
	for _, p := range parameters {
		text := ""
		if value, ok := s.Parameters[p]; ok {
			text = escape(textOf(value))
		}
		cells = append(cells, text)
	}
	places := placesOf(s)
	interval := "--"
	if !math.IsNaN(s.Low) && !math.IsNaN(s.High) {
		interval = latexNumber(s.Low, places) + " to " + latexNumber(s.High, places)
	}
	return append(cells, strconv.Itoa(s.N), latexNumber(s.Median, places), latexNumber(s.Mean, places), interval, latexNumber(s.SD, places))
}

// placesOf is after how many places behind the point a summary's numbers say nothing: two digits
// of half the interval's width or, without one, four of the median. Negative: before the point.
func placesOf(s *results.Summary) int {
	if width := (s.High - s.Low) / 2; width > 0 && !math.IsInf(width, 0) {
		return 1 - int(math.Floor(math.Log10(width)))
	}
	if v := math.Abs(s.Median); v > 0 && !math.IsInf(v, 0) {
		return 3 - int(math.Floor(math.Log10(v)))
	}
	return 0
}

// latexNumber rounds a number to so many places, without an exponent.
func latexNumber(v float64, places int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "--"
	}
	const most = 12
	if places < 0 {
		unit := math.Pow(10, float64(-places))
		v, places = math.Round(v/unit)*unit, 0
	}
	text := strconv.FormatFloat(v, 'f', min(places, most), 64)
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		return "$-$" + rest
	}
	return text
}

// escape makes a text one that LaTeX prints as it is.
func escape(text string) string { return specials.Replace(strings.Join(strings.Fields(text), " ")) }

var specials = strings.NewReplacer(
	`\`, `\textbackslash{}`, `{`, `\{`, `}`, `\}`, `$`, `\$`, `&`, `\&`, `#`, `\#`, `%`, `\%`, `_`, `\_`, `~`, `\textasciitilde{}`, `^`, `\textasciicircum{}`,
)

// comment makes a text fit into a line of a comment.
func comment(text string) string { return strings.Join(strings.Fields(text), " ") }
