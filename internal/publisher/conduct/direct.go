package conduct

import (
	"time"

	"downbeat/internal/clock"
)

// A direct is how a host's clock is measured without the broker, where the host has said that
// it answers.
type direct struct {
	at        []string  // where it can be asked
	measuring bool      // a series of exchanges is under way
	wanted    int       // how many there are to be once it is over; 0: none at once
	dueAt     time.Time // when the next series is due; zero: not yet
	silent    int       // how many series in a row have come to nothing
	exchanges int       // that have come to something
}

const (
	// manyExchanges are made around an instant that matters, a few all the time: then
	// the rate between the two clocks is known well, and the bound ages slowly.
	manyExchanges = 8
	fewExchanges  = 2
	measureEvery  = time.Second
	// Where nothing answers, it is tried less and less often.
	mostDoublings = 4
	// directMoment is how long the first answer is waited for before the release is agreed on.
	directMoment = 20 * time.Millisecond
)

// listens takes in where a host that is ready answers, and has it measured while it has
// nothing else to do.
func (r *Run) listens(h *host, at []string) {
	if len(at) > 0 && r.spec.Direct {
		h.direct.at = at
		r.measure(h, manyExchanges)
	}
}

// measure has so many exchanges made with a host, after those that are under way.
func (r *Run) measure(h *host, times int) {
	d := &h.direct
	switch {
	case len(d.at) == 0:
	case d.measuring:
		d.wanted = max(d.wanted, times)
	default:
		d.measuring, d.wanted, d.dueAt = true, 0, time.Time{}
		r.out.hurry(Measure{Host: h.index, At: d.at, Times: times})
	}
	h.touch()
}

// measured takes in what has come of it.
func (r *Run) measured(h *host, samples []clock.Sample) {
	d := &h.direct
	d.measuring = false
	d.silent++
	if len(samples) > 0 {
		d.silent = 0
	}
	d.exchanges += len(samples)
	h.contact.direct(tightest(samples))
	d.dueAt = r.now.Add(measureEvery << min(d.silent, mostDoublings))
	if d.wanted > 0 && d.silent == 0 {
		r.measure(h, d.wanted)
	}
	h.touch()
}

// tightest are those of a series that say most: the one that bounds the offset most closely from
// above, and the one that does from below. The others, some milliseconds apart, add nothing, and
// would take the place of older ones, which show the rate.
func tightest(series []clock.Sample) []clock.Sample {
	if len(series) < 2 {
		return series
	}
	above, below := 0, 0
	for i, s := range series {
		if s.Taken.Sub(s.Sent) < series[above].Taken.Sub(series[above].Sent) {
			above = i
		}
		if s.Answered.Sub(s.Received) > series[below].Answered.Sub(series[below].Received) {
			below = i
		}
	}
	if above == below {
		return series[above : above+1]
	}
	return []clock.Sample{series[min(above, below)], series[max(above, below)]}
}

// measureDue: once nothing of the run is left on a host, its clock is of no interest.
func measureDue(_ *Run, h *host) time.Time {
	if h.phase >= Ended {
		return time.Time{}
	}
	return h.direct.dueAt
}

func measureAgain(r *Run, h *host) { r.measure(h, fewExchanges) }

// answersBy is until when a host's first answer is waited for; zero: it is not.
func (h *host) answersBy() time.Time {
	if d := &h.direct; len(d.at) == 0 || d.exchanges > 0 || d.silent > 0 {
		return time.Time{}
	}
	return h.preparation.readyAt.Add(directMoment)
}

// mayRelease reports whether the instant of the release can be agreed on.
func mayRelease(r *Run) bool {
	return r.gate && r.all(Committed) && !directDue(r, nil).After(r.now)
}

// directDue is when the hosts that could answer have had their moment; zero: none is waited
// for.
func directDue(r *Run, _ *host) time.Time {
	var latest time.Time
	if r.stage != Committing || !r.gate || !r.all(Committed) {
		return latest
	}
	for i := range r.hosts {
		if at := r.hosts[i].answersBy(); at.After(latest) {
			latest = at
		}
	}
	return latest
}

// directStill is directDue as long as that is to come.
func directStill(r *Run, _ *host) time.Time {
	if at := directDue(r, nil); at.After(r.now) {
		return at
	}
	return time.Time{}
}
