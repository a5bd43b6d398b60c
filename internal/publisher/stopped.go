package publisher

import (
	"maps"
	"slices"
	"time"

	"downbeat/internal/publisher/conduct"
	"downbeat/internal/results"
)

// measure enters how far apart the starts and the stops were.
func (r *run) measure(rec *results.Record, res *conduct.Result) {
	r.measureBeats(rec, res)
	all := r.measureStops(rec, res)
	rec.StopExitUS = stopExit(all.first, rec.Processes).Microseconds()
	if rec.StopExitUS == 0 {
		return
	}
	term := all.first
	for n, p := range res.Processes { // from the hosts' signals to the exits after the first of them
		if p.EndedAt.Time.After(term) {
			all.add(r.dp.Processes[n].Host, p.EndedAt, 0)
		}
	}
	rec.StopExitErrorUS = all.errorUS()
}

// measureStops enters how far apart the hosts sent their processes the signals of a stop: of the
// widest step, as those of a stop in steps are apart on purpose. It returns all of them.
func (r *run) measureStops(rec *results.Record, res *conduct.Result) (all spread) {
	steps := make(map[int]*spread) // by the first beat that they are for
	for i := range res.Hosts {
		for _, s := range r.effective(i, res) {
			if steps[s.FromBeat] == nil {
				steps[s.FromBeat] = new(spread)
			}
			steps[s.FromBeat].add(r.hosts[i].name, s.At, 0)
			all.add(r.hosts[i].name, s.At, 0)
		}
	}
	for _, step := range steps {
		width, bound := step.width().Microseconds(), step.errorUS()
		if width > rec.StopSkewUS || width == rec.StopSkewUS && bound > rec.StopErrorUS {
			rec.StopSkewUS, rec.StopErrorUS = width, bound
		}
	}
	rec.Stops = stopRecords(steps, res.Beats)
	return all
}

// stopRecords are the steps of a stop that was not for all at once, in their order.
func stopRecords(steps map[int]*spread, beats []conduct.BeatResult) []results.StopRecord {
	froms := slices.Sorted(maps.Keys(steps))
	if len(froms) == 0 || froms[len(froms)-1] == 0 {
		return nil
	}
	var records []results.StopRecord
	end := len(beats)
	for _, from := range slices.Backward(froms) {
		s := results.StopRecord{FromBeat: from, StoppedAt: steps[from].first, StopSkewUS: steps[from].width().Microseconds(), StopErrorUS: steps[from].errorUS()}
		for _, b := range beats[min(from, end):end] {
			s.Groups = append(s.Groups, b.Groups...)
		}
		records, end = append(records, s), from
	}
	return records
}

// effective are the stops of a host that had something to end. One that does not wait for the stop
// of all is over by itself when there is nothing.
func (r *run) effective(host int, res *conduct.Result) []conduct.HostStop {
	var stops []conduct.HostStop
	for _, s := range res.Hosts[host].Stops {
		if s.FromBeat == 0 && !res.Hosts[host].Waited || r.ends(host, s, res) {
			stops = append(stops, s)
		}
	}
	return stops
}

// ends reports whether one of the host's processes was there when a stop was carried out. One
// without an end was.
func (r *run) ends(host int, s conduct.HostStop, res *conduct.Result) bool {
	for n := range res.Processes {
		p := &res.Processes[n]
		if r.dp.Processes[n].Host != r.hosts[host].name || p.Beat < s.FromBeat || p.StartedAt.IsZero() {
			continue
		}
		if p.EndedAt.IsZero() || !p.EndedAt.Theirs.Before(s.At.Theirs) {
			return true
		}
	}
	return false
}

// stopExit is how long after the first signal the last process ended that was there
// then; zero where none was stopped.
func stopExit(signal time.Time, processes []results.ProcessRecord) time.Duration {
	last := signal
	if signal.IsZero() {
		return 0
	}
	for _, p := range processes {
		if p.EndedAt.After(last) {
			last = p.EndedAt
		}
	}
	return last.Sub(signal)
}
