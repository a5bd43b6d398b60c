package course

import "downbeat/internal/message"

// Runs that a worker finds at its start, because its last life died.

func hadEnded(r *Run) bool          { return r.found.Ended }
func hadBegunToCollect(r *Run) bool { return r.found.Resume != nil }
func hadCollected(r *Run) bool      { return hadBegunToCollect(r) && r.found.Resume.Files != nil }
func isLost(r *Run) bool            { return r.lost != nil }
func isNotLost(r *Run) bool         { return r.lost == nil }
func isLostAndOwes(r *Run) bool     { return r.lost != nil && owes(r) }

func (r *Run) takeFound(in Recovered) {
	r.found = in
	copy(r.account.totals, in.Totals)
	r.account.remain(in.Left)
	if !in.Ended && in.Resume == nil {
		r.lost = &message.DoneInfo{Outcome: message.HostLost, Reason: in.Reason, Swept: in.Swept}
		r.owed = in.Owed
	}
	r.fire(onRecovered)
}

// clearBeside removes the directory of a run that had ended, while what it has
// reported is sent.
func clearBeside(r *Run) {
	r.free = true
	r.drain() // the worker may be leaving already
	r.emit(Clear{})
}

// closeAnew goes on where a worker died that had collected the files, and not reported
// the end. The directory may be gone in part: collected again, it would replace what the
// publisher has by less.
func closeAnew(r *Run) {
	r.free = true
	r.end = &message.Event{Kind: message.Done, Done: r.found.Resume}
	r.drain()
	clearDir(r)
}
