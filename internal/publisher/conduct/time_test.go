package conduct

import (
	"slices"
	"time"
)

// An appointment is something that happens at a time.
type appointment struct {
	at time.Time
	do func()
}

// later makes an appointment. Those of the same time are kept in the order in which they were made.
func (l *harness) later(after time.Duration, do func()) {
	l.coming = append(l.coming, appointment{l.now.Add(after), do})
	slices.SortStableFunc(l.coming, func(a, b appointment) int { return a.at.Compare(b.at) })
}

// advance lets time pass.
func (l *harness) advance(d time.Duration) {
	l.t.Helper()
	until := l.now.Add(d)
	for l.happen(until) {
		continue
	}
	l.now = until
}

// happen lets the next thing happen, unless it comes after that time, and reports whether it did.
func (l *harness) happen(until time.Time) bool {
	l.t.Helper()
	next := l.run.Next()
	if len(l.coming) > 0 && (next.IsZero() || !l.coming[0].at.After(next)) {
		if l.coming[0].at.After(until) {
			return false
		}
		a := l.coming[0]
		l.coming = l.coming[1:]
		l.now = a.at
		a.do()
		return true
	}
	if next.IsZero() || next.After(until) {
		return false
	}
	if next.After(l.now) {
		l.now = next
	}
	l.input(nil)
	return true
}
