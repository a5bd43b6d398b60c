package conform

import (
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
)

// Each way in which a worker breaks a rule is found, under the rule's name.
func TestBrokenWorkersAreFound(t *testing.T) {
	t.Parallel()
	found := make(map[Rule]bool)
	for name, test := range map[string]struct {
		good   func() talk
		change func(talk) talk
		rule   Rule
		says   string // in the text, where a mistake breaks the rule twice
	}{
		"a life begins twice": {timedWorker, func(c talk) talk {
			c.find(message.Exited).event.Exited.Command = 1
			return c
		}, RuleAccount, "b"},
		"a beat begins before its start": {timedWorker, func(c talk) talk {
			for i := range c {
				if e := c[i].event; e != nil && e.Kind == message.Started && e.Started[0].Command == 1 {
					e.Started[0].StartedAt = testStart.Add(-time.Minute)
				}
			}
			return c
		}, RuleRelease, ""},
		"gap in the numbers": {plainWorker, func(c talk) talk { return c.without(c.find(message.Committed)) }, RuleNumber, ""},
		"logged without a number": {plainWorker, func(c talk) talk {
			c.find(message.Committed).event.Seq = 0
			return c
		}, RuleNumber, ""},
		"heartbeat with a number": {plainWorker, func(c talk) talk {
			c.find(message.Heartbeat).event.Seq = 8
			return c
		}, RuleNumber, ""},
		"refused without a number after events": {plainWorker, func(c talk) talk {
			c.says(Subject, "alpha", 0, message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: "no"}})
			return c
		}, RuleNumber, ""},
		"done without a number": {plainWorker, func(c talk) talk {
			c.find(message.Done).event.Seq = 0
			return c
		}, RuleNumber, ""},
		"other bytes when sent again": {plainWorker, func(c talk) talk {
			again := *c.find(message.Exited).event
			again.Time = again.Time.Add(time.Second)
			again.Exited = &message.ExitedInfo{Command: 0, StartedAt: testStart, EndedAt: testStart.Add(2 * time.Second)}
			c.says(Subject, "alpha", 5, again)
			return c
		}, RuleResend, ""},
		"an event after the last": {plainWorker, func(c talk) talk {
			c.says(Subject, "alpha", 8, message.Event{Kind: message.Stopping, Stopping: &message.StoppingInfo{Cause: message.StopAbort}})
			return c
		}, RuleLast, ""},
		"committed before ready": {plainWorker, func(c talk) talk {
			c.swap(c.find(message.Ready), c.find(message.Committed))
			return c
		}, RuleOrder, "committed comes where the run is taken"},
		"ready after the start": {plainWorker, func(c talk) talk {
			c.swap(c.find(message.Ready), c.find(message.Started))
			return c
		}, RuleOrder, ""},
		"stopping, and nobody asked": {plainWorker, func(c talk) talk {
			e := c.find(message.Exited).event
			*e = message.Event{Kind: message.Stopping, Run: testRun, Host: "alpha", Seq: e.Seq, Time: testStart, Stopping: &message.StoppingInfo{Cause: message.StopRule}}
			return c
		}, RuleOrder, ""},
		"ready before the setup is over": {fullWorker, func(c talk) talk {
			c.swap(c.find(message.Ready), c.find(message.Exited))
			return c
		}, RuleOrder, ""},
		"files before ended": {fullWorker, func(c talk) talk {
			c.find(message.Ended).event.Kind = message.TearingDown
			return c
		}, RuleOrder, "files come where"},
		"committed, and nobody asked": {plainWorker, func(c talk) talk { return c.without(c.ordered(message.Commit, "alpha")) }, RuleCommit, ""},
		"started, and nobody asked":   {plainWorker, func(c talk) talk { return c.without(c.ordered(message.Start, "alpha")) }, RuleRelease, ""},
		"started too early": {plainWorker, func(c talk) talk {
			c.ordered(message.Start, "alpha").control.At = testStart.Add(time.Second)
			return c
		}, RuleRelease, ""},
		"started too early for its delay": {plainWorker, func(c talk) talk {
			c[0].job.Commands[1].DelayMS = 300
			return c
		}, RuleRelease, "b started"},
		"started twice": {plainWorker, func(c talk) talk {
			c.find(message.Started).event.Started[1].Command = 0
			return c
		}, RuleAccount, "starts a second time"},
		"ended, and never started": {plainWorker, func(c talk) talk {
			e := c.find(message.Started).event
			e.Started = e.Started[:1]
			return c
		}, RuleAccount, "and has not started"},
		"ended twice": {plainWorker, func(c talk) talk {
			c.find(message.Exited).event.Exited.Command = 1
			return c
		}, RuleAccount, "ends a second time"},
		"not ended": {plainWorker, func(c talk) talk {
			e := c.find(message.Exited).event
			*e = message.Event{Kind: message.Committed, Run: testRun, Host: "alpha", Seq: e.Seq, Time: testStart}
			return c
		}, RuleAccount, "has not ended"},
		"a command that there is not": {plainWorker, func(c talk) talk {
			c.find(message.Exited).event.Exited.Command = 7
			return c
		}, RuleAccount, ""},
		"an end before the start": {plainWorker, func(c talk) talk {
			c.find(message.Exited).event.Exited.EndedAt = testStart.Add(-time.Second)
			return c
		}, RuleAccount, ""},
		"killed without TERM": {plainWorker, func(c talk) talk {
			e := c.find(message.Exited).event.Exited
			e.ExitCode, e.Signal, e.Killed = -1, "SIGKILL", true
			return c
		}, RuleAccount, ""},
		"output that goes on elsewhere": {plainWorker, func(c talk) talk {
			c[8].output[0].Offset = 5
			return c
		}, RuleOutput, ""},
		"output with other newlines before it": {plainWorker, func(c talk) talk {
			c[8].output[0].Line = 1
			return c
		}, RuleOutput, ""},
		"totals of too much": {plainWorker, func(c talk) talk {
			c.find(message.Done).event.Done.Totals[0].StdoutLines = 1
			return c
		}, RuleTotals, ""},
		"totals of too few commands": {plainWorker, func(c talk) talk {
			d := c.find(message.Done).event.Done
			d.Totals = d.Totals[:1]
			return c
		}, RuleTotals, ""},
		"a file with another hash": {fullWorker, func(c talk) talk {
			for _, m := range c {
				if m.pieces != nil {
					m.pieces[2].Sum[0]++
				}
			}
			return c
		}, RuleFiles, ""},
		"files of another number": {fullWorker, func(c talk) talk {
			c.find(message.Done).event.Done.Files.Files = 2
			return c
		}, RuleFiles, ""},
		"content that no file has": {plainWorker, func(c talk) talk {
			c.says(Subject, "alpha", 0, message.Event{Kind: message.Want, Want: &message.WantInfo{SHA256: strings.Repeat("0", 64), Bytes: 5}})
			return c
		}, RuleFiles, ""},
		"more under way than the window": {plainWorker, func(c talk) talk {
			c[0].job.WindowBytes = 200
			return c
		}, RuleWindow, ""},
		"a heartbeat that echoes what was not sent": {plainWorker, func(c talk) talk {
			c.find(message.Heartbeat).event.Heartbeat.Ack = 1
			return c
		}, RuleHeartbeat, "no keepalive had"},
		"a log that was cut off": {plainWorker, func(c talk) talk {
			c[len(c)-1].event.Heartbeat.Last = 3
			return c
		}, RuleHeartbeat, "was acknowledged"},
		"a heartbeat that names more than there is": {plainWorker, func(c talk) talk {
			c[len(c)-1].event.Heartbeat.Last = 9
			return c
		}, RuleHeartbeat, ""},
		"another probe": {plainWorker, func(c talk) talk {
			c.find(message.Heartbeat).event.Heartbeat.Probe.SentAt = testStart.Add(time.Hour)
			return c
		}, RuleHeartbeat, ""},
		"ready without what the job needs": {fullWorker, func(c talk) talk {
			c.find(message.Ready).event.Ready.Features = []message.Feature{message.FeatureSetup}
			return c
		}, RuleFeatures, ""},
		"another host": {plainWorker, func(c talk) talk {
			c.find(message.Committed).event.Host = "bravo"
			return c
		}, RuleAddress, ""},
		"a run that nobody sent": {plainWorker, func(c talk) talk {
			c.find(message.Committed).event.Run = "01M8G1SPM8AAAAAAAAAAAAAAAA"
			return c
		}, RuleAddress, ""},
		"another version": {plainWorker, func(c talk) talk {
			c.find(message.Committed).version = 3
			return c
		}, RuleVersion, ""},
		"junk": {plainWorker, func(c talk) talk {
			c.find(message.Committed).raw = func([]byte) []byte { return []byte("junk") }
			return c
		}, RuleForm, ""},
		"a frame with a wrong checksum": {plainWorker, func(c talk) talk {
			c[8].raw = func(body []byte) []byte { body[len(body)-1]++; return body }
			return c
		}, RuleForm, ""},
		"no exit_code": {plainWorker, func(c talk) talk {
			c.find(message.Exited).raw = lacking("exited", "exit_code")
			return c
		}, RuleForm, ""},
		"no ack in a heartbeat": {plainWorker, func(c talk) talk {
			c.find(message.Heartbeat).raw = lacking("heartbeat", "ack")
			return c
		}, RuleForm, ""},
		"an outcome that there is not": {plainWorker, func(c talk) talk {
			c.find(message.Done).event.Done.Outcome = "splendid"
			return c
		}, RuleForm, ""},
	} {
		violations := judgeOne(t, test.change(test.good()))
		if !slices.ContainsFunc(violations, func(v Violation) bool { return v.Rule == test.rule && strings.Contains(v.Text, test.says) }) {
			t.Errorf("%s: found %+v, want rule %s, and %q", name, violations, test.rule, test.says)
		}
		found[test.rule] = true
	}
	for _, rule := range []Rule{
		RuleForm, RuleVersion, RuleAddress, RuleNumber, RuleResend, RuleLast, RuleOrder, RuleCommit, RuleRelease, RuleAccount, RuleOutput, RuleTotals,
		RuleFiles, RuleWindow, RuleHeartbeat, RuleFeatures,
	} {
		if !found[rule] {
			t.Errorf("no test breaks the rule %s", rule)
		}
	}
}
