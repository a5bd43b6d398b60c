package publisher

import (
	"testing"
	"time"

	"downbeat/internal/message"
)

// Events are not signed. Whatever three a host sends, in that order, the run goes
// on to its end, and there is a record of it.
func FuzzEventsOfAHost(f *testing.F) {
	var batch message.Batch
	batch.Reset("r", "alpha", 1, epoch)
	batch.Add(message.Segment{Command: 1, Offset: 9, Line: 9, At: epoch, Data: []byte("x\ny")})
	events := [][]byte{batch.Bytes()}
	for _, e := range []message.Event{
		{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "ptrace"}},
		{Kind: message.Waiting, Waiting: &message.WaitingInfo{Behind: "x"}},
		{Kind: message.Started, Started: []message.StartedInfo{{Command: -1}, {Command: 1 << 40, PID: -1}, {PID: 1, StartedAt: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}}},
		{Kind: message.Exited, Exited: &message.ExitedInfo{ExitCode: -300, Signal: "SIGNONE", UserUS: -1}},
		{Kind: message.Refused, Refused: &message.RefusedInfo{Problems: []message.Problem{{Process: "a.0"}, {Process: "none"}}}},
		{Kind: message.Stopping, Stopping: &message.StoppingInfo{}},
		{Kind: message.Done, Done: &message.DoneInfo{Totals: make([]message.Total, 9), Swept: -1}},
		{Kind: message.Heartbeat, Heartbeat: &message.HeartbeatInfo{Last: 1 << 63, Probe: &message.Probe{}}},
	} {
		data, err := e.Encode()
		if err != nil {
			f.Fatal(err)
		}
		events = append(events, data)
	}
	for i := range events {
		f.Add(events[i], events[(i+1)%len(events)], events[(i+4)%len(events)])
	}
	f.Fuzz(func(t *testing.T, first, second, third []byte) {
		l := newLab(t, nil)
		dp := l.datapoint(proc("alpha", "a", 0), proc("alpha", "a", 1), proc("bravo", "b", 0))
		out := newResults(t, t.TempDir(), dp)
		check(t, out.CreateFiles())
		r, err := l.p.newRun(Spec{Datapoint: dp, Results: out, Observer: &watcher{}})
		check(t, err)
		defer close(r.over)
		r.stage, r.releaseAt = running, r.clock.Now()
		for i, data := range [][]byte{first, second, third} {
			a := arrival{host: "alpha", seq: uint64(i + 1), size: len(data), at: time.Now()}
			if message.FrameKindOf(data) == message.FrameOutput {
				a.output, err = message.DecodeOutput(data)
			} else {
				a.event, err = message.DecodeEvent(data)
			}
			if err == nil && a.event != nil && a.event.Kind == message.Heartbeat {
				a.seq = 0
			}
			if err == nil {
				r.arrive(a)
			}
			r.step(time.Now())
		}
		r.unmet(r.byName["alpha"], time.Now().Add(time.Hour))
		if err := out.Finish(r.record()); err != nil {
			t.Fatalf("%q, %q, %q: %v", first, second, third, err)
		}
	})
}
