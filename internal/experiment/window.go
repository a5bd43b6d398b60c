package experiment

import (
	"fmt"
	"strings"
	"time"

	"downbeat/internal/message"
)

// A Window is a part of a run's time over which numbers are taken.
type Window struct {
	Name     string
	From, To Boundary
}

// String says from when to when it is.
func (w *Window) String() string { return fmt.Sprintf("%s to %s", w.From, w.To) }

// A Boundary is where a window begins or ends.
type Boundary struct {
	Of Anchor
	// Group is the group whose release it counts from; empty: the last release. Mark and
	// Action say which mark, and the number of which action in the file.
	Group  string
	Mark   string
	Action int
	// After is how long after the anchor it is; negative: before.
	After time.Duration
}

// An Anchor is an instant of a run that a boundary counts from.
type Anchor string

// The anchors.
const (
	OfRelease Anchor = "release"
	OfMark    Anchor = "mark"
	OfAction  Anchor = "action"
	OfEnd     Anchor = "end" // when the stop of the run began or, without one, its last process ended
)

// String says where the boundary is: "15s after the last release".
func (b Boundary) String() string {
	at := b.anchor()
	switch {
	case b.After > 0:
		return short(b.After) + " after " + at
	case b.After < 0:
		return short(-b.After) + " before " + at
	}
	return at
}

func (b Boundary) anchor() string {
	switch b.Of {
	case OfMark:
		return "mark " + b.Mark
	case OfAction:
		return fmt.Sprintf("action %d", b.Action)
	case OfEnd:
		return "the end"
	case OfRelease:
	}
	if b.Group != "" {
		return "the release of " + b.Group
	}
	return "the last release"
}

// A window is a window of the file with its templates.
type window struct {
	name     string
	whole    *text // its place
	from, to *boundary
}

// A boundary is one with its template.
type boundary struct {
	Boundary
	t *text // how long after its anchor; alone, the sign says which anchor that is
}

// windows reads the windows by their names.
var windows = binding[File]{
	words: "map", schema: mapSchema(ref("window")), inner: []*table{windowFields.table()},
	read: func(v value, f *File) {
		if !v.isMap("such as {steady: {from: 15s, to: -5s}}", "must be a map of windows") {
			return
		}
		for _, child := range v.pairs() {
			if err := message.CheckName(child.key); err != nil {
				v.wrongKey(child, "", "%v", err)
			}
			if !child.isMap("such as {from: 15s, to: -5s}", "a window must be a map") {
				continue
			}
			w := &window{name: child.key, whole: &text{at: child.at, field: child.path}, from: &boundary{Boundary: Boundary{Of: OfRelease}}, to: &boundary{Boundary: Boundary{Of: OfEnd}}}
			windowFields.read(child, w)
			f.windows = append(f.windows, w)
		}
	},
}

// boundaryAt binds a boundary to its place in a window.
func boundaryAt(place func(w *window) **boundary) binding[window] {
	return binding[window]{
		words: "duration, template or map", schema: anyOf(signedSchema, boundaryFields.table().schema()), inner: []*table{boundaryFields.table()},
		read: func(v value, w *window) {
			b := &boundary{}
			*place(w) = b
			if v.kind == mapNode {
				boundaryFields.read(v, b)
				return
			}
			b.t = signed.read(v.with(limitKeys))
		},
	}
}

// checkBoundary checks what depends on several fields of a boundary.
func checkBoundary(v value, b *boundary, given found) {
	is := given.among("mark", "action", "since")
	switch {
	case len(is) > 1:
		second, _ := given.get(is[1])
		second.wrong("remove one", "it counts from one thing, not from %s and from %s", anchorWords[is[0]], anchorWords[is[1]])
	case len(is) == 0 && !given.meant("mark", "action", "since"):
		v.in.add(v.at, v.path, "mark, action or since; or write a duration alone, such as 15s", "it does not say what its time counts from")
	case len(is) == 1:
		b.Of = map[string]Anchor{"mark": OfMark, "action": OfAction, "since": OfRelease}[is[0]]
	}
}

var anchorWords = map[string]string{"mark": "a mark", "action": "an action", "since": "a release"}

// anAction is the number of an action of the file.
var anAction = shape[int]{"action's number, from 0", schema{"type": "integer", "minimum": 0, "maximum": message.MaxActions - 1}, func(v value) int {
	before := len(v.in.errors)
	n := v.integer(0, message.MaxActions-1)
	known := len(v.in.file.actions)
	switch {
	case len(v.in.errors) > before || n < known:
	case known == 0:
		v.wrong("they are under at", "there are no actions")
	default:
		v.wrong("they count from 0", "there is no action %d: the last is %d", n, known-1)
	}
	return n
}}

// aWindow is the name of a window of the file.
var aWindow = shape[string]{"window", nameSchema, func(v value) string {
	s, ok := v.str()
	if !ok {
		return ""
	}
	var names []string
	for _, w := range v.in.file.windows {
		if w.name == s {
			return s
		}
		names = append(names, w.name)
	}
	hint := v.in.didYouMean(s, names)
	if len(names) == 0 {
		hint = "there are no windows: add windows: {" + s + ": {from: 15s, to: -5s}}"
	}
	v.wrong(hint, "no window %q", s)
	return s
}}

// source is what the file says of the boundary.
func (b *boundary) source() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s%s %d %s", b.Of, b.Group, b.Mark, b.Action, b.t.source()))
}

// source is what the file says of the window; empty for nil.
func (w *window) source() string {
	if w == nil {
		return ""
	}
	return w.from.source() + " to " + w.to.source()
}

// windowOf gives the window of a name; nil if there is none.
func (f *File) windowOf(name string) *window {
	for _, w := range f.windows {
		if w.name == name {
			return w
		}
	}
	return nil
}
