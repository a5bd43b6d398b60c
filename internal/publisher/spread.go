package publisher

import (
	"time"

	"downbeat/internal/clock"
)

// A spread is the span of some instants of several hosts.
type spread struct {
	first, last time.Time
	hosts       map[string]*span
}

// A span is the first and the last instant of one host.
type span struct{ first, last clock.Instant }

// width is how far they are apart, as the host's own clock shows it: its offset,
// however badly known, cancels out.
func (s span) width() time.Duration { return s.last.Theirs.Sub(s.first.Theirs) }

// add takes in an instant of a host, moved by that much.
func (s *spread) add(host string, at clock.Instant, by time.Duration) {
	at.Time, at.Theirs = at.Time.Add(by), at.Theirs.Add(by)
	if s.first.IsZero() || at.Time.Before(s.first) {
		s.first = at.Time
	}
	if at.Time.After(s.last) {
		s.last = at.Time
	}
	if s.hosts == nil {
		s.hosts = make(map[string]*span)
	}
	of := s.hosts[host]
	if of == nil {
		s.hosts[host] = &span{at, at}
		return
	}
	if at.Time.Before(of.first.Time) {
		of.first = at
	}
	if at.Time.After(of.last.Time) {
		of.last = at
	}
}

func (s *spread) width() time.Duration { return s.last.Sub(s.first) }

// errorUS is the bound of the width's error: 0 where there was nothing. A width
// that is below it may be anything from none to the bound.
func (s *spread) errorUS() int64 {
	if len(s.hosts) == 0 {
		return 0
	}
	least, most := s.limits()
	bound := clock.Microseconds(max(most-s.width(), s.width()-least))
	if s.width().Microseconds() < bound {
		return max(bound, clock.Microseconds(most))
	}
	return bound
}

// limits are the least and the most that the width can be in truth.
func (s *spread) limits() (least, most time.Duration) {
	for a, x := range s.hosts {
		for b, y := range s.hosts {
			if a == b {
				least, most = max(least, x.width()), max(most, x.width())
				continue
			}
			least = max(least, x.last.Earliest().Sub(y.first.Latest()))
			most = max(most, x.last.Latest().Sub(y.first.Earliest()))
		}
	}
	return least, most
}
