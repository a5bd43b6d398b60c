package metric

import (
	"slices"
	"testing"

	"downbeat/internal/experiment"
	"downbeat/internal/facts"
	"downbeat/internal/results"
)

// A fact has to be as required on every host; what is not known is not.
func TestFactsAreRequiredOfEveryHost(t *testing.T) {
	t.Parallel()
	low, high := 0.1, 3.0
	rec := &results.Record{Hosts: []results.HostRecord{
		{Host: "alpha", Facts: &facts.HostFacts{Governor: "performance", Load: &low, MemoryBytes: 64 << 30}},
		{Host: "bravo", Facts: &facts.HostFacts{Governor: "powersave", Load: &high}},
		{Host: "charlie"},
	}}
	for _, c := range []struct {
		require experiment.Requirement
		want    []string
	}{
		{
			experiment.Requirement{Name: "governor", Fact: true, Allowed: []string{"performance"}, Text: "performance"},
			[]string{"governor is powersave on bravo, required performance", "governor is not known on charlie, required performance"},
		},
		{
			experiment.Requirement{Name: "governor", Fact: true, Allowed: []string{"performance", "powersave"}, Text: "performance or powersave"},
			[]string{"governor is not known on charlie, required performance or powersave"},
		},
		{
			experiment.Requirement{Name: "load", Fact: true, Operator: "<", Limit: 0.2, Text: "< 0.2"},
			[]string{"load is 3 on bravo, required < 0.2", "load is not known on charlie, required < 0.2"},
		},
		{
			experiment.Requirement{Name: "memory_bytes", Fact: true, Operator: ">=", Limit: 1, Text: ">= 1"},
			[]string{"memory_bytes is not known on bravo, charlie, required >= 1"},
		},
	} {
		if got := unmet([]experiment.Requirement{c.require}, rec); !slices.Equal(got, c.want) {
			t.Errorf("%s %s: got %q, want %q", c.require.Name, c.require.Text, got, c.want)
		}
	}
}
