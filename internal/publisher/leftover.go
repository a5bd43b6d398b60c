package publisher

import (
	"fmt"
	"strings"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// maxRemains bounds what is taken of a host's word about what is left on it.
const maxRemains = 100

// remains gives what a host has told of what is left on it: processes that can't be
// ended, why it isn't known whether there are any, and whatever else.
func (h *host) remains() (left []results.LeftProcess, unseen string, notes []string) {
	var told []message.Leftover
	switch {
	case h.done != nil:
		told, unseen, notes = h.done.Left, h.done.Unseen, h.done.Notes
	case h.refused != nil:
		told, unseen, notes = h.refused.Left, h.refused.Unseen, h.refused.Notes
	}
	for _, l := range told[:min(len(told), maxRemains)] {
		left = append(left, results.LeftProcess{PID: l.PID, Command: l.Command})
	}
	return left, unseen, notes[:min(len(notes), maxRemains)]
}

// leftover says what of a run could not be ended on the host; empty if all was.
func (h *host) leftover() string {
	left, unseen, _ := h.remains()
	var names []string
	for _, l := range left {
		names = append(names, fmt.Sprintf("%s (pid %d)", l.Command, l.PID))
	}
	switch {
	case len(names) > 0:
		return "could not be ended, and may still be there: " + joinNames(names)
	case unseen != "":
		return "it can't be told whether processes are left: " + unseen
	}
	return ""
}

// leftovers says on which hosts something of the run could not be ended.
func (r *run) leftovers() string {
	var hosts []string
	for _, h := range r.hosts {
		if text := h.leftover(); text != "" {
			hosts = append(hosts, h.name+": "+text)
		}
	}
	return strings.Join(hosts, "; ")
}

// addRemains enters what is left on a host into its record, whose outcome is not
// good then.
func (h *host) addRemains(rec *results.HostRecord) {
	rec.Left, rec.Unseen, rec.Notes = h.remains()
	text := h.leftover()
	if text == "" {
		return
	}
	if rec.Outcome == outcome.HostSucceeded || rec.Outcome == outcome.HostStopped {
		rec.Outcome = outcome.HostFailed
	}
	if rec.Reason != "" {
		text = rec.Reason + "; " + text
	}
	rec.Reason = text
}
