package metric

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// A timing is about when the values of a metric were read: which of them count, and into which
// piece of the run's time each falls.
type timing struct {
	period *period // nil: all of them count
	bins   *bins   // nil: there is no series

	// Of the stream that is being read: the time of its latest line or document, and how many
	// values did not count.
	reader  *results.TimedReader
	host    results.HostRecord
	at      time.Time
	known   bool
	outside int

	near   int // values of all streams that might be on the other side of an edge
	across int // intervals of histograms that lie on both sides of one
	// nearIntervals are those that may lie on both sides.
	nearIntervals int
}

// newTiming is nil for a metric that doesn't depend on times. It may say why there is no time in
// which values count.
func newTiming(run *Run, m *experiment.Metric) (t *timing, why string) {
	if !m.Timed() {
		return nil, ""
	}
	t = &timing{}
	if t.period, why = run.periodOf(m); why == "" && m.Series > 0 {
		t.bins = newBins(run, m, t.period)
	}
	return t, why
}

// seconds is the length of the time in which values count.
func (t *timing) seconds() float64 {
	if t == nil || t.period == nil {
		return 0
	}
	return t.period.length().Seconds()
}

// begin is called before a process's stream is read.
func (t *timing) begin(run *Run, source *experiment.Source) {
	t.outside, t.host = 0, run.host(source.Host)
	if t.bins != nil {
		t.bins.begin()
	}
}

// stamp notes the time of a line that has just been read.
func (t *timing) stamp() { t.at, t.known = t.reader.At() }

// counts reports whether what was read at that time counts, and adds it to the series.
func (t *timing) counts(r reading) bool {
	if t.known && t.bins != nil {
		t.bins.add(t.at, r)
	}
	switch {
	case t.period == nil:
		return true
	case !t.known:
		return false
	}
	if t.period.near(t.at, time.Duration(t.host.LineErrorUS(t.at))*time.Microsecond) {
		t.near++
	}
	if !t.period.has(t.at) {
		t.outside++
		return false
	}
	return true
}

// notes are for people.
func (t *timing) notes() []string {
	var notes []string
	if t.bins != nil && t.bins.note != "" {
		notes = append(notes, t.bins.note)
	}
	if t.period != nil {
		notes = append(notes, t.period.note)
	}
	if t.across > 0 {
		notes = append(notes, fmt.Sprintf("left out: %s of histograms across an edge of %s", intervals(t.across), t.period.name))
	}
	if t.nearIntervals > 0 {
		notes = append(notes, fmt.Sprintf("the clocks leave open whether they reach across an edge of %s: %s", t.period.name, intervals(t.nearIntervals)))
	}
	if t.near > 0 {
		notes = append(notes, fmt.Sprintf("%s so near the edge of %s that the clocks leave open on which side of it", areValues(t.near), t.period.name))
	}
	return notes
}

// series is the metric over the run's time; nil if it has none.
func (t *timing) series() *results.Series {
	if t.bins == nil {
		return nil
	}
	return t.bins.series()
}

// dated has a stream read together with its times.
func (t *timing) dated(run *Run, source *experiment.Source, data io.Reader) (r io.Reader, done func(), err error) {
	name := results.TimesPath(source.Host, source.Process)
	times, err := run.files.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist): // then no line has a time, and that is noted
		t.reader = results.NewTimedReader(data, strings.NewReader(""), source.Stream)
		return t.reader, func() {}, nil
	case err != nil:
		return nil, nil, fmt.Errorf("%s: %w", name, bare(err))
	}
	t.reader = results.NewTimedReader(data, times, source.Stream)
	return t.reader, func() { _ = times.Close() }, nil // only read
}

// A stamped reader notes at which byte the time of what it gives changes.
type stamped struct {
	r      io.Reader
	timing *timing
	given  int
	stamps []stamp
}

// A stamp is the time of all bytes before end that have no earlier one.
type stamp struct {
	end   int
	at    time.Time
	known bool
}

// Read implements [io.Reader].
func (s *stamped) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if s.given += n; n > 0 {
		s.timing.stamp()
		s.stamps = append(s.stamps, stamp{s.given, s.timing.at, s.timing.known})
	}
	return n, err
}

// restore makes the time of the byte at an offset the latest.
func (s *stamped) restore(offset int) {
	i, _ := slices.BinarySearchFunc(s.stamps, offset+1, func(s stamp, end int) int { return cmp.Compare(s.end, end) })
	if i < len(s.stamps) {
		s.timing.at, s.timing.known = s.stamps[i].at, s.stamps[i].known
	}
}
