package publisher

import "slices"

// Who keeps a run from its end: those that the stop rule waits for come first. The
// others run until they are told to stop, and have done nothing wrong.

// waited reports whether the stop rule waits for that process.
func (r *run) waited(p *process) bool { return slices.Contains(r.dp.Stop.When, p.Group) }

// stillRunning names the processes that have not ended.
func (r *run) stillRunning() string {
	var hung, others []string
	for i := range r.processes {
		switch p := &r.processes[i]; {
		case p.ended:
		case r.waited(p):
			hung = append(hung, p.Host+"/"+p.Name)
		default:
			others = append(others, p.Host+"/"+p.Name)
		}
	}
	return joinHung(hung, others)
}

// joinHung lists the processes that are waited for, and a few of the others.
func joinHung(hung, others []string) string {
	switch {
	case len(hung) == 0:
		return joinNames(others)
	case len(others) == 0:
		return joinNames(hung)
	}
	return joinNames(hung) + ", which the stop rule waits for, besides " + joinFew(others, 2)
}

// waitedFirst gives the names of processes, those that the stop rule waits for first.
func (r *run) waitedFirst(processes []*process) []string {
	var hung, others []string
	for _, p := range processes {
		if r.waited(p) {
			hung = append(hung, p.Name)
		} else {
			others = append(others, p.Name)
		}
	}
	return append(hung, others...)
}
