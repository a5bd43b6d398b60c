package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"downbeat/internal/campaign"
)

// A view is what the live line says about a datapoint, apart from its processes.
type view struct {
	number   string   // of the datapoint, and how many there are; empty if it is the only one
	short    string   // the same where there is little room
	atMost   bool     // there may be fewer
	values   string   // its parameters, and which attempt this is
	failed   []string // the labels of the datapoints that did not succeed
	expected time.Duration
	until    time.Time // when all are likely to be over
}

func viewOf(p campaign.Progress) view {
	v := view{expected: p.Expected, until: p.Until}
	if p.Total < 2 {
		return v
	}
	v.number = fmt.Sprintf("%d/%d", p.Position, p.Total)
	if p.AtMost {
		v.short, v.atMost = v.number, true
		v.number = fmt.Sprintf("%d of at most %d", p.Position, p.Total)
	}
	if len(p.Point.Parameters) > 0 {
		v.values = "(" + p.Point.String() + ")"
	}
	if n := cmp.Or(p.Number, p.Try); n > 1 {
		v.values = strings.TrimSpace(fmt.Sprintf("%s attempt %d", v.values, n))
	}
	for _, failure := range p.Failures {
		v.failed = append(v.failed, failure.Label)
	}
	return v
}

// place says which datapoint of how many this is, to follow the experiment's name; it is empty
// if it is the only one.
func (v view) place() string {
	if v.number == "" {
		return ""
	}
	return strings.TrimRight(" "+v.number+" "+v.values, " ")
}
