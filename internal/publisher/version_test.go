package publisher

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/queue"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
	"downbeat/internal/testkit/fakeworker"
)

// Nobody waits for a worker that speaks another version: its first word tells.
func TestWorkerOfAnotherVersionIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ event, want string }{
		"an event": {
			`{"downbeat":3,"event":"ready","run":%q,"host":"alpha","seq":1,"time":{"what":"ever"},"ready":[]}`,
			"the worker on alpha speaks version 3 of the protocol, and this publish version 2: use the same build on both",
		},
		"a refusal": {
			`{"downbeat":3,"event":"refused","run":%q,"host":"alpha","time":"2030-01-01T00:00:00Z","refused":{"reason":"other protocol version: the sender speaks 2, this build 3","new":{}}}`,
			"alpha refused: other protocol version: the sender speaks 2, this build 3",
		},
		"an event of version 1, as it is": {
			`{"downbeat":1,"event":"waiting","run":%q,"host":"alpha","seq":1,"time":"2026-11-23T12:00:00.123456789Z","waiting":{"behind":"01JD5W9M4QX3T0C9V8Z7Y6R5PK"}}`,
			"the worker on alpha speaks version 1 of the protocol, and this publish version 2: use the same build on both",
		},
		"a refusal of version 1, as it is": {
			`{"downbeat":1,"event":"refused","run":%q,"host":"alpha","time":"2026-11-23T12:00:00.123456789Z","refused":{"reason":"other protocol version: the sender speaks 2, this build 1 (the worker on alpha is of version v1: use the same build there and for publish)","version":"v1","features":["setup","teardown","pty","files","collect"]}}`,
			"alpha refused: other protocol version: the sender speaks 2, this build 1 (the worker on alpha is of version v1: use the same build there and for publish)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t, nil)
			alpha := l.worker("alpha")
			dp := l.datapoint(proc("alpha", "a", 0))
			run := l.start(dp)
			alpha.Take()
			testkit.Check(t, l.broker.Publish(t.Context(), l.p.events, queue.Message{Body: fmt.Appendf(nil, test.event, dp.Run)}))
			if got := run.wait(); got.Outcome != outcome.RunRefused || got.Reason != test.want {
				t.Errorf("outcome %s (%s), want refused (%s)", got.Outcome, got.Reason, test.want)
			}
		})
	}
}

// A newer worker may tell what this build doesn't know: it counts, and is passed over.
func TestEventsOfUnknownKindsArePassedOver(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	fakeworker.Release(alpha)
	alpha.Event(message.Event{Kind: "dance"})
	alpha.Output(0, streams.Stdout, "hi\n", 1)
	var p message.Pieces
	frame := p.Pack().Append(nil, alpha.Job.Run, "alpha", alpha.Number())
	alpha.Publish(relabelled(frame, 'X')) // a kind of its own
	alpha.Event(message.Event{Kind: "sing"})
	alpha.Exit(0, 0)
	alpha.Done(message.HostDone)
	if got := run.wait(); got.Outcome != outcome.RunSucceeded || got.Processes[0].StdoutLines != 1 {
		t.Errorf("outcome %s (%s), want succeeded with a line", got.Outcome, got.Reason)
	}
	if got := l.contents("alpha/a.0.out"); !strings.HasPrefix(got, "hi\n") {
		t.Errorf("the output is %q", got)
	}
}

// relabelled gives a batch another letter, and the checksum that goes with it.
func relabelled(batch []byte, kind byte) []byte {
	batch = bytes.Clone(batch)
	batch[2] = kind
	sum := crc32.ChecksumIEEE(batch[:len(batch)-4])
	return binary.LittleEndian.AppendUint32(batch[:len(batch)-4], sum)
}
