package facts

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// A Run is what is known of one run: its hosts, the programs of its processes, and the state of
// the repository that the experiment's file is in.
type Run struct {
	Name     string // for people
	Hosts    []Host // in their order
	Programs []Program
	Git      *Git
}

// A Host is one of a run's.
type Host struct {
	Name  string
	Facts *HostFacts // nil: not known
}

// A Program is what a process of a run executed.
type Program struct {
	Host string
	// Command is what the process's command line calls it.
	Command string
	ProgramFacts
}

// A Git is the state of a git repository.
type Git struct {
	Commit string `json:"commit"`
	// Branch is empty where none is checked out. Dirty: files that it knows were changed.
	Branch string `json:"branch,omitempty"`
	Dirty  bool   `json:"dirty,omitempty"`
}

// String is the state for people.
func (g *Git) String() string {
	if g == nil {
		return "no git commit"
	}
	s := "commit " + g.Commit[:min(len(g.Commit), 12)]
	if g.Branch != "" {
		s += " on " + g.Branch
	}
	if g.Dirty {
		s += " with changes"
	}
	return s
}

// Differences says, a sentence for each, in what the hosts of a run and the runs of an
// experiment, in their order, were not alike: what makes their numbers hard to compare.
func Differences(runs []Run) []string {
	return slices.Concat(betweenHosts(runs), programsBetweenHosts(runs), betweenRuns(runs), trees(runs))
}

// betweenHosts compares the hosts of each run, and says what differs once, with the first run
// in which it does.
func betweenHosts(runs []Run) []string {
	var said []string
	for _, row := range Rows {
		if row.Fleeting {
			continue
		}
		for _, run := range runs {
			values := make(groups)
			for _, h := range run.Hosts {
				if h.Facts != nil {
					values.add(row.Show(h.Facts), h.Name)
				}
			}
			if len(values) > 1 {
				said = append(said, fmt.Sprintf("the hosts differ in %s: %s", row.Label, values))
				break
			}
		}
	}
	return said
}

// programsBetweenHosts compares what hosts execute under the same name.
func programsBetweenHosts(runs []Run) []string {
	var said []string
	done := make(map[string]bool)
	for _, run := range runs {
		byCommand := make(map[string]groups)
		for _, p := range run.Programs {
			if p.SHA256 == "" {
				continue
			}
			if byCommand[p.Command] == nil {
				byCommand[p.Command] = make(groups)
			}
			byCommand[p.Command].add(p.short(), p.Host)
		}
		for _, command := range slices.Sorted(maps.Keys(byCommand)) {
			if values := byCommand[command]; len(values) > 1 && !done[command] {
				done[command] = true
				said = append(said, fmt.Sprintf("the hosts differ in the program %s: %s", command, values))
			}
		}
	}
	return said
}

// short tells programs apart for people.
func (p *ProgramFacts) short() string {
	s := p.SHA256[:min(len(p.SHA256), 12)]
	if p.Build != "" {
		s += " (" + p.Build + ")"
	}
	return s
}

// betweenRuns says what of a host, and which program, changed from one run to a later one.
func betweenRuns(runs []Run) []string {
	var said []string
	for _, row := range Rows {
		if row.Fleeting {
			continue
		}
		last := make(map[string]string) // by host
		for _, run := range runs {
			changed := make(groups) // by what has changed
			for _, h := range run.Hosts {
				if h.Facts == nil {
					continue
				}
				now := row.Show(h.Facts)
				if before, ok := last[h.Name]; ok && before != now {
					changed.add(fmt.Sprintf("from %s to %s", known(before), known(now)), h.Name)
				}
				last[h.Name] = now
			}
			for _, what := range slices.Sorted(maps.Keys(changed)) {
				said = append(said, fmt.Sprintf("%s of %s changed %s with %s", row.Label, changed.hosts(what), what, run.Name))
			}
		}
	}
	return append(said, programsBetweenRuns(runs)...)
}

func programsBetweenRuns(runs []Run) []string {
	var said []string
	type place struct{ host, path string }
	last := make(map[place]ProgramFacts)
	for _, run := range runs {
		changed := make(groups)
		for _, p := range run.Programs {
			for _, f := range p.files() {
				at := place{p.Host, f.Path}
				if before, ok := last[at]; ok && before.SHA256 != f.SHA256 {
					changed.add(fmt.Sprintf("%s changed from %s to %s", f.Path, before.short(), f.short()), p.Host)
				}
				last[at] = f
			}
		}
		for _, what := range slices.Sorted(maps.Keys(changed)) {
			said = append(said, fmt.Sprintf("on %s the program %s with %s", changed.hosts(what), what, run.Name))
		}
	}
	return said
}

// files are the program, its interpreter, and the files that its command names, as far as
// their content is known.
func (p *ProgramFacts) files() []ProgramFacts {
	all := []ProgramFacts{*p}
	if p.Interpreter != nil {
		all = append(all, *p.Interpreter)
	}
	for _, a := range p.Arguments {
		if filepath.IsAbs(a.Path) { // another one is seen from the run's own directory
			all = append(all, ProgramFacts{Path: a.Path, SHA256: a.SHA256})
		}
	}
	return slices.DeleteFunc(all, func(f ProgramFacts) bool { return f.SHA256 == "" })
}

// trees says whether the experiment's directory changed, and whether it had what no commit
// holds.
func trees(runs []Run) []string {
	var said []string
	var last *Git
	dirty := 0
	for i, run := range runs {
		if run.Git != nil && run.Git.Dirty {
			dirty++
		}
		if i > 0 && run.Git != nil && last != nil && *run.Git != *last {
			said = append(said, fmt.Sprintf("the experiment's directory changed from %s to %s with %s", last, run.Git, run.Name))
		}
		if run.Git != nil {
			last = run.Git
		}
	}
	if dirty > 0 {
		said = append(said, fmt.Sprintf("%d of %d runs were made from a git directory with changes that are in no commit", dirty, len(runs)))
	}
	return said
}

func known(value string) string {
	if value == "" {
		return "unknown"
	}
	return value
}

// groups are hosts by a value that they have.
type groups map[string][]string

func (g groups) add(value, host string) {
	if !slices.Contains(g[value], host) {
		g[value] = append(g[value], host)
	}
}

func (g groups) hosts(value string) string { return join(g[value]) }

// String lists the values, that of most hosts first.
func (g groups) String() string {
	values := slices.Sorted(maps.Keys(g))
	slices.SortStableFunc(values, func(a, b string) int { return len(g[b]) - len(g[a]) })
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = fmt.Sprintf("%s on %s", known(v), g.hosts(v))
	}
	return strings.Join(parts, "; ")
}

// join lists hosts, at most a few.
func join(hosts []string) string {
	const most = 4
	if len(hosts) > most+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(hosts[:most], ", "), len(hosts)-most)
	}
	return strings.Join(hosts, ", ")
}
