package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"downbeat/internal/results"
)

// Data are an experiment's results.
type Data struct {
	Name string // of the experiment
	Dir  string // its directory

	runs       []results.CompleteRun
	parameters []parameter
}

// A parameter is one of the experiment's.
type parameter struct {
	name string
	kind Kind
}

// ErrNothing is wrapped by Load's error where no run is complete.
var ErrNothing = errors.New("no run is complete: there is nothing to export")

// Load reads the results of the experiment in dir, which is its own directory or the one above.
func Load(dir string) (*Data, error) {
	dir = results.Locate(dir)
	meta, err := results.ReadMeta(dir)
	if err != nil {
		return nil, err
	}
	runs, err := results.CompleteRuns(dir)
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, ErrNothing)
	}
	return &Data{Name: meta.Name, Dir: dir, runs: runs, parameters: parametersOf(runs)}, nil
}

// parametersOf finds the parameters of all runs, by name, and what their values have in common.
func parametersOf(runs []results.CompleteRun) []parameter {
	kinds := make(map[string]Kind)
	var names []string
	for i := range runs {
		for name, value := range runs[i].Parameters {
			kind := kindOf(value)
			before, known := kinds[name]
			switch {
			case !known:
				names = append(names, name)
			case before == kind:
			case before == Integer && kind == Real, before == Real && kind == Integer:
				kind = Real
			default:
				kind = Text
			}
			kinds[name] = kind
		}
	}
	slices.Sort(names)
	all := make([]parameter, len(names))
	for i, name := range names {
		all[i] = parameter{name, kinds[name]}
	}
	return all
}

// kindOf is the kind of a parameter's value, as JSON has it.
func kindOf(value any) Kind {
	switch v := value.(type) {
	case bool:
		return Boolean
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return Integer
		}
		return Real
	}
	return Text
}

// cell is the parameter's value in a run; nil if the run has none.
func (p parameter) cell(r *results.CompleteRun) any {
	value, ok := r.Parameters[p.name]
	if !ok {
		return nil
	}
	switch p.kind {
	case Integer:
		return int64(value.(float64))
	case Real, Boolean:
		return value
	case Text, Time:
	}
	return textOf(value)
}

// textOf is a value as the file has it.
func textOf(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	data, err := json.Marshal(value)
	if err != nil {
		return "" // it came from JSON
	}
	return string(data)
}

// The cells of what may be absent.

func timeCell(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC()
}

func textCell(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func realCell(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return v
}

func countCell[N int | int64 | uint64](n N) any { return int64(n) }

// known is a number that has a meaning; nil if not.
func known[N int | int64 | uint64](n N, ok bool) any {
	if !ok {
		return nil
	}
	return int64(n)
}
