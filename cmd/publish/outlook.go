package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// What the live line says of the experiment as a whole.

// A view is what a datapoint's live line says besides how its processes do.
type view struct {
	number   string   // of the datapoint and how many there are; empty where it is the only one
	values   string   // its parameters, and which attempt that is
	failed   []string // the labels of the datapoints that did not succeed
	expected time.Duration
	until    time.Time // when it is likely to be over
}

// view is that of a task which is under way.
func (c *campaign) view(t task) view {
	v := view{expected: c.lasted.expect(t.point), until: c.until()}
	if c.total() < 2 {
		return v
	}
	v.number = fmt.Sprintf("%d/%d", c.before+c.ran+1, c.total())
	if len(t.point.Parameters) > 0 {
		v.values = "(" + t.point.String() + ")"
	}
	if n := cmp.Or(t.number, t.attempt); n > 1 {
		v.values = strings.TrimSpace(fmt.Sprintf("%s attempt %d", v.values, n))
	}
	for _, trouble := range c.troubles {
		v.failed = append(v.failed, trouble.label)
	}
	return v
}

// placeOf says which datapoint of how many that is; empty where it is the only one.
func (c *campaign) placeOf(t task) string {
	v := c.view(t)
	if v.number == "" {
		return ""
	}
	return strings.TrimRight(" "+v.number+" "+v.values, " ")
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
