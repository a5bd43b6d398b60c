package report_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"downbeat/internal/report"
)

// A forest plot is a document that browsers can read, whatever the names and numbers are, with a
// line for each change.
func TestForest(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	for _, scale := range []float64{1, 1.0001, 1.3, 20, 1e5} {
		rows := []report.ForestRow{
			{Label: "clients=4: <rate> & more", Mark: report.ForestBetter, Ratio: scale, Low: scale / 1.02, High: scale * 1.02, Floor: 0.03},
			{Label: strings.Repeat("wide", 30), Mark: report.ForestWorse, Ratio: 1 / scale, Low: 0.001, High: 1000, Floor: 9},
			{Label: "few", Ratio: 1, Low: 0, High: inf, Floor: inf},
		}
		svg, err := report.Forest(report.ForestPlot{Title: "b against a", Rows: rows})
		if err != nil {
			t.Fatal(err)
		}
		text := string(svg)
		if err := wellFormed(svg); err != nil {
			t.Errorf("scale %g: %v", scale, err)
		}
		for _, want := range []string{"<title>b against a</title>", "clients=4: &lt;rate&gt; &amp; more", fmt.Sprintf("%.3f (", scale), ">1</text>", "1.000"} {
			if !strings.Contains(text, want) {
				t.Errorf("scale %g: there is no %q", scale, want)
			}
		}
		if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("scale %g: a coordinate is no number", scale)
		}
	}
	if _, err := report.Forest(report.ForestPlot{}); err == nil {
		t.Error("without a ratio there is something to draw")
	}
}
