package publisher

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/queue"
)

// olderReady is what a worker says that is from before there were features, or knows
// only these.
func (s *scripted) olderReady(version string, features ...message.Feature) {
	s.t.Helper()
	s.event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "ptrace", Version: version, Features: features}})
}

// A worker that is older than what the file uses would pass over it in silence.
func TestWorkerThatDoesNotKnowWhatTheFileUsesIsTurnedAway(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change   func(*experiment.Datapoint)
		version  string
		features []message.Feature
		needs    []message.Feature
		want     string
	}{
		"from before there were features": {
			func(dp *experiment.Datapoint) {
				dp.Setup = []experiment.Command{stepOn("alpha", message.PhaseSetup, 0)}
			}, "", nil,
			[]message.Feature{message.FeatureSetup},
			"the worker on alpha is too old to tell its version and doesn't know `setup`, which the file uses: update it",
		},
		"that knows some": {
			func(dp *experiment.Datapoint) {
				dp.Processes[0].Pty = true
				dp.Collect = map[string][]string{"alpha": {"*"}}
			}, "0.9",
			[]message.Feature{message.FeaturePty, message.FeatureFiles},
			[]message.Feature{message.FeaturePty, message.FeatureCollect},
			"the worker on alpha is of version 0.9 and doesn't know `collect`, which the file uses: update it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			alpha := l.worker("alpha")
			dp := l.datapoint(proc("alpha", "a", 0))
			test.change(dp)
			run := l.start(dp)
			if job := alpha.take(); !slices.Equal(job.Needs, test.needs) {
				t.Errorf("the job needs %v, want %v", job.Needs, test.needs)
			}
			alpha.olderReady(test.version, test.features...)
			alpha.expect(message.Stop)
			if got := run.wait(); got.Outcome != outcome.RunRefused || got.Reason != test.want {
				t.Errorf("outcome %s (%s), want refused (%s)", got.Outcome, got.Reason, test.want)
			}
			alpha.expectNothingMore()
		})
	}
}

// What a worker has done it knows, even if it doesn't say so; and who asks for
// nothing new is content with the oldest.
func TestOlderWorkerThatKnowsEnoughIsReleased(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	dp := l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0))
	dp.Setup = []experiment.Command{stepOn("alpha", message.PhaseSetup, 0)}
	run := l.start(dp)
	alpha.take()
	bravo.take()
	alpha.settingUp()
	alpha.stepped(1, 0)
	alpha.olderReady("")
	bravo.olderReady("")
	for _, s := range []*scripted{alpha, bravo} {
		s.expect(message.Commit)
		s.committed()
	}
	for _, s := range []*scripted{alpha, bravo} {
		s.started(s.expect(message.Start).At)
		s.exit(0, 0)
	}
	for _, s := range []*scripted{alpha, bravo} {
		s.done(message.HostDone)
	}
	if got := run.wait(); got.Outcome != outcome.RunSucceeded {
		t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
	}
}

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
			l := newLab(t, nil)
			alpha := l.worker("alpha")
			dp := l.datapoint(proc("alpha", "a", 0))
			run := l.start(dp)
			alpha.take()
			check(t, l.broker.Publish(t.Context(), l.p.events, queue.Message{Body: fmt.Appendf(nil, test.event, dp.Run)}))
			if got := run.wait(); got.Outcome != outcome.RunRefused || got.Reason != test.want {
				t.Errorf("outcome %s (%s), want refused (%s)", got.Outcome, got.Reason, test.want)
			}
		})
	}
}

// A host that is heard in our version can't be turned away by somebody else's word.
func TestEventOfAnotherVersionOfAHostThatSpeaksOursIsIgnored(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	release(alpha)
	alpha.publish(fmt.Appendf(nil, `{"downbeat":1,"event":"done","run":%q,"host":"alpha"}`, alpha.job.Run))
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	if got := run.wait(); got.Outcome != outcome.RunSucceeded {
		t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
	}
}

// A newer worker may tell what this build doesn't know: it counts, and is passed over.
func TestEventsOfUnknownKindsArePassedOver(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	release(alpha)
	alpha.event(message.Event{Kind: "dance"})
	alpha.output(0, message.Stdout, "hi\n", 1)
	alpha.mu.Lock()
	alpha.seq++ // a batch with a letter of its own
	var p message.Pieces
	batch := p.Pack().Append(nil, alpha.job.Run, "alpha", alpha.seq)
	alpha.mu.Unlock()
	alpha.publish(relabelled(batch, 'X'))
	alpha.event(message.Event{Kind: "sing"})
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	if got := run.wait(); got.Outcome != outcome.RunSucceeded || got.Processes[0].StdoutLines != 1 {
		t.Errorf("outcome %s (%s), want succeeded with a line", got.Outcome, got.Reason)
	}
	if got := l.contents("alpha/a.0.out"); !strings.HasPrefix(got, "hi\n") {
		t.Errorf("the output is %q", got)
	}
}
