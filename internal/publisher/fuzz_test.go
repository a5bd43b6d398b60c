package publisher

import (
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

// Events are not signed. Whatever three a host sends, in that order, the run goes
// on to its end, and there is a record of it.
func FuzzEventsOfAHost(f *testing.F) {
	var batch message.Batch
	batch.Reset("r", "alpha", 1, time.Unix(0, 0))
	batch.Add(message.Segment{Command: 1, Offset: 9, Line: 9, At: time.Unix(0, 0), Data: []byte("x\ny")})
	events := [][]byte{batch.Bytes()}
	for _, e := range []message.Event{
		{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "ptrace"}},
		{Kind: message.Waiting, Waiting: &message.WaitingInfo{Behind: "x"}},
		{Kind: message.Started, Started: []message.StartedInfo{{Command: -1}, {Command: 1 << 40, PID: -1}, {PID: 1, StartedAt: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}}},
		{Kind: message.Exited, Exited: &message.ExitedInfo{ExitCode: -300, Signal: "SIGNONE", UserUS: -1}},
		{Kind: message.Refused, Refused: &message.RefusedInfo{Problems: []message.Problem{{Process: "a.0"}, {Process: "none"}}}},
		{Kind: message.Stopping, Stopping: &message.StoppingInfo{}},
		{Kind: message.Done, Done: &message.DoneInfo{Totals: make([]streams.Total, 9), Swept: -1}},
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
		l := newHarness(t, nil)
		dp := l.datapoint(proc("alpha", "a", 0), proc("alpha", "a", 1), proc("bravo", "b", 0))
		out := newResults(t, t.TempDir(), dp)
		testkit.Check(t, out.CreateFiles())
		r, err := l.p.newRun(t.Context(), Spec{Datapoint: dp, Results: out, Observer: &watcher{}})
		testkit.Check(t, err)
		r.begin()
		for host := range 2 {
			for seq, e := range []message.Event{
				{Kind: message.Ready, Ready: &message.ReadyInfo{}}, {Kind: message.Committed},
			} {
				e.Host, e.Seq, e.Time = r.hosts[host].name, uint64(seq+1), r.clock.Now()
				beat := message.Event{Kind: message.Heartbeat, Heartbeat: &message.HeartbeatInfo{Last: e.Seq, Probe: &message.Probe{
					SentAt: e.Time, TakenAt: e.Time, AnswerAt: e.Time,
				}}}
				for _, e := range []*message.Event{&e, &beat} {
					r.step(conduct.Received{Host: host, Seq: e.Seq, At: r.clock.Now(), Content: conduct.Event{Event: e}})
				}
			}
		}
		for i, data := range [][]byte{first, second, third} {
			a := conduct.Received{Seq: uint64(i + 3), At: r.clock.Now(), Size: len(data)}
			if a.Content, err = open(message.Header{Frame: message.FrameKindOf(data)}, data); err != nil {
				continue
			}
			if e, ok := a.Content.(conduct.Event); ok && e.Kind == message.Heartbeat {
				a.Seq = 0
			}
			r.step(a)
		}
		close(r.over)
		r.farewell()
		if err := out.Finish(r.record()); err != nil {
			t.Fatalf("%q, %q, %q: %v", first, second, third, err)
		}
	})
}
