package experiment

import (
	"fmt"
	"strings"
	"time"
)

// windows makes the datapoint's windows, in the order of the file.
func (x *expansion) windows() []Window {
	var windows []Window
	for _, w := range x.file.windows {
		made := Window{w.name, x.boundary(w.from), x.boundary(w.to)}
		x.checkWindow(w, &made)
		windows = append(windows, made)
	}
	return windows
}

// boundary evaluates one. A negative duration alone counts back from the end.
func (x *expansion) boundary(b *boundary) Boundary {
	made := b.Boundary
	if b.t == nil {
		return made
	}
	s, ok := x.evaluate(b.t, limitKeys, x.data())
	if !ok {
		return made
	}
	s = strings.TrimSpace(s)
	var err error
	if made.After, err = parseSigned(s); err != nil {
		x.fail(b.t, err)
	}
	if made.Of == "" {
		made.Of = OfRelease
		if strings.HasPrefix(s, "-") {
			made.Of = OfEnd
		}
	}
	return made
}

// place is where a boundary stands in the file.
func (w *window) place(b *boundary) *text {
	if b.t != nil {
		return b.t
	}
	return w.whole
}

// checkWindow reports what can be known to be wrong before there is a run.
func (x *expansion) checkWindow(w *window, made *Window) {
	from, to := made.From, made.To
	same := from
	same.After = to.After
	if same == to && from.After >= to.After {
		x.fail(w.place(w.to), &textError{fmt.Sprintf("the window is empty: it goes from %s to %s", from, to), ""})
		return
	}
	for _, b := range []Boundary{from, to} {
		if b.Of == OfRelease && b.Group != "" && len(x.group(b.Group)) == 0 {
			x.warnOf(w.whole, "", "%s has no process, so window %s has no beginning or no end", b.Group, w.name)
		}
	}
	if x.timeout == 0 { // of a run that is over, nothing need be foreseen
		return
	}
	longest, why := x.longest()
	early, begins := x.offset(from)
	switch late, ends := x.offset(to); {
	case begins && ends && early >= late:
		x.fail(w.place(w.to), &textError{fmt.Sprintf("the window is empty: %s does not come after %s", to, from), ""})
	case begins && early >= longest:
		x.fail(w.place(w.from), &textError{fmt.Sprintf("%s is not before %s", from, why), "the run is over by then"})
	case ends && late > longest:
		x.fail(w.place(w.to), &textError{fmt.Sprintf("%s is after %s", to, why), "the run is over by then; without to, the window goes to the end"})
	case from.Of == OfEnd && -from.After > longest:
		x.fail(w.place(w.from), &textError{fmt.Sprintf("%s is before the run begins: none is longer than %s", from, why), ""})
	case begins && to.Of == OfEnd && early-to.After >= longest:
		x.fail(w.place(w.to), &textError{fmt.Sprintf("the window is empty: it goes from %s to %s, and no run is longer than %s", from, to, why), ""})
	}
}

// longest is the longest that a run can last after its last release, and why.
func (x *expansion) longest() (time.Duration, string) {
	if x.stop.After > 0 {
		return x.stop.After, fmt.Sprintf("stop.after, %s", short(x.stop.After))
	}
	left := x.timeout
	if n := len(x.earliest); n > 0 {
		left -= x.earliest[n-1]
	}
	return left, fmt.Sprintf("the timeout of %s", short(x.timeout))
}

// offset is how long after the last release a boundary is to be, if that is known.
func (x *expansion) offset(b Boundary) (after time.Duration, known bool) {
	switch b.Of {
	case OfRelease:
		return b.After, x.isLast(b.Group)
	case OfAction:
		a := x.file.actions[b.Action]
		return x.limit(a.t, zeroToo, limitKeys, x.data()) + b.After, a.timed() && x.isLast(a.since)
	case OfMark, OfEnd:
	}
	return 0, false
}

// isLast reports whether a group, or without one any, is released last. When the last release
// comes after an earlier one is not known beforehand.
func (x *expansion) isLast(group string) bool {
	return group == "" || x.beatOf[group] == len(x.beats)-1
}
