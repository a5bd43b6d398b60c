package results

import (
	"maps"
	"slices"

	"downbeat/internal/statistics"
)

// Repeated says how far the repetitions of a combination have come.
type Repeated struct {
	Parameters map[string]any
	Runs       int // that count
	// Reached: the goal is. Lacking are the metrics for which it is not.
	Reached bool
	Lacking []Summary
}

// Towards says how far each combination of which there are runs that count has come towards the
// goal, by its summaries.
func Towards(goal statistics.Goal, summaries []Summary) []Repeated {
	var all []Repeated
	for i := 0; i < len(summaries); {
		of := 1
		for i+of < len(summaries) && sameParameters(summaries[i], summaries[i+of]) {
			of++
		}
		all = append(all, towards(goal, summaries[i:i+of]))
		i += of
	}
	return all
}

func sameParameters(a, b Summary) bool {
	x, y := Record{Parameters: a.Parameters}, Record{Parameters: b.Parameters}
	return x.CombinationKey() == y.CombinationKey()
}

// towards judges one combination by the summaries of its metrics.
func towards(goal statistics.Goal, of []Summary) Repeated {
	r := Repeated{Parameters: of[0].Parameters, Runs: of[0].Runs}
	for _, metric := range slices.Sorted(maps.Keys(goal.Until)) {
		i := slices.IndexFunc(of, func(s Summary) bool { return s.Metric == metric })
		if i < 0 {
			r.Lacking = append(r.Lacking, Summary{Metric: metric, Summary: statistics.Summarize(nil)})
			continue
		}
		alone := statistics.Goal{AtLeast: goal.AtLeast, Until: map[string]float64{metric: goal.Until[metric]}}
		if !alone.Reached(map[string][]float64{metric: of[i].Values}) {
			r.Lacking = append(r.Lacking, of[i])
		}
	}
	r.Reached = len(r.Lacking) == 0
	return r
}
