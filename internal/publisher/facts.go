package publisher

import (
	"downbeat/internal/facts"
	"downbeat/internal/message"
	"downbeat/internal/results"
)

// mostForeign and mostArguments bound what is taken of a host's word.
const (
	mostForeign   = 2 * facts.MaxForeign
	mostArguments = 16
)

// recordFacts puts into the record what a host has told of itself, and of what its processes
// execute.
func (r *run) recordFacts(host int, told *message.FactsInfo, rec *results.Record) {
	if told == nil {
		return
	}
	f := told.Host
	f.Foreign = f.Foreign[:min(len(f.Foreign), mostForeign)]
	rec.Hosts[host].Facts = &f
	numbers := r.plan.Hosts[host].Numbers
	for i := range told.Programs {
		p := &told.Programs[i].Program
		p.Arguments = p.Arguments[:min(len(p.Arguments), mostArguments)]
		if p.Interpreter != nil {
			p.Interpreter.Interpreter, p.Interpreter.Arguments = nil, nil // there is but one
		}
		for _, local := range told.Programs[i].Commands {
			if local >= 0 && local < len(numbers) && numbers[local] < len(rec.Processes) {
				rec.Processes[numbers[local]].Program = p
			}
		}
	}
}
