package course

import (
	"testing"
	"time"

	"downbeat/internal/message"
)

// A run of 12 processes from the host to the last acknowledgement, with 10 keepalives.
func BenchmarkRun(b *testing.B) {
	j := job()
	j.Commands = nil
	for n := range 12 {
		j.Commands = append(j.Commands, process(n))
	}
	config := testConfig(j)
	exits := make([]Exited, len(j.Commands))
	keepalive := &message.Control{Kind: message.Keepalive, Ack: 3, Probe: &message.Probe{SentAt: epoch}}
	b.ReportAllocs()
	for b.Loop() {
		now := epoch
		r := New(config, now)
		steps := 0
		in := func(in Input) {
			now = now.Add(time.Millisecond)
			r.Step(now, in)
			steps++
		}
		in(Granted{})
		in(DirMade{})
		in(Prepared{})
		in(ControlTaken{Control: &message.Control{Kind: message.Commit}, Taken: now})
		in(ControlTaken{Control: &message.Control{Kind: message.Start, At: now}, Taken: now})
		in(Released{})
		for n := range exits {
			in(Begun{message.StartedInfo{Command: n}})
		}
		for range 10 {
			in(ControlTaken{Control: keepalive, Taken: now})
		}
		for n := range exits {
			in(Exited{&message.ExitedInfo{Command: n, StartedAt: now, EndedAt: now}})
		}
		in(setDone())
		in(Cleared{})
		in(AllAcked{})
		if !r.Over() {
			b.Fatal(r.State())
		}
	}
}
