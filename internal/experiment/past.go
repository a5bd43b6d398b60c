package experiment

import (
	"cmp"
	"maps"
	"slices"
)

// A Past is an earlier run, as its record describes it, perhaps of another version
// of the file with other hosts, processes and parameters.
type Past struct {
	Run        string
	Datapoint  int
	Repetition int
	Attempt    int
	Parameters map[string]any
	Processes  []PastProcess
}

// A PastProcess is one of its processes.
type PastProcess struct {
	Host, Name, Group string
	Index, Rank       int
}

// Judges gives the file's present windows, metrics and requirements for an earlier run. It
// fails if they need what that run does not have, such as a parameter; then it gives the metrics'
// names and definitions alone, without sources.
func (f *File) Judges(past Past) (Measures, error) {
	x := newExpansion(f, &report{path: f.Path}, past.Run, Point{Index: past.Datapoint, Repetition: past.Repetition, Attempt: past.Attempt, file: f})
	x.params = slices.Sorted(maps.Keys(past.Parameters))
	for _, name := range x.params {
		x.point.Parameters = append(x.point.Parameters, Parameter{name, pastValue(past.Parameters[name])})
	}
	x.recall(past.Processes)
	judges := x.measures()
	if err := x.err(); err != nil {
		judges = Measures{Metrics: judges.Metrics[:len(f.metrics)]}
		for i := range judges.Metrics {
			judges.Metrics[i] = f.metrics[i].Metric
		}
		return judges, err
	}
	return judges, nil
}

// pastValue is a parameter as the file had it: JSON has one kind of number.
func pastValue(v any) any {
	const exact = 1 << 53
	if n, ok := v.(float64); ok && n == float64(int(n)) && -exact < n && n < exact {
		return int(n)
	}
	return v
}

// recall places and names the processes as in the earlier run.
func (x *expansion) recall(processes []PastProcess) {
	group := make(map[string]int)
	for i, g := range x.file.Groups {
		group[g.Name] = i
	}
	type part struct{ group, host string }
	counts, locals := make(map[part]int), make(map[part]int)
	whole := func(p PastProcess) part { // in the small form, each host counts its own
		if p.Group == "" {
			return part{"", p.Host}
		}
		return part{group: p.Group}
	}
	for _, p := range processes {
		counts[whole(p)]++
	}
	sorted := slices.SortedFunc(slices.Values(processes), func(a, b PastProcess) int { return cmp.Compare(a.Rank, b.Rank) })
	for _, p := range sorted {
		on := part{p.Group, p.Host}
		q := &placed{host: cmp.Or(x.hosts[p.Host], Host{Name: p.Host}), count: counts[whole(p)]}
		q.Host, q.Name, q.Group, q.Index, q.Rank, q.Local = p.Host, p.Name, p.Group, p.Index, p.Rank, locals[on]
		locals[on]++
		q.data = x.dataOf(q)
		q.data["name"] = q.Name
		x.all = append(x.all, q)
		x.byName[q.Name] = append(x.byName[q.Name], q)
		if i, ok := group[q.Group]; ok {
			x.groups[i] = append(x.groups[i], q)
		}
	}
	x.counted, x.named = true, true
}
