package report

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"downbeat/internal/facts"
	"downbeat/internal/report/reporttest"
)

func of(kernel string, load float64) *facts.HostFacts {
	return &facts.HostFacts{Kernel: kernel, Cores: 8, Load: &load}
}

// Hosts that are alike share a column, and what differs is said.
func TestHostsAreShownInColumns(t *testing.T) {
	t.Parallel()
	first := &run{name: "0001", complete: true, facts: facts.Run{Name: "0001", Hosts: []facts.Host{{Name: "alpha", Facts: of("6.1", 9)}}}}
	last := &run{name: "0002", complete: true, facts: facts.Run{Name: "0002", Hosts: []facts.Host{
		{Name: "alpha", Facts: of("6.8", 0.1)}, {Name: "bravo", Facts: of("6.1", 0.5)}, {Name: "charlie", Facts: of("6.8", 0.3)}, {Name: "delta"},
	}}}
	unknown := &run{name: "0003"}
	sorted := []*run{first, last, unknown}
	got := hosts(sorted)
	want := &hostTable{
		Run: link{Link: "0002", Text: "run 2"}, Columns: []string{"alpha, charlie", "bravo"},
		Rows: []hostFact{{"kernel", []string{"6.8", "6.1"}}, {"cores", []string{"8", "8"}}, {"load", []string{"0.1 to 0.3", "0.5"}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for _, r := range sorted[:2] {
		r.record.ReleasedAt = reporttest.Epoch
	}
	said := differences(sorted, nil)
	if len(said) != 2 || !strings.HasPrefix(said[0], "The hosts differ in kernel: ") || said[1] != "Kernel of alpha changed from 6.1 to 6.8 with 0002." {
		t.Errorf("differences: %q", said)
	}
	if hosts([]*run{unknown}) != nil || len(differences(sorted, map[*run]bool{last: true})) != 0 {
		t.Error("something is said of hosts that nothing is known of, or of a run that doesn't count")
	}
}

func TestManyHostsOfAColumn(t *testing.T) {
	t.Parallel()
	var all hostColumn
	for name := range strings.FieldsSeq("a b c d e f g") {
		all = append(all, facts.Host{Name: name})
	}
	if got := all.title(); got != "a, b, c, d and 3 more" {
		t.Errorf("got %q", got)
	}
	if got := all[:5].title(); !slices.Equal(strings.Split(got, ", "), []string{"a", "b", "c", "d", "e"}) {
		t.Errorf("got %q", got)
	}
}
