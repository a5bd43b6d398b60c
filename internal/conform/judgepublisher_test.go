package conform

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

// Each way in which a publisher breaks a rule is found, under the rule's name.
func TestBrokenPublishersAreFound(t *testing.T) {
	t.Parallel()
	found := make(map[Rule]bool)
	for name, test := range map[string]struct {
		change func(talk) talk
		rule   Rule
		says   string // in the text, where a mistake breaks the rule twice
	}{
		"commit before all are ready": {func(c talk) talk {
			bravo := c[3]
			i := slices.Index(c, c.ordered(message.Commit, "bravo"))
			return slices.Insert(c.without(bravo), i, bravo)
		}, RuleTogether, "is not ready"},
		"start before all are committed": {func(c talk) talk {
			bravo := c[7]
			return append(c.without(bravo), bravo)
		}, RuleTogether, "is not committed"},
		"start before a host has its job": {func(c talk) talk {
			job := c[1]
			var rest talk
			for _, m := range c.without(job) {
				if m.host != "bravo" {
					rest = append(rest, m)
				}
			}
			return append(rest, job)
		}, RuleTogether, "not even sent its job"},
		"instants that are apart": {func(c talk) talk {
			c.ordered(message.Start, "bravo").control.At = testStart
			return c
		}, RuleTogether, ""},
		"not signed": {func(c talk) talk {
			c.ordered(message.Start, "alpha").key = nil
			return c
		}, RuleSignature, ""},
		"signed by a stranger": {func(c talk) talk {
			c[0].key = stranger
			return c
		}, RuleSignature, ""},
		"changed after it was signed": {func(c talk) talk {
			c.ordered(message.Start, "alpha").raw = func(body []byte) []byte { return bytes.Replace(body, []byte("start"), []byte("stort"), 1) }
			return c
		}, RuleSignature, ""},
		"expired": {func(c talk) talk {
			c[0].expires = -time.Second
			return c
		}, RuleExpiry, ""},
		"valid for too long": {func(c talk) talk {
			c.ordered(message.Start, "alpha").expires = 72 * time.Hour
			return c
		}, RuleExpiry, ""},
		"a serial used again": {func(c talk) talk {
			c.ordered(message.Start, "alpha").serial = 1
			return c
		}, RuleSerial, "was used before"},
		"a serial that falls": {func(c talk) talk {
			c[len(c)-2].control = new(keepalive(5, testStart.Add(-time.Second)))
			return c
		}, RuleSerial, "serial 4 was sent at"},
		"no serial": {func(c talk) talk {
			c.ordered(message.Commit, "alpha").serial = 0
			return c
		}, RuleForm, ""},
		"an ack of what was not sent": {func(c talk) talk {
			c.ordered(message.Keepalive, "alpha").control.Ack = 6
			return c
		}, RuleAck, "the newest that was sent is 3"},
		"an ack that falls": {func(c talk) talk {
			c[len(c)-2].control.Ack = 2
			return c
		}, RuleAck, "is acknowledged after"},
		"an ack that falls, brought in another order": {func(c talk) talk {
			c.ordered(message.Keepalive, "alpha").control.Ack = 5
			c[len(c)-2].control.Ack = 4
			return c.late(c.ordered(message.Keepalive, "alpha"))
		}, RuleAck, "by a control that was sent later"},
		"the end is not acknowledged": {func(c talk) talk { return c[:len(c)-1] }, RuleAck, "was never acknowledged"},
		"a job that hides what it needs": {func(c talk) talk {
			c[0].job.Commands[0].Pty = true
			return c
		}, RuleJob, ""},
		"two jobs that differ": {func(c talk) talk {
			c.hands(Subject, message.Job{Host: "alpha", Commands: []message.Command{command("other", message.PhaseRun)}})
			return c
		}, RuleJob, ""},
		"a job of another age": {func(c talk) talk {
			c[0].job.Since = "01ZZZZZZZZ" + testPublisher + "AAAAAA"
			return c
		}, RuleJob, ""},
		"no job at all": {func(c talk) talk { return c[1:] }, RuleJob, ""},
		"start after stop": {func(c talk) talk {
			stop := *c.ordered(message.Commit, "alpha")
			stop.serial = 1
			stop.control = &message.Control{Kind: message.Stop, Cause: message.StopAbort}
			return slices.Insert(c, 2, &stop)
		}, RuleStop, ""},
		"left without a stop": {func(c talk) talk {
			var rest talk
			for _, m := range c {
				if m.event == nil || m.host != "bravo" || m.event.Kind != message.Done {
					rest = append(rest, m)
				}
			}
			return rest
		}, RuleStop, ""},
		"a control in the queue of jobs": {func(c talk) talk {
			c.ordered(message.Commit, "alpha").queue = message.JobsQueue(testNamespace, "alpha")
			return c
		}, RuleAddress, ""},
		"another host's control": {func(c talk) talk {
			c.ordered(message.Commit, "alpha").queue = message.ControlQueue(testNamespace, "bravo")
			return c
		}, RuleAddress, ""},
		"another namespace": {func(c talk) talk {
			c.ordered(message.Commit, "alpha").namespace = "other"
			return c
		}, RuleAddress, ""},
		"answers to another queue": {func(c talk) talk {
			c[0].job.ReplyTo = message.EventsQueue(testNamespace, "ELSEWHERE0")
			return c
		}, RuleAddress, ""},
		"a chunk that nobody asked for": {func(c talk) talk {
			chunk := &message.Chunk{Run: testRun, Host: "alpha", Data: []byte("x")}
			return append(c, &item{from: Subject, queue: message.ControlQueue(testNamespace, "alpha"), chunk: chunk})
		}, RuleChunk, ""},
		"another version": {func(c talk) talk {
			c[0].raw = func(body []byte) []byte {
				return bytes.Replace(body, []byte(`"downbeat":2`), []byte(`"downbeat":3`), 1)
			}
			return c
		}, RuleVersion, ""},
		"an unknown control": {func(c talk) talk {
			c.ordered(message.Commit, "alpha").control.Kind = "levitate"
			return c
		}, RuleForm, ""},
		"junk": {func(c talk) talk {
			c[0].raw = func([]byte) []byte { return []byte("{}") }
			return c
		}, RuleForm, ""},
	} {
		violations := judgeTwo(t, test.change(twoHosts()))
		if !slices.ContainsFunc(violations, func(v Violation) bool { return v.Rule == test.rule && strings.Contains(v.Text, test.says) }) {
			t.Errorf("%s: found %+v, want rule %s, and %q", name, violations, test.rule, test.says)
		}
		found[test.rule] = true
	}
	for _, rule := range []Rule{
		RuleForm, RuleVersion, RuleAddress, RuleSignature, RuleExpiry, RuleSerial, RuleJob, RuleTogether, RuleAck, RuleStop, RuleChunk,
	} {
		if !found[rule] {
			t.Errorf("no test breaks the rule %s", rule)
		}
	}
}

// Each beat has one instant on all hosts, whatever that of the first one was.
func TestBeatsHaveInstantsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, apart := range []time.Duration{0, time.Minute} {
		c := twoHosts()
		end := slices.Index(c, c.find(message.Exited))
		var starts talk
		for i, host := range []string{"alpha", "bravo"} {
			at := testStart.Add(10*time.Second + time.Duration(i)*(time.Minute+apart)) // by bravo's clock
			starts.orders(Subject, host, 9, message.Control{Kind: message.Start, Beat: 1, At: at})
		}
		found := judgeTwo(t, slices.Insert(c, end, starts...))
		if got := slices.ContainsFunc(found, func(v Violation) bool { return v.Rule == RuleTogether }); got != (apart > 0) || len(found) > 1 {
			t.Errorf("instants that are %s apart: %+v", apart, found)
		}
	}
}

// A broker may bring controls in another order than that in which they were sent. A publisher
// can't be blamed for that.
func TestControlsThatTheBrokerReordersAreNoMistake(t *testing.T) {
	t.Parallel()
	for _, kind := range []message.ControlKind{message.Keepalive, message.Start} {
		c := twoHosts()
		c[len(c)-2].control = new(keepalive(5, testStart.Add(time.Second)))
		if found := judgeTwo(t, c.late(c.ordered(kind, "alpha"))); len(found) > 0 {
			t.Errorf("%s: %+v", kind, found)
		}
	}
}

// late has a message come last.
func (c talk) late(m *item) talk { return append(c.without(m), m) }

// Events that a host sent when its publisher's queue was gone need not be acknowledged.
func TestWhatCouldNotBeDeliveredIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	var c talk
	c.hands(Subject, message.Job{Host: "alpha", Commands: []message.Command{command("a", message.PhaseRun)}})
	c.says(Peer, "alpha", 1, message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "none", Version: "1"}})
	c.orders(Subject, "alpha", 1, keepalive(1, testStart))
	c.orders(Subject, "alpha", 2, message.Control{Kind: message.Stop, Cause: message.StopFailure})
	c.says(Peer, "alpha", 2, message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostDone, Totals: make([]streams.Total, 1)}}).unroutable = true
	if found := judgeTwo(t, c); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}
