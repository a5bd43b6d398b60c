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

// brief is what of a record decides which runs it supersedes.
func brief(rec Record) Record {
	return Record{
		Run: rec.Run, Datapoint: rec.Datapoint, Repetition: rec.Repetition, Attempt: rec.Attempt,
		Definition: rec.Definition, Parameters: rec.Parameters, Outcome: rec.Outcome,
	}
}

// Supersede tells of runs, in the order in which they were made, which of them a
// later one of the same datapoint has superseded. What is left has one run at most
// for each datapoint that counts, unless nothing of it ever succeeded: then it is
// the last.
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

// supersedes reports whether a run takes the place of an earlier one. Whatever comes
// after a run that did not succeed does. A success gives way to another one, and to
// a run of something else that was really measured; but not to one that was
// interrupted or refused, as the file may have been put back since.
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

// DatapointKey is the same for all runs of a datapoint. That is told by its values
// and which repetition it is: its number is another one once the file was edited.
func (r *Record) DatapointKey() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(r.Repetition))
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		b.WriteString("\x00" + name + "\x00" + jsonCell(r.Parameters[name]))
	}
	return b.String()
}
