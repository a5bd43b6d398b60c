package conduct

import (
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

func TestHostThatIsNotReadyInTimeIsNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		muted bool
		known string
		want  string
	}{
		"it answers":       {false, "", "alpha was not ready within 20s: its worker has the job and answers, and has not prepared the processes yet"},
		"it doesn't":       {true, "no worker is connected", "alpha was not ready within 20s: no worker is connected"},
		"nobody knows why": {true, "no answer", "alpha was not ready within 20s: no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t)
			l.known = test.known
			alpha := l.worker("alpha", proc("a", 0))
			alpha.muted = test.muted
			l.start()
			res := l.end()
			l.wants(res, outcome.RunRefused, test.want)
			if h := res.Hosts[0]; h.Outcome != outcome.HostNotReady || l.now.Sub(epoch).Truncate(10*time.Millisecond) != 20*time.Second {
				t.Errorf("host %s after %s, want not_ready after 20s", h.Outcome, l.now.Sub(epoch))
			}
			l.advance(time.Second)
			stops := slices.ContainsFunc(alpha.controls, func(c message.Control) bool { return c.Kind == message.Stop })
			if stops == test.muted {
				t.Errorf("a host whose worker has answered: %v is told to stop: %v", !test.muted, stops)
			}
		})
	}
}

// A worker that is connected and slow is not said to be anything else, and how many of the
// others have answered is told beside it.
func TestSlowWorkerIsSaidToHaveNotAnsweredYet(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	l.known = "a worker is connected and has not answered yet"
	bravo.muted = true
	alpha.ready()
	l.advance(900 * time.Millisecond)
	if got := l.details["bravo"]; got != "" {
		t.Errorf("told of bravo before a second: %q", got)
	}
	l.advance(200 * time.Millisecond)
	if got, want := l.details["bravo"], "a worker is connected and has not answered yet; 1 of 2 hosts have"; got != want {
		t.Errorf("told of bravo: %q, want %q", got, want)
	}
	if got := l.details["alpha"]; strings.Contains(got, "answer") {
		t.Errorf("told of alpha, which has answered: %q", got)
	}
}

// Of many hosts that have not answered, a person is told of a few.
func TestManySilentHostsAreNotToldOneByOne(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	for _, host := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		l.worker(host, proc("p", 0)).muted = true
	}
	l.start()
	l.advance(2 * time.Second)
	told := 0
	for _, detail := range l.details {
		if detail == "no worker is connected" {
			told++
		}
	}
	if told != mostNotices {
		t.Errorf("told of %d hosts, want %d", told, mostNotices)
	}
}

// That a host still has an earlier run of the same publisher is told only where that goes
// on; of a stranger's run, at once.
func TestWaitingBehindARunOfOnesOwnIsToldLater(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	alpha.waiting(ownRun)
	bravo.waiting(otherRun)
	if a, b := l.details["alpha"], l.details["bravo"]; a != "" || b != otherRun {
		t.Errorf("told at once: %q and %q, want nothing and %s", a, b, otherRun)
	}
	l.advance(inquireAfter)
	if got := l.details["alpha"]; got != ownRun {
		t.Errorf("told later: %q, want %s", got, ownRun)
	}
}

// A host that waits for another run has all the time it takes.
func TestHostThatWaitsIsNotLate(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	alpha.waiting(otherRun)
	bravo.waiting(otherRun)
	l.advance(10 * time.Minute)
	if l.run.Stage() != Gathering {
		t.Fatalf("it is %s", l.run.Stage())
	}
	alpha.ready()
	bravo.ready()
	alpha.expect(message.Commit)
}

// A worker that is older than what the file uses would pass over it in silence.
func TestWorkerThatDoesNotKnowWhatTheFileUsesIsTurnedAway(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change   func(*message.Job)
		version  string
		features []message.Feature
		want     string
	}{
		"from before there were features": {
			func(j *message.Job) { j.Commands = append(j.Commands, step(message.PhaseSetup, 0)) }, "", nil,
			"the worker on alpha is too old to tell its version and doesn't know `setup`, which the file uses: update it",
		},
		"that knows some": {
			func(j *message.Job) { j.Commands[0].Pty, j.Collect = true, []string{"*"} }, "0.9",
			[]message.Feature{message.FeaturePty, message.FeatureFiles},
			"the worker on alpha is of version 0.9 and doesn't know `collect`, which the file uses: update it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t)
			alpha := l.worker("alpha", proc("a", 0))
			test.change(alpha.job)
			alpha.totals = make([]streams.Total, len(alpha.job.Commands))
			l.start()
			alpha.event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "ptrace", Version: test.version, Features: test.features}})
			alpha.expect(message.Stop)
			if res := l.end(); res.Outcome != outcome.RunRefused || res.Reason != test.want {
				t.Errorf("outcome %s (%s), want refused (%s)", res.Outcome, res.Reason, test.want)
			}
		})
	}
}

// A worker knows the features that it has used, even if it doesn't name them; and a job
// that needs nothing new can be run by the oldest.
func TestOlderWorkerThatKnowsEnoughIsReleased(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha, bravo := l.worker("alpha", proc("a", 0), step(message.PhaseSetup, 0)), l.worker("bravo", proc("b", 0))
	l.start()
	alpha.settingUp()
	alpha.step(1, 0)
	for _, w := range []*worker{alpha, bravo} {
		w.event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{}})
	}
	for _, w := range []*worker{alpha, bravo} {
		w.expect(message.Commit)
		w.committed()
	}
	for _, w := range []*worker{alpha, bravo} {
		w.started(w.expect(message.Start).At)
		w.exit(0, 0)
		w.done(message.HostDone)
	}
	l.wants(l.end(), outcome.RunSucceeded, "")
}

// Nobody waits for a worker that speaks another version: its first word tells.
func TestWorkerOfAnotherVersionIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha := l.worker("alpha", proc("a", 0))
	l.start()
	l.input(Received{Host: alpha.index, At: l.now, Content: Foreign{Version: 9}})
	l.wants(l.end(), outcome.RunRefused, "the worker on alpha speaks version 9 of the protocol, and this publish version ")
	alpha.expect(message.Stop)
}

// A host that is heard in our version can't be turned away by somebody else's word.
func TestEventOfAnotherVersionOfAHostThatSpeaksOursIsIgnored(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	l.input(Received{Host: alpha.index, At: l.now, Content: Foreign{Version: 9}})
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
	if len(l.warned) != 1 || l.warned[0] != VersionIgnored {
		t.Errorf("warnings %v", l.warned)
	}
}

// A newer worker may tell what this build doesn't know: it counts, and is passed over.
func TestEventsOfUnknownKindsArePassedOver(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	alpha.event(message.Event{Kind: "dance"})
	alpha.output(0, streams.Stdout, "hi\n")
	alpha.sends(alpha.logs(Unknown{Kind: "frame X"}, 100))
	alpha.event(message.Event{Kind: "sing"})
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	res := l.end()
	l.wants(res, outcome.RunSucceeded, "")
	if res.Processes[0].Total.StdoutLines != 1 || len(l.warned) != 1 || l.warned[0] != KindUnknown {
		t.Errorf("%+v, warnings %v, want a line and one warning", res.Processes[0].Total, l.warned)
	}
}

// wants asks for a part of a file.
func (w *worker) want(sha string, offset, size int64) {
	w.t.Helper()
	w.unlogged(message.Event{Kind: message.Want, Want: &message.WantInfo{SHA256: sha, Offset: offset, Bytes: size, Path: "data", Done: offset, Total: 600_000}})
}

// shipping begins a run in which alpha gets a file.
func shipping(t *testing.T) (*harness, *worker) {
	t.Helper()
	l := newHarness(t)
	alpha := l.worker("alpha", proc("a", 0))
	alpha.job.Files = []message.File{{Path: "data", SHA256: "5ec2e7"}}
	l.start()
	return l, alpha
}

// A file that the experiment doesn't ship is not given out.
func TestNothingButTheJobsFilesIsSent(t *testing.T) {
	t.Parallel()
	l, alpha := shipping(t)
	alpha.want("000000", 0, 7)
	alpha.want("5ec2e7", -1, 7)
	alpha.want("5ec2e7", 0, 0)
	if len(alpha.shipped) > 0 || len(l.warned) != 3 || l.warned[0] != WantStrange {
		t.Errorf("sent %+v, warnings %v", alpha.shipped, l.warned)
	}
	alpha.want("5ec2e7", 3, 7)
	if len(alpha.shipped) != 1 || alpha.shipped[0].Offset != 3 || alpha.shipped[0].Bytes != 7 {
		t.Errorf("sent %+v, want 7 bytes from 3 on", alpha.shipped)
	}
	if got, want := l.details["alpha"], "data (0 of 1 MB)"; got != want || l.run.hosts[0].phase != Fetching {
		t.Errorf("it is told that alpha is %s %q, want %q", l.run.hosts[0].phase, got, want)
	}
}

func TestFileThatIsGoneMeanwhileIsARefusal(t *testing.T) {
	t.Parallel()
	l, alpha := shipping(t)
	alpha.want("5ec2e7", 0, 7)
	l.input(NotShipped{Why: "data: it has changed since the experiment began"})
	alpha.expect(message.Stop)
	l.wants(l.end(), outcome.RunRefused, "alpha can't have its files: data: it has changed since the experiment began")
}

// It is too late to matter once the host has what it wanted.
func TestFileThatIsGoneAfterAllIsNoRefusal(t *testing.T) {
	t.Parallel()
	l, alpha := shipping(t)
	alpha.want("5ec2e7", 0, 7)
	alpha.ready()
	l.input(NotShipped{Why: "data: it has changed since the experiment began"})
	alpha.expect(message.Commit)
}

func TestHostThatIsFetchingIsNotLate(t *testing.T) {
	t.Parallel()
	l, alpha := shipping(t)
	for range 10 {
		l.advance(19 * time.Second)
		alpha.want("5ec2e7", 0, 7)
	}
	l.advance(20*time.Second - 1)
	if l.run.hosts[0].phase != Fetching {
		t.Fatalf("it is %s", l.run.hosts[0].phase)
	}
	l.advance(1)
	l.wants(l.end(), outcome.RunRefused, "alpha was not ready within 20s: it was still being sent files")
}

// A want that comes late, after the host has gone on, doesn't take it back.
func TestWantThatComesLateIsOfNoAccount(t *testing.T) {
	t.Parallel()
	for name, goOn := range map[string]func(*worker){
		"waiting":    func(w *worker) { w.waiting(otherRun) },
		"setting up": func(w *worker) { w.settingUp() },
		"ready":      func(w *worker) { w.ready() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, alpha := shipping(t)
			late := message.Event{Kind: message.Want, Time: alpha.clock(), Want: &message.WantInfo{SHA256: "5ec2e7", Bytes: 7}}
			l.advance(time.Second)
			goOn(alpha)
			before := l.run.hosts[0].phase
			alpha.unlogged(late)
			if got := l.run.hosts[0].phase; got != before || len(alpha.shipped) > 0 {
				t.Errorf("alpha is %s, was %s; sent %+v", got, before, alpha.shipped)
			}
		})
	}
}

// A host that has given way to another run, and was given its host back at once, may want its files
// again without having said that it waits: they are sent. What it had wanted before is not.
func TestHostThatGaveWayGetsItsFilesAnew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tornDown bool
		after    time.Duration // its teardown began
		phase    Phase
	}{
		"after its teardown":     {true, time.Second, Fetching},
		"before its teardown":    {true, -time.Millisecond, Withdrawing},
		"while that is underway": {false, time.Second, Withdrawing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t)
			alpha := l.worker("alpha", proc("a", 0), step(message.PhaseTeardown, 0))
			alpha.job.Files = []message.File{{Path: "data", SHA256: "5ec2e7"}}
			l.start()
			began := alpha.clock()
			alpha.tearingDown()
			alpha.begins(1)
			if test.tornDown {
				alpha.exit(1, 0)
			}
			l.advance(2 * time.Second)
			alpha.unlogged(message.Event{Kind: message.Want, Time: began.Add(test.after), Want: &message.WantInfo{SHA256: "5ec2e7", Bytes: 7}})
			if got := l.run.hosts[0].phase; got != test.phase || len(alpha.shipped) > 0 != (got == Fetching) {
				t.Fatalf("alpha is %s, want %s; sent %+v", got, test.phase, alpha.shipped)
			}
			if test.phase == Fetching {
				alpha.settingUp()
				alpha.ready()
				alpha.expect(message.Commit)
			}
		})
	}
}

// An event without a number, of a kind that is logged, is not believed.
func TestEventWithoutItsNumberIsIgnored(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha := l.worker("alpha", proc("a", 0))
	l.start()
	alpha.unlogged(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{}})
	l.input(Received{Host: alpha.index, At: l.now, Content: segments()})
	if l.run.hosts[0].phase != Asked || len(l.warned) != 2 || l.warned[0] != Unnumbered || l.warned[1] != Unnumbered {
		t.Errorf("alpha is %s, warnings %v", l.run.hosts[0].phase, l.warned)
	}
}
