package metric

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
	"downbeat/internal/samples"
)

// readings are those of a host, by process; of the host itself, under the empty name.
type readings struct {
	of  map[string][]samples.Reading
	err error
}

// sampled takes the values of a source that was sampled: what the quantity was between each two
// samples, at the time in the middle.
func (s *search) sampled(source *experiment.Source) {
	s.here = miss{}
	s.place = results.SamplesPath(source.Host)
	all, ok := s.readings[source.Host]
	if !ok {
		all = s.readSamples(source.Host)
		if s.readings == nil {
			s.readings = make(map[string]readings)
		}
		s.readings[source.Host] = all
	}
	if all.err != nil && len(all.of) == 0 {
		s.note(noSource, "%v", all.err)
		s.count(false)
		return
	}
	s.count(s.takeReadings(source, all.of[source.Process]))
}

// takeReadings takes the readings of a source that count.
func (s *search) takeReadings(source *experiment.Source, list []samples.Reading) bool {
	into, before := &s.over, s.over.n
	if s.metric.Lines != "" {
		s.lines = newReducer(s.metric.Lines, s.times.seconds())
		into, before = &s.lines, 0
	}
	s.times.begin(s.run, source)
	for i := range list {
		s.times.at, s.times.known = list[i].Middle(), true
		if s.times.counts(reading{value: list[i].Value}) {
			into.add(list[i].Value)
		}
	}
	if len(list) == 0 {
		s.note(noLine, "%s has no %s of %s", s.place, s.metric.Sample, named(source))
	}
	s.endTimes(false)
	got := into.n > before
	if into == &s.over || !got {
		return got
	}
	v, _ := into.result()
	if s.over.extends(v) {
		s.whose = named(source)
	}
	s.over.add(v)
	return true
}

// named is what a source is called.
func named(source *experiment.Source) string {
	if source.Process == "" {
		return source.Host
	}
	return source.Host + "/" + source.Process
}

// extends reports whether a value would be the largest, or the smallest, where it is that which
// counts.
func (r *reducer) extends(v float64) bool {
	switch r.reduction {
	case experiment.Max:
		return r.n == 0 || v > r.value
	case experiment.Min:
		return r.n == 0 || v < r.value
	}
	return false
}

// readSamples reads all readings of a host. Of a file that was cut off, it gives what there is.
func (s *search) readSamples(host string) readings {
	r := readings{of: make(map[string][]samples.Reading)}
	f, err := s.run.files.Open(results.SamplesPath(host))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.err = errors.New("no samples were taken on " + host)
		return r
	case err != nil:
		r.err = err
		return r
	}
	defer func() { _ = f.Close() }() // only read
	meter := samples.NewMeter(samples.QuantityOf(s.metric.Sample))
	for file := samples.NewReader(f); ; {
		row, err := file.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, samples.ErrCut) {
			break
		}
		if err != nil {
			s.left.note(results.SamplesPath(host), 0, "can't be read: %v", bare(err))
			r.err = err
			break
		}
		for _, reading := range meter.Next(row) {
			r.of[reading.Process] = append(r.of[reading.Process], reading)
		}
	}
	for name, list := range r.of {
		r.of[name] = whole(list)
	}
	return r
}

// whole leaves out readings of much less time than the others, if there are others: the first
// sample comes just before the release, and the last one as the last process has ended.
func whole(list []samples.Reading) []samples.Reading {
	var lengths []time.Duration
	for i := range list {
		lengths = append(lengths, list[i].To.Sub(list[i].From))
	}
	slices.Sort(lengths)
	if len(lengths) == 0 {
		return list
	}
	usual := lengths[len(lengths)/2]
	return slices.DeleteFunc(list, func(r samples.Reading) bool { return r.To.Sub(r.From) < usual/2 })
}
