package course

import (
	"cmp"
	"slices"
)

// Turns decides which run has the host: one at a time. Where two want it, the older
// goes first, and takes the host from a younger one as long as that has neither been
// released nor committed ("wound-wait"). So of two publishers that want the same
// hosts, never each ends up holding some of them.
type Turns struct {
	active  turn
	waiting []turn // oldest first
	notices []Notice
}

// A turn is a run that has the host, or waits for it. The run that began first, by the
// id of its first attempt, is the oldest.
type turn struct{ run, since string }

// A Notice is what a run is to be told: [Granted], [Wounded] or [Queued]. Notices are
// passed on in their order.
type Notice struct {
	Run   string
	Input Input
}

// Admit lets a run ask for the host. What it returns, as with Yield and Leave, is valid
// until the next call.
func (t *Turns) Admit(run, since string) []Notice {
	t.notices = t.notices[:0]
	if t.active.run == "" {
		t.active = turn{run, since}
		t.tell(run, Granted{})
		return t.notices
	}
	t.enqueue(turn{run, since})
	t.tell(run, Queued{Behind: t.active.run})
	if since < t.active.since {
		t.tell(t.active.run, Wounded{})
	}
	return t.notices
}

// Yield gives the host from a run that was wounded to the oldest that waits; the run
// itself waits again.
func (t *Turns) Yield(run string) []Notice {
	t.notices = t.notices[:0]
	if t.active.run != run {
		return nil
	}
	t.enqueue(t.active)
	t.grant()
	if t.active.run != run {
		t.tell(run, Queued{Behind: t.active.run})
	}
	return t.notices
}

// Leave takes a run out, whether it has the host or waits for it.
func (t *Turns) Leave(run string) []Notice {
	t.notices = t.notices[:0]
	if t.active.run == run {
		t.grant()
		return t.notices
	}
	t.waiting = slices.DeleteFunc(t.waiting, func(other turn) bool { return other.run == run })
	return nil
}

// Active is the run that has the host; empty if it is free.
func (t *Turns) Active() string { return t.active.run }

func (t *Turns) tell(run string, in Input) { t.notices = append(t.notices, Notice{run, in}) }

// enqueue lets a run wait, behind those that are as old.
func (t *Turns) enqueue(next turn) {
	at, _ := slices.BinarySearchFunc(t.waiting, next, func(a, b turn) int {
		if c := cmp.Compare(a.since, b.since); c != 0 {
			return c
		}
		return -1
	})
	t.waiting = slices.Insert(t.waiting, at, next)
}

// grant gives the host to the oldest run that waits, if any.
func (t *Turns) grant() {
	t.active = turn{}
	if len(t.waiting) == 0 {
		return
	}
	t.active = t.waiting[0]
	t.waiting = slices.Delete(t.waiting, 0, 1)
	t.tell(t.active.run, Granted{})
}
