package campaign

import (
	"fmt"
	"slices"
	"strings"

	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// trialRun stands for the id of a run that there will never be.
var trialRun = strings.Repeat("0", 26)

// A Comparison is what the datapoints of a file have in common with the runs there are.
type Comparison struct {
	// Done are the datapoints that need not be run: a run of exactly what the file says
	// now has succeeded.
	Done []Done
	// Left are the others, in their order.
	Left []experiment.Point
	// Stale are runs that have succeeded and don't count any more.
	Stale []Stale
}

// Done is a datapoint with the run that has succeeded; the latest, if there are several.
type Done struct {
	Point   experiment.Point
	Run     string
	Metrics results.Metrics
}

// Stale is a run that has succeeded with something else than the file says now.
type Stale struct {
	Run       string
	Datapoint int // as it was numbered then
	// Files are those that were shipped for the run and have another content now. Empty:
	// what has changed is in the experiment's file.
	Files []string
}

// Compare compares datapoints, which were chosen from all those of the file, with the runs that
// were made, in the order in which they were. It fails where a point can't be expanded.
func Compare(points, all []experiment.Point, records []results.Record) (Comparison, error) {
	succeeded := make(map[string]*results.Record) // by definition
	for i, r := range records {
		if r.Outcome == outcome.RunSucceeded {
			succeeded[r.Definition] = &records[i]
		}
	}
	var c Comparison
	current := make(map[string]bool)
	for _, point := range points {
		definition, err := point.Definition()
		if err != nil {
			return Comparison{}, err
		}
		current[definition] = true
		if r := succeeded[definition]; r != nil {
			c.Done = append(c.Done, Done{point, r.Run, r.Metrics})
		} else {
			c.Left = append(c.Left, point)
		}
	}
	return c, c.findStale(all, records, current)
}

// findStale finds the runs of what the file doesn't say any more. A repetition that isn't asked
// for is not one of them.
func (c *Comparison) findStale(all []experiment.Point, records []results.Record, current map[string]bool) error {
	repeat := 0
	for _, point := range all {
		repeat = max(repeat, point.Repetition)
	}
	stale := slices.DeleteFunc(slices.Clone(records), func(r results.Record) bool {
		return r.Outcome != outcome.RunSucceeded || current[r.Definition] || r.Repetition > repeat
	})
	if len(stale) == 0 {
		return nil
	}
	for _, point := range all { // those that were not chosen
		definition, err := point.Definition()
		if err != nil {
			return err
		}
		current[definition] = true
	}
	stale = slices.DeleteFunc(stale, func(r results.Record) bool { return current[r.Definition] })
	files, err := shippedNow(all)
	if err != nil {
		return err
	}
	for _, r := range stale {
		c.Stale = append(c.Stale, Stale{r.Run, r.Datapoint, changedFiles(r, files)})
	}
	return nil
}

// A target is a file in the run's directory on a host.
type target struct{ host, path string }

// shippedNow gives the hashes of what is shipped to each place in any datapoint.
func shippedNow(points []experiment.Point) (map[target][]string, error) {
	files := make(map[target][]string)
	for _, point := range points {
		d, err := point.Expand(trialRun)
		if err != nil {
			return nil, err
		}
		for host, list := range d.Files {
			for _, f := range list {
				if at := (target{host, f.Path}); f.SHA256 != "" && !slices.Contains(files[at], f.SHA256) {
					files[at] = append(files[at], f.SHA256)
				}
			}
		}
	}
	return files, nil
}

// changedFiles names the files that were shipped for the run and have another content
// now. That is no change of the experiment's file, so nothing else tells of it.
func changedFiles(r results.Record, now map[target][]string) (names []string) {
	for _, h := range r.Hosts {
		for _, f := range h.Shipped {
			sums := now[target{h.Host, f.Path}]
			if len(sums) > 0 && !slices.Contains(sums, f.SHA256) && !slices.Contains(names, f.Path) {
				names = append(names, f.Path)
			}
		}
	}
	return names
}

// A Change is what datapoints do otherwise than they did before.
type Change struct {
	What   string   // in phrases
	Labels []string // of the datapoints
}

// Changes says what in the file makes points run again, or for the first time, before
// being the file as it was. Points that are the same, and not done yet, are in none. It
// fails where a point can't be expanded.
func Changes(before *experiment.File, points []experiment.Point) ([]Change, error) {
	old := make(map[string]experiment.Point)
	for _, point := range before.Points() {
		old[point.Key()] = point
	}
	var changes []Change
	for _, point := range points {
		what := "not in the file before"
		if was, ok := old[point.Key()]; ok {
			var err error
			if what, err = changesOf(point, was); err != nil {
				return nil, err
			}
		}
		if what == "" {
			continue
		}
		i := slices.IndexFunc(changes, func(c Change) bool { return c.What == what })
		if i < 0 {
			i = len(changes)
			changes = append(changes, Change{What: what})
		}
		changes[i].Labels = append(changes[i].Labels, point.Label())
	}
	return changes, nil
}

// changesOf says what a point does otherwise than it did; empty: nothing.
func changesOf(point, was experiment.Point) (string, error) {
	d, err := point.Expand(trialRun)
	if err != nil {
		return "", err
	}
	before, err := was.Expand(trialRun)
	if err != nil {
		return "the file as it was can't be expanded any more", nil //nolint:nilerr // that is all there is to say of it
	}
	changes := d.Changes(before)
	const few = 2
	if len(changes) > few+1 {
		changes = append(changes[:few], fmt.Sprintf("and %d more changes", len(changes)-few))
	}
	return strings.Join(changes, "; "), nil
}
