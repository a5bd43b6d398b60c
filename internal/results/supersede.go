package results

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"downbeat/internal/outcome"
)

// A tabled is a run that is in the tables: its record, without the long lists.
type tabled struct {
	Record
	place
}

// brief is the part of a record that decides which runs it supersedes, and that is summarized.
func brief(rec Record) Record {
	return Record{
		Run: rec.Run, Datapoint: rec.Datapoint, Repetition: rec.Repetition, Attempt: rec.Attempt,
		Definition: rec.Definition, Parameters: rec.Parameters, Outcome: rec.Outcome,
		Metrics: rec.Metrics, Units: rec.Units,
	}
}

// Supersede says which of the runs, in the order in which they were made, a later one of the
// same datapoint has superseded. The others include at most one run for each datapoint: one
// that succeeded or, if none did, the last.
func Supersede(runs []Record) []bool {
	superseded := make([]bool, len(runs))
	last := make(map[string][]int) // runs that are not superseded yet, by datapoint
	for n, run := range runs {
		key := run.DatapointKey()
		last[key] = append(slices.DeleteFunc(last[key], func(before int) bool {
			superseded[before] = supersedes(run, runs[before])
			return superseded[before]
		}), n)
	}
	return superseded
}

// supersedes reports whether a run replaces an earlier one. Any run replaces one that did not
// succeed. A success is replaced by another success, and by a run of another definition that
// really ran; but not by one that was interrupted or refused, because the file may have been
// restored since.
func supersedes(later, earlier Record) bool {
	switch {
	case later.DatapointKey() != earlier.DatapointKey():
		return false
	case earlier.Outcome != outcome.RunSucceeded, later.Outcome == outcome.RunSucceeded:
		return true
	case later.Definition == earlier.Definition:
		return false
	}
	return later.Outcome != outcome.RunAborted && later.Outcome != outcome.RunRefused
}

// DatapointKey is the same for all runs of a datapoint. It consists of the values and the
// repetition, because the number may change when the file is edited.
func (r *Record) DatapointKey() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(r.Repetition))
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		b.WriteString("\x00" + name + "\x00" + jsonCell(r.Parameters[name]))
	}
	return b.String()
}
