package conduct

import (
	"cmp"
	"fmt"
	"strings"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// joinNames lists a few names, and how many more there are.
func joinNames(names []string) string { return joinFew(names, 6) }

// joinFew lists so many names, or one more, and how many more there are.
func joinFew(names []string, most int) string {
	if len(names) > most+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	if len(names) > 1 {
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
	}
	return strings.Join(names, "")
}

// namesOf names one process, or two, and how many more there are.
func namesOf(processes []*command) string {
	const most = 2
	var names []string
	for _, c := range processes[:min(most, len(processes))] {
		names = append(names, c.Name+" on "+c.host.name)
	}
	if more := len(processes) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return joinNames(names)
}

// stillRunning names the processes that keep a run from its end. Those that the stop rule
// waits for come first: the others run until they are told to stop, and have done nothing
// wrong.
func stillRunning(commands []command, waited *rule) string {
	var hung, others []string
	for i := range commands {
		switch c := &commands[i]; {
		case c.Phase != message.PhaseRun, c.ended():
		case waited.waits(c.Group):
			hung = append(hung, c.host.name+"/"+c.Name)
		default:
			others = append(others, c.host.name+"/"+c.Name)
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

// describeRefusal says in one line which host refused, and why.
func describeRefusal(host string, r *message.RefusedInfo) string {
	switch {
	case len(r.Problems) == 0:
		return host + " refused: " + cmp.Or(r.Reason, "its worker gives no reason")
	case len(r.Problems) == 1:
		return fmt.Sprintf("%s refused: %s: %s", host, r.Problems[0].Process, r.Problems[0].Reason)
	}
	return fmt.Sprintf("%s refused: %s, the first: %s: %s", host, r.Reason, r.Problems[0].Process, r.Problems[0].Reason)
}

// refusals lists the hosts that can't take part, each with its reason. Those that have
// said why come before those that have not answered.
func refusals(hosts []host) string {
	const most = 3
	var names, reasons []string
	for _, word := range []outcome.Host{outcome.HostRefused, outcome.HostNotReady} {
		for i := range hosts {
			if h := &hosts[i]; h.outcome == word {
				names, reasons = append(names, h.name), append(reasons, h.reason)
			}
		}
	}
	switch {
	case len(names) < 2:
		return strings.Join(reasons, "")
	case len(reasons) > most:
		reasons = append(reasons[:most], fmt.Sprintf("and %d more", len(reasons)-most))
	}
	return joinNames(names) + " can't take part; " + strings.Join(reasons, "; ")
}
