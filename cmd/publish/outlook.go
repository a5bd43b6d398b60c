package main

import (
	"fmt"
	"strings"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// What the live line says of the experiment as a whole.

// A view is what a datapoint's live line says besides how its processes do.
type view struct {
	place    string // of the datapoint in the experiment
	outlook  string // how that stands so far
	expected time.Duration
	until    time.Time // when it is likely to be over
}

// placeOf says which datapoint of how many that is; empty where it is the only one.
func (c *campaign) placeOf(t task) string {
	if c.total() < 2 {
		return ""
	}
	place := fmt.Sprintf(" %d/%d", c.before+c.ran+1, c.total())
	if len(t.point.Parameters) > 0 {
		place += " (" + t.point.String() + ")"
	}
	if t.attempt > 1 {
		place += fmt.Sprintf(" attempt %d", t.attempt)
	}
	return place
}

// outlook names the datapoints that did not succeed, the latest first.
func (c *campaign) outlook() string {
	if len(c.troubles) == 0 || c.total() < 2 {
		return ""
	}
	const most = 3
	var names []string
	for i := len(c.troubles) - 1; i >= 0 && len(names) < most; i-- {
		names = append(names, c.troubles[i].label)
	}
	text := fmt.Sprintf(", %d did not succeed: %s", len(c.troubles), strings.Join(names, " "))
	if len(c.troubles) > most {
		text += " ..."
	}
	return text
}

// until judges by the datapoints that are over when all will be; zero before the
// first is.
func (c *campaign) until() time.Time {
	if c.ran == 0 || len(c.points) < 2 {
		return time.Time{}
	}
	left := time.Since(c.began) / time.Duration(c.ran) * time.Duration(len(c.points)-c.ran)
	return time.Now().Add(left)
}

// A pace is how long datapoints take from the release to the end.
type pace struct {
	of     map[string]time.Duration // the latest with these parameters
	latest time.Duration
}

func (p *pace) add(point experiment.Point, r results.Record) {
	if r.Outcome != results.RunSucceeded || r.ReleasedAt.IsZero() {
		return
	}
	if p.of == nil {
		p.of = make(map[string]time.Duration)
	}
	p.latest = r.EndedAt.Sub(r.ReleasedAt)
	p.of[point.String()] = p.latest
}

// expect is how long the point's processes are likely to run; 0: nobody knows.
func (p *pace) expect(point experiment.Point) time.Duration {
	if took, ok := p.of[point.String()]; ok {
		return took
	}
	return p.latest
}
