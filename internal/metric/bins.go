package metric

import (
	"math"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

const (
	// maxBins is the most pieces that a run's time is cut into.
	maxBins = 10_000
	// maxCells is the most values of single processes that a series has: more of them would
	// fill memory and disk, and nobody looks at them.
	maxCells = 1_000_000
)

// bins compute a metric for each piece of a run's time: of all processes together, and of each.
type bins struct {
	metric *experiment.Metric
	origin time.Time // the last release
	first  int       // the number of the first piece, counted from the origin; may be negative
	whole  []reducer // of all processes, for each piece
	source []reducer // of the process that is being read

	columns []string
	values  [][]float64 // by column
	single  bool        // single processes have columns
	note    string      // why something is missing
}

// newBins cuts a run's time, from its last release or the beginning of the period to its end, into
// pieces. What is left at the end is no piece.
func newBins(run *Run, m *experiment.Metric, s *period) *bins {
	b := &bins{metric: m}
	whole, why := run.course()
	if why != "" {
		b.note = "there is no series: " + why
		return b
	}
	b.origin = whole.from.at
	if s != nil && s.from.at.Before(b.origin) {
		b.first = -int(math.Ceil(float64(b.origin.Sub(s.from.at)) / float64(m.Series)))
	}
	// An end that is only just too early is that of a run that was stopped on time.
	last := int((whole.to.at.Sub(b.origin) + m.Series/100) / m.Series)
	switch n := last - b.first; {
	case n <= 0:
		b.note = "there is no series: the run was shorter than " + m.Series.String()
	case n > maxBins:
		b.note = "there is no series: the run was too long for pieces of " + m.Series.String()
	default:
		b.whole, b.single = b.reducers(m.Processes, n), n*len(m.Sources) <= maxCells
		if !b.single {
			b.note = "the series is of all processes together alone: of single ones there would be more than a million values"
		}
	}
	return b
}

func (b *bins) reducers(r experiment.Reduction, n int) []reducer {
	list := make([]reducer, n)
	for i := range list {
		list[i] = newReducer(r, b.metric.Series.Seconds())
	}
	return list
}

// begin begins with the values of a process.
func (b *bins) begin() { b.source = b.reducers(b.metric.Inner(), len(b.whole)) }

// add adds what the process gave at a time.
func (b *bins) add(at time.Time, r reading) {
	i := int(math.Floor(float64(at.Sub(b.origin))/float64(b.metric.Series))) - b.first
	if i < 0 || i >= len(b.whole) {
		return
	}
	r.into(&b.source[i])
	if b.metric.Lines == "" {
		r.into(&b.whole[i])
	}
}

// end ends the values of a process. Of one that could be counted, no value is the count 0.
func (b *bins) end(name string, countable bool) {
	column := make([]float64, len(b.source))
	for i := range b.source {
		if countable {
			b.source[i].looked = true
			b.whole[i].looked = true
		}
		v, ok := b.source[i].result()
		if ok && b.metric.Lines != "" {
			b.whole[i].add(v)
		}
		column[i] = b.scaled(v, ok)
	}
	if b.single {
		b.columns, b.values = append(b.columns, name), append(b.values, column)
	}
}

// scaled is a value as it is written: NaN where there is none.
func (b *bins) scaled(v float64, ok bool) float64 {
	if v *= b.metric.Scale; !ok || math.IsInf(v, 0) {
		return math.NaN()
	}
	return v
}

// series is what was computed; nil if there is nothing.
func (b *bins) series() *results.Series {
	if len(b.whole) == 0 {
		return nil
	}
	all := make([]float64, len(b.whole))
	for i := range b.whole {
		v, ok := b.whole[i].result()
		all[i] = b.scaled(v, ok)
	}
	times := make([]float64, len(b.whole))
	for i := range times {
		times[i] = (time.Duration(b.first+i) * b.metric.Series).Seconds()
	}
	return &results.Series{
		Metric: b.metric.Name, Times: times,
		Columns: append([]string{results.AllProcesses}, b.columns...), Values: append([][]float64{all}, b.values...),
	}
}
