package conduct

import (
	"slices"

	"downbeat/internal/message"
)

// check makes sure that what the run keeps count of is so.
func (l *harness) check() {
	l.t.Helper()
	var at [Completed + 1]int
	pending := 0
	for i := range l.run.hosts {
		h := &l.run.hosts[i]
		at[h.phase]++
		if h.pending {
			pending++
		}
		if left := len(slices.DeleteFunc(slices.Clone(h.numbers), func(n int) bool {
			return l.run.commands[n].Phase != message.PhaseRun || l.run.commands[n].over()
		})); left != h.left {
			l.t.Fatalf("%s has %d processes left, and it is noted that %d", h.name, left, h.left)
		}
		if has := h.inbox.has() && !h.over(); has != h.pending {
			l.t.Fatalf("%s has its next event: %v, and it is noted that %v", h.name, has, h.pending)
		}
		if due := dueOf(l.run, h); !due.Equal(h.due) && l.run.stage != Over {
			l.t.Fatalf("%s has a deadline at %s, and %s is noted", h.name, due.Sub(epoch), h.due.Sub(epoch))
		}
	}
	left, waited := 0, 0
	for i := range l.run.commands {
		if c := &l.run.commands[i]; c.Phase == message.PhaseRun && !c.over() {
			left++
			if l.run.rule.waits(c.Group) {
				waited++
			}
		}
	}
	if at != l.run.at || pending != l.run.pending || left != l.run.rule.left || waited != l.run.rule.waited {
		l.t.Fatalf("hosts at each phase %v, %d with an event, %d processes left, %d waited for; noted are %v, %d, %d, %d",
			at, pending, left, waited, l.run.at, l.run.pending, l.run.rule.left, l.run.rule.waited)
	}
}
