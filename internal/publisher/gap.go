package publisher

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"downbeat/internal/message"
)

// leastAsking is how long a host that answers is asked for what is missing, or
// asked to do something, however short the lease: often enough that chance alone
// does not lose it.
const leastAsking = 5 * time.Second

func (r *run) asking() time.Duration { return max(r.p.config.Lease, leastAsking) }

// hear notes that something has come from the host. After a silence it is given
// time anew for what it owes: it could not know.
func (r *run) hear(h *host, at time.Time) {
	if at.Sub(h.heard) > r.asking()/2 {
		h.progress, h.owingSince = at, time.Time{}
	}
	h.heard = at
}

// unmet says what a host that answers still does not do though it has been asked
// again and again; empty: nothing. Without this a run would wait for it for ever.
func (r *run) unmet(h *host, now time.Time) string {
	patience := r.asking()
	if now.Sub(h.heard) > patience/2 {
		return "" // it does not answer: see watch
	}
	if h.starved(now, patience) {
		return r.describeGap(h, patience)
	}
	owed := r.owed(h, now)
	if owed == "" {
		h.owingSince = time.Time{}
		return ""
	}
	if h.owingSince.IsZero() {
		h.owingSince = now
	}
	if now.Sub(h.owingSince) <= patience {
		return ""
	}
	return fmt.Sprintf("%s did not %s within %s, though it answers", h.name, owed, patience)
}

// owed says what the host has been asked for and has not shown yet.
func (r *run) owed(h *host, now time.Time) string {
	switch {
	case r.stage == gathering && h.phase == Committed:
		return "let go of its processes again"
	case r.stage == committing && h.phase == Ready:
		return "say that it keeps its processes for the run"
	case r.stage == starting && h.phase == Committed && now.After(r.clock.Local(r.releaseAt).Add(r.firstDelay(h))):
		return "start its processes"
	}
	return ""
}

// firstDelay is how long after the release the first of the host's processes starts.
func (r *run) firstDelay(h *host) time.Duration {
	first := r.processes[h.processes[0]].Delay()
	for _, n := range h.processes {
		first = min(first, r.processes[n].Delay())
	}
	return first
}

// describeGap says which events of a host are missing and, as far as what came
// after them tells, which lines of which process were in them.
func (r *run) describeGap(h *host, patience time.Duration) string {
	last := h.newest
	for seq := range h.early {
		last = min(last, seq-1)
	}
	which, has, it := fmt.Sprintf("event %d of %s is", h.next, h.name), "it has", "it"
	if last > h.next {
		which, has, it = fmt.Sprintf("events %d to %d of %s are", h.next, last, h.name), "they have", "them"
	}
	with := "what was in " + it + " is not known"
	if lost := r.linesInGap(h); len(lost) > 0 {
		with = "with " + it + " " + joinNames(lost)
	}
	return fmt.Sprintf("%s missing, and %s: %s not come within %s, though the host answers and was asked again and again", which, with, has, patience)
}

// linesInGap names the lines between what has been applied and what came early:
// each piece of output, and the totals at the end, say how much was before.
func (r *run) linesInGap(h *host) []string {
	before := make(map[int]position) // where each stream goes on, by command*2+stream
	for _, seq := range slices.Sorted(maps.Keys(h.early)) {
		a := h.early[seq]
		if a.output != nil {
			for s := range a.output.Segments() {
				note(before, s.Command, s.Stream, position{s.Offset, s.Line})
			}
		} else if a.event != nil && a.event.Kind == message.Done {
			for i, t := range a.event.Done.Totals {
				note(before, i, message.Stdout, position{t.StdoutBytes, t.StdoutLines})
				note(before, i, message.Stderr, position{t.StderrBytes, t.StderrLines})
			}
		}
	}
	var lost []string
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, name, t := r.source(h, key/2); t != nil {
			stream := message.Stream(key % 2)
			lost = append(lost, lostLines(&t[stream], name, stream, before[key])...)
		}
	}
	return lost
}

// A position is how many bytes and newlines of a stream come before something.
type position struct{ bytes, newlines uint64 }

// note keeps the earliest position of each stream.
func note(before map[int]position, command int, stream message.Stream, at position) {
	key := 2*command + int(stream)
	if _, there := before[key]; !there && command >= 0 {
		before[key] = at
	}
}

// lostLines names the lines of a stream that lie between what has come and the
// position; none where nothing does. A line counts that is there only in part.
func lostLines(got *message.Counter, name string, stream message.Stream, until position) []string {
	if until.bytes <= got.Bytes {
		return nil
	}
	first := got.Newlines + 1
	lines := fmt.Sprintf("lines %d to %d", first, until.newlines)
	switch {
	case until.newlines == first:
		lines = fmt.Sprintf("line %d", first)
	case until.newlines < first:
		lines = fmt.Sprintf("a part of line %d", first)
	}
	return []string{fmt.Sprintf("%s of %s on %s (%d bytes)", lines, name, stream.Title(), until.bytes-got.Bytes)}
}
