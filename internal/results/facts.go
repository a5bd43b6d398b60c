package results

import (
	"cmp"

	"downbeat/internal/facts"
)

// FactsOf is what is known of a run's hosts and programs, to be compared with that of others.
// The name is for people.
func FactsOf(rec *Record, name string) facts.Run {
	run := facts.Run{Name: name, Git: rec.Git}
	for i := range rec.Hosts {
		run.Hosts = append(run.Hosts, facts.Host{Name: rec.Hosts[i].Host, Facts: rec.Hosts[i].Facts})
	}
	for i := range rec.Processes {
		if p := &rec.Processes[i]; p.Program != nil {
			command := p.Process
			if len(p.Argv) > 0 {
				command = cmp.Or(p.Argv[0], command)
			}
			run.Programs = append(run.Programs, facts.Program{Host: p.Host, Command: command, ProgramFacts: *p.Program})
		}
	}
	return run
}
