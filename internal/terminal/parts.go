package terminal

import (
	"cmp"
	"slices"
	"strings"
)

// A Part is one of the things that the live line says.
type Part struct {
	Text string
	// Short, if not empty, stands for Text where there is no room for that.
	Short string
	Rank  Rank
	// Sep stands before the part, unless it is the first.
	Sep string
}

// A Rank says how soon a part is dropped on a narrow terminal: the higher, the sooner. Parts up
// to RankElapsed are whole, short, or absent; the others get the remaining room, and are cut to
// it.
type Rank int

// The ranks, the most important first.
const (
	RankState    Rank = iota // how many processes run
	RankFailures             // how much has failed
	RankLeft                 // how long everything will probably still take
	RankElapsed              // how long this has taken
	RankPlace                // which datapoint of how many
	RankName                 // of the experiment
	RankDetail               // parameters, hosts
	RankBar                  // how much of the expected time has passed
	RankNames                // of what has failed
)

// layout puts the parts into at most that many columns, in their order.
func layout(parts []Part, columns int) string {
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i].Text, parts[i].Short = printable(parts[i].Text), printable(parts[i].Short)
	}
	order := make([]int, len(parts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(parts[a].Rank, parts[b].Rank) })
	l := line{parts: parts, order: order, shown: make([]string, len(parts)), columns: columns}
	l.each(RankState, RankElapsed, func(i int) { l.try(i, cmp.Or(parts[i].Short, parts[i].Text)) })
	l.each(RankState, RankState, l.lengthen)
	l.each(RankPlace, RankName, func(i int) { l.try(i, parts[i].Text) })
	l.each(RankFailures, RankElapsed, l.lengthen)
	l.each(RankPlace, RankNames, l.fill)
	return l.String()
}

// A line is what layout has chosen so far.
type line struct {
	parts   []Part
	order   []int    // by rank
	shown   []string // by part; empty: it is not
	columns int
}

func (l *line) String() string {
	var b strings.Builder
	for i, text := range l.shown {
		if text == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(l.parts[i].Sep)
		}
		b.WriteString(text)
	}
	return b.String()
}

// each calls f for the parts of these ranks.
func (l *line) each(from, to Rank, f func(part int)) {
	for _, i := range l.order {
		if rank := l.parts[i].Rank; rank >= from && rank <= to {
			f(i)
		}
	}
}

// lengthen shows a part that is shown short by its text, if there is room for it.
func (l *line) lengthen(i int) {
	if l.shown[i] != "" {
		l.try(i, l.parts[i].Text)
	}
}

// fill shows a part that is not shown yet, or as much of it as there is room for.
func (l *line) fill(i int) {
	if l.shown[i] == "" && !l.try(i, l.parts[i].Text) && l.parts[i].Rank != RankBar {
		l.cut(i)
	}
}

// try shows a part by that text, if there is room for it.
func (l *line) try(i int, text string) bool {
	before := l.shown[i]
	l.shown[i] = text
	if columnsOf(l.String()) <= l.columns {
		return true
	}
	l.shown[i] = before
	return false
}

// shortestCut is how many columns of a part are worth showing, with the mark.
const shortestCut = 12

// cut shows as much of a part as there is room for.
func (l *line) cut(i int) {
	l.shown[i] = l.parts[i].Text
	room := l.columns - columnsOf(l.String()) + columnsOf(l.parts[i].Text)
	if l.shown[i] = ""; room >= shortestCut || room > 0 && l.String() == "" {
		l.shown[i] = cutTo(l.parts[i].Text, room)
	}
}
