package conduct

import "time"

// A deadline is what time alone brings about: it is due at a time that follows from the
// state, or never, and then something is done, after which it is due later or never.
type deadline struct {
	name string
	due  func(*Run, *host) time.Time // zero: never, as things are
	do   func(*Run, *host)
}

// hostDeadlines are those of each host that is not over, in the order in which they
// count where several are due at once.
var hostDeadlines = [...]deadline{
	{"the next keepalive", func(_ *Run, h *host) time.Time { return h.contact.keepaliveAt }, (*Run).keepalive},
	{"its clock is measured directly again", measureDue, measureAgain},
	{"it still waits for a run of ours", tellDue, tellBehind},
	{"what is missing comes", missingDue, starved},
	{"it does what it is asked for", doneDue, idle},
	{"it is asked again", repeatDue, (*Run).repeat},
	{"it takes up a beat", beatTakenDue, beatNotTaken},
	{"it is told of a beat again", beatAgainDue, beatAgain},
	{"it acts as it is told", actedDue, notActed},
	{"it is told to act", callDue, tellCalls},
	{"it is ready", readyDue, late},
	{"it is ready after its setup", setupDue, slow},
	{"its first word", firstWordDue, inquire},
	{"any word", wordDue, silent},
	{"more of its files", filesDue, stalled},
	{"more of its end", leavingDue, stuck},
	{"its end after a stop", endDue, overdue},
}

// runDeadlines are those of the run as a whole. Where nothing is done, a stage waits for
// that time. What happens may put them off, and only a new stage brings one nearer.
var runDeadlines = [...]deadline{
	{"the run's timeout", timeoutDue, timeOut},
	{"the time that the rule gives it", afterDue, stopAfter},
	{"all that can be said about refusals", refusedDue, nil},
	{"the clocks are known", clocksDue, nil},
	{"the clocks are known directly", directStill, nil},
	{"a beat", beatDue, nil},
	{"what a process waits for", waitedDue, waitedEnough},
}

func tellDue(_ *Run, h *host) time.Time {
	if h.phase == Waiting {
		return h.preparation.tellAt
	}
	return time.Time{}
}

func tellBehind(r *Run, h *host) {
	h.preparation.tellAt = time.Time{}
	r.out.put(HostMoved{Host: h.index, Phase: h.phase, Detail: h.preparation.behind})
}

func missingDue(r *Run, h *host) time.Time {
	if h.inbox.gap() {
		return whileHeard(r, h, h.inbox.progress.Add(r.spec.asking()))
	}
	return time.Time{}
}

// doneDue: a stop has its own time.
func doneDue(r *Run, h *host) time.Time {
	if !stillAsked(r, h) || h.request.ask == askStop {
		return time.Time{}
	}
	return whileHeard(r, h, h.request.since.Add(r.spec.asking()))
}

// whileHeard gives the time until which a host has for what it owes. Only one that answers
// can be blamed for that: a silent one is given time anew when it is heard again.
func whileHeard(r *Run, h *host, at time.Time) time.Time {
	if at.Sub(h.contact.heard) > r.spec.asking()/2 {
		return time.Time{}
	}
	return at
}

func repeatDue(r *Run, h *host) time.Time {
	if !stillAsked(r, h) {
		return time.Time{}
	}
	return h.request.repeatAt
}

// stillAsked reports whether a host is to do yet what it is being asked. With this very Step
// it may have shown that it did it, however late, or the run is stopped.
func stillAsked(r *Run, h *host) bool {
	a := h.request.ask
	return a != askNothing && a == askOf(r, h) && (a == askStop || !r.ending.stopped())
}

func readyDue(_ *Run, h *host) time.Time {
	if h.phase == Asked || h.phase == Fetching {
		return h.preparation.by
	}
	return time.Time{}
}

func setupDue(r *Run, h *host) time.Time {
	if h.phase == SettingUp && !r.ending.stopped() {
		return h.preparation.by
	}
	return time.Time{}
}

func firstWordDue(r *Run, h *host) time.Time {
	if h.phase == Asked && !h.preparation.inquired {
		return r.enqueuedAt.Add(inquireAfter)
	}
	return time.Time{}
}

func wordDue(r *Run, h *host) time.Time {
	if h.phase == Asked {
		return time.Time{}
	}
	return h.contact.heard.Add(r.spec.Lease)
}

func filesDue(r *Run, h *host) time.Time {
	if h.phase == Ended {
		return h.inbox.moved.Add(r.spec.CompleteWithin)
	}
	return time.Time{}
}

// leavingDue: a stop has its own time.
func leavingDue(r *Run, h *host) time.Time {
	if r.ending.stopped() || h.phase != Withdrawing && h.phase != TearingDown && (h.phase != Released || h.left > 0 || h.waits) {
		return time.Time{}
	}
	return h.inbox.moved.Add(completeWithin(r, h))
}

func endDue(r *Run, h *host) time.Time {
	if !r.ending.stopped() {
		return time.Time{}
	}
	if from := r.ending.control.FromBeat; from > 0 && h.aliveFrom(from) == 0 {
		return time.Time{}
	}
	limit := completeWithin(r, h)
	after, moved := r.ending.at.Add(h.grace(r.ending.grace)+limit), h.inbox.moved.Add(limit)
	if moved.After(after) {
		return moved
	}
	return after
}

func timeoutDue(r *Run, _ *host) time.Time {
	if r.spec.Timeout > 0 && ruleApplies(r) {
		return r.releaseAt.Add(r.spec.Timeout)
	}
	return time.Time{}
}

func afterDue(r *Run, _ *host) time.Time {
	if last := r.lastBeat(); r.rule.After > 0 && r.stage == Running && ruleApplies(r) && !last.IsZero() {
		return last.Add(r.rule.After)
	}
	return time.Time{}
}

func refusedDue(r *Run, _ *host) time.Time {
	if r.declinedAt.IsZero() || r.ending.stopped() {
		return time.Time{}
	}
	return r.declinedAt.Add(othersAnswer)
}

// clocksDue: what is waited for beside that comes with an event.
func clocksDue(r *Run, _ *host) time.Time {
	var latest time.Time
	if r.stage != Gathering || !r.all(Ready) {
		return latest
	}
	for i := range r.hosts {
		if at := r.hosts[i].measuredAt(); at.After(latest) {
			latest = at
		}
	}
	if latest.Equal(never) || !latest.After(r.now) {
		return time.Time{}
	}
	return latest
}

// meetDeadlines does all that is due now.
func (r *Run) meetDeadlines() {
	for i := range r.hosts {
		h := &r.hosts[i]
		for r.schedule(h); isDue(h.due, r.now); r.schedule(h) {
			h.touch()
			meet(hostDeadlines[:], r, h)
		}
	}
	if isDue(r.due, r.now) {
		meet(runDeadlines[:], r, nil)
	}
}

// plan finds out when Step is wanted again.
func (r *Run) plan() {
	r.next, r.due = time.Time{}, time.Time{}
	if r.stage == Over {
		return
	}
	r.due = earliest(runDeadlines[:], r, nil)
	for i := range r.hosts {
		h := &r.hosts[i]
		r.schedule(h)
		if h.touched {
			h.touched, h.inbox.safe = false, h.inbox.acked
		}
		r.next = sooner(r.next, h.due)
	}
	r.next = sooner(r.next, r.due)
	if r.pending > 0 {
		r.next = r.now
	}
}

// schedule finds out when the next of a host's deadlines is due, where that may have changed.
func (r *Run) schedule(h *host) {
	if h.stale {
		h.due, h.stale = dueOf(r, h), false
	}
}

// dueOf is when the next of a host's deadlines is due; zero: none is.
func dueOf(r *Run, h *host) time.Time {
	if h.over() {
		return time.Time{}
	}
	return earliest(hostDeadlines[:], r, h)
}

func earliest(list []deadline, r *Run, h *host) time.Time {
	var at time.Time
	for i := range list {
		if due := list[i].due(r, h); !due.IsZero() { // few are
			at = sooner(at, due)
		}
	}
	return at
}

// meet does the first thing in the list that is due and can be done.
func meet(list []deadline, r *Run, h *host) {
	for i := range list {
		if d := &list[i]; d.do != nil && isDue(d.due(r, h), r.now) {
			d.do(r, h)
			return
		}
	}
}

func isDue(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// sooner is the earlier of two times that are zero if they never come.
func sooner(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && !b.Before(a) {
		return a
	}
	return b
}
