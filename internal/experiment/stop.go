package experiment

import (
	"fmt"
	"strings"
	"time"
)

// A stop is what the file says about when a run is stopped, with its templates.
type stop struct {
	at        pos // of when
	when      []string
	after     *text // nil: never
	grace     *text
	onFailure bool
	order     stopOrder
}

// A stopOrder says which processes are stopped first.
type stopOrder string

const (
	together      stopOrder = "together"
	lastBeatFirst stopOrder = "last-beat-first"
)

// checkStop reports contradictions about the run's end.
func checkStop(f *File, given found) {
	v, ok := given.get("stop")
	if !ok || v.kind != mapNode {
		return
	}
	if when, ok := v.lookup("when"); ok {
		f.stop.at = when.pos
	}
	if inner, ok := v.lookup("grace"); ok {
		if outer, ok := given.get("grace"); ok {
			inner.wrong(fmt.Sprintf("remove one: line %d has the same setting", outer.pos.line), "grace is given twice")
		}
	}
	if a, t := f.stop.after, f.timeout; a != nil && t != nil && a.constant() && t.constant() {
		after, _ := parseDuration(a.src, notZero)
		timeout, _ := parseDuration(t.src, notZero)
		if err := checkAfter(after, timeout); err != nil {
			v.in.problem(a, err)
		}
	}
}

// checkAfter reports a stop that the timeout would forestall.
func checkAfter(after, timeout time.Duration) error {
	if after < timeout {
		return nil
	}
	return &textError{fmt.Sprintf("%s is not shorter than the timeout of %s", short(after), short(timeout)), "set a longer timeout"}
}

// delayOf checks the result of a delay template against the run's end.
func delayOf(s string, timeout, after time.Duration) (time.Duration, error) {
	v, err := parseDuration(strings.TrimSpace(s), zeroToo)
	switch {
	case err != nil:
		return 0, err
	case v >= timeout:
		return 0, &textError{fmt.Sprintf("a delay of %s is not shorter than the timeout of %s", short(v), short(timeout)), ""}
	case after > 0 && v >= after:
		return 0, &textError{fmt.Sprintf("a delay of %s is not shorter than the stop.after of %s", short(v), short(after)), ""}
	}
	return v, nil
}
