package publisher

import (
	"reflect"
	"testing"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/results"
)

// The steps of a stop are apart on purpose: the skew is that of the widest one. What counts on a
// host are the stops that had a process to end; one on which all had ended was not stopped.
func TestStopInSteps(t *testing.T) {
	t.Parallel()
	zero := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	at := func(ms int) clock.Instant {
		ours := zero.Add(time.Duration(ms) * time.Millisecond)
		return clock.Instant{Time: ours, Theirs: ours, Error: 100 * time.Microsecond}
	}
	ran := func(beat, ended int) conduct.Ran {
		return conduct.Ran{Command: &message.Command{Beat: beat}, StartedAt: at(0), EndedAt: at(ended)}
	}
	r := &run{dp: &experiment.Datapoint{}}
	for _, name := range []string{"alpha", "bravo", "charlie"} {
		r.hosts = append(r.hosts, &host{name: name})
	}
	for _, name := range []string{"alpha", "bravo", "alpha", "charlie"} {
		r.dp.Processes = append(r.dp.Processes, experiment.Command{Host: name})
	}
	res := conduct.Result{
		Beats: []conduct.BeatResult{{Groups: []string{"server"}}, {Groups: []string{"client"}}},
		// Servers on alpha and bravo that ended with the second step, clients on alpha, with the
		// first step, and on charlie, before that.
		Processes: []conduct.Ran{ran(0, 3010), ran(0, 3012), ran(1, 2500), ran(1, 1000)},
		Hosts: []conduct.HostResult{
			{Clock: &clock.Offset{}, Stops: []conduct.HostStop{{FromBeat: 1, At: at(2000)}, {At: at(3000)}}, Waited: true},
			{Clock: &clock.Offset{}, Stops: []conduct.HostStop{{FromBeat: 1, At: at(2001)}, {At: at(3004)}}, Waited: true},
			{Clock: &clock.Offset{}, Stops: []conduct.HostStop{{FromBeat: 1, At: at(2009)}, {At: at(3009)}}, Waited: true},
		},
	}
	var rec results.Record
	all := r.measureStops(&rec, &res)
	if rec.StopSkewUS != 4000 || rec.StopErrorUS != 200 {
		t.Errorf("skew %d ± %d µs, want that of the second step, 4000 ± 200", rec.StopSkewUS, rec.StopErrorUS)
	}
	if !all.first.Equal(at(2000).Time) {
		t.Errorf("the first signal was at %s, want that of the first step", all.first)
	}
	if want := []results.StopRecord{
		{FromBeat: 1, Groups: []string{"client"}, StoppedAt: at(2000).Time, StopErrorUS: 1},
		{FromBeat: 0, Groups: []string{"server"}, StoppedAt: at(3000).Time, StopSkewUS: 4000, StopErrorUS: 200},
	}; !reflect.DeepEqual(rec.Stops, want) {
		t.Errorf("steps %+v, want %+v", rec.Stops, want)
	}
	for i, want := range []time.Time{at(2000).Time, at(3004).Time, {}} {
		if got := r.hostRecord(i, &res).StoppedAt; !got.Equal(want) {
			t.Errorf("%s was stopped at %s, want %s", r.hosts[i].name, got, want)
		}
	}
	res.Hosts[2].Stops, res.Hosts[2].Waited = res.Hosts[2].Stops[1:], false
	if got := r.hostRecord(2, &res).StoppedAt; !got.Equal(at(3009).Time) {
		t.Errorf("a host that does not wait for the stop had left something behind then: it was stopped at %s, want %s", got, at(3009).Time)
	}
}

// A beat whose processes were stopped before its instant never came; one without processes did.
func TestBeatThatWasCutOffNeverCame(t *testing.T) {
	t.Parallel()
	zero := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	began := clock.Instant{Time: zero, Theirs: zero}
	r := &run{dp: &experiment.Datapoint{Processes: []experiment.Command{{Host: "alpha"}, {Host: "alpha"}}}}
	res := conduct.Result{
		Beats:     []conduct.BeatResult{{At: zero}, {At: zero.Add(time.Second)}, {At: zero.Add(2 * time.Second), CutOff: true}},
		Processes: []conduct.Ran{{Command: &message.Command{}, StartedAt: began}, {Command: &message.Command{Beat: 2}}},
	}
	var rec results.Record
	r.measureBeats(&rec, &res)
	for k, want := range []time.Time{zero, zero.Add(time.Second), {}} {
		if got := rec.Beats[k].ReleasedAt; !got.Equal(want) {
			t.Errorf("beat %d was released at %s, want %s", k, got, want)
		}
	}
}
