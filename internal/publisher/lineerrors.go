package publisher

import (
	"maps"
	"slices"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/results"
)

// lineErrors are the bounds of the times of a host's lines: the largest of each
// window of time, in microseconds, by the window's number since 1970.
type lineErrors map[int64]int64

// errorWindow is how finely they are kept.
const errorWindow = 10 * time.Second

// note takes in the time of a line.
func (l *lineErrors) note(at clock.Instant) {
	if *l == nil {
		*l = make(lineErrors)
	}
	window := at.Time.UnixNano() / int64(errorWindow)
	(*l)[window] = max((*l)[window], at.ErrorUS())
}

// list has an entry wherever the bound grows, or comes down by more than half.
func (l lineErrors) list() []results.LineError {
	var list []results.LineError
	for _, window := range slices.Sorted(maps.Keys(l)) {
		us := l[window]
		if n := len(list); n == 0 || us > list[n-1].ErrorUS || us < list[n-1].ErrorUS/2 {
			list = append(list, results.LineError{From: time.Unix(0, window*int64(errorWindow)).UTC(), ErrorUS: us})
		}
	}
	return list
}
