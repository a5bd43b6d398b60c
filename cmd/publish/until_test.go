package main

import (
	"testing"

	"downbeat/internal/campaign"
	"downbeat/internal/experiment"
)

// Where there may be fewer datapoints than are planned, the live line says so, and so does what it
// leaves out on a narrow terminal.
func TestViewOfAtMost(t *testing.T) {
	t.Parallel()
	p := campaign.Progress{Attempt: campaign.Attempt{Try: 1}, Position: 12, Total: 60, AtMost: true}
	v := viewOf(p)
	if v.number != "12 of at most 60" || v.short != "12/60" || !v.atMost || v.place() != " 12 of at most 60" {
		t.Errorf("got %+v", v)
	}
	p.AtMost = false
	if v := viewOf(p); v.number != "12/60" || v.short != "" || v.atMost {
		t.Errorf("got %+v", v)
	}
}

// The fewest datapoints are those that each combination needs, of those that were chosen.
func TestFewest(t *testing.T) {
	t.Parallel()
	file, err := experiment.Parse("x.yaml", []byte(`{hosts: {a: ["x {{.n}}"]}, matrix: {n: [1, 2]}, repeat: {at_most: 5, until: {rate: 2%}},
metrics: {rate: {output: stdout, pattern: '(\d+)', reduce: sum}}}`))
	if err != nil {
		t.Fatal(err)
	}
	points := file.Points()
	for of, want := range map[int]int{10: 6, 5: 5, 7: 6, 1: 1} {
		if got := fewestOf(file.Until, points[:of]); got != want {
			t.Errorf("of %d: %d, want %d", of, got, want)
		}
	}
}
