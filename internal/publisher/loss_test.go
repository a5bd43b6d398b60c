package publisher

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

func TestHostWithoutQueueIsNotReadyAtOnce(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	run := l.start(l.datapoint(proc("ghost", "a", 0)))
	got := run.wait()
	if want := "no worker has ever served host ghost in namespace test"; got.Outcome != outcome.RunRefused || !strings.Contains(got.Reason, want) {
		t.Errorf("outcome %s (%s), want refused (%s...)", got.Outcome, got.Reason, want)
	}
	if h := got.Hosts[0]; h.Outcome != outcome.HostNotReady {
		t.Errorf("ghost %s, want not_ready", h.Outcome)
	}
}

func TestHostThatIsNotReadyInTimeIsNamed(t *testing.T) {
	t.Parallel()
	l := newHarness(t, func(c *Config) { c.ReadyTimeout = 300 * time.Millisecond })
	l.worker("alpha") // takes the job and says nothing
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	got := run.wait()
	want := "alpha was not ready within 300ms: its worker has the job and answers, and has not prepared the processes yet"
	if got.Outcome != outcome.RunRefused || got.Reason != want || got.Hosts[0].Outcome != outcome.HostNotReady {
		t.Errorf("outcome %s (%s), host %s, want refused (%s), not_ready", got.Outcome, got.Reason, got.Hosts[0].Outcome, want)
	}
}

func TestResultsThatCannotBeWrittenFailTheRun(t *testing.T) {
	t.Parallel()
	l, alpha, run := alone(t, nil)
	testkit.Check(t, os.RemoveAll(filepath.Join(l.results.Dir(), "alpha")))
	alpha.Output(0, streams.Stdout, "one\n", 1)
	alpha.Obey(0)
	got := run.wait()
	if want := "the results can't be written: "; got.Outcome != outcome.RunFailed || !strings.HasPrefix(got.Reason, want) {
		t.Errorf("outcome %s (%s), want failed (%s...)", got.Outcome, got.Reason, want)
	}
	if !errors.Is(run.err, os.ErrNotExist) {
		t.Errorf("error %v, want the one of writing", run.err)
	}
}

func TestFilesThatCannotBeMadeFailTheRun(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)), func(s *Spec) { testkit.Check(t, os.RemoveAll(s.Results.Dir())) })
	alpha.Take()
	if got := alpha.Expect(message.Stop); !strings.HasPrefix(got.Reason, "the results can't be written: create run in ") {
		t.Errorf("stopped because %q, want what could not be made", got.Reason)
	}
	if got := run.wait(); got.Outcome != outcome.RunFailed || !errors.Is(run.err, os.ErrNotExist) {
		t.Errorf("outcome %s, error %v, want failed, and that the directory isn't there", got.Outcome, run.err)
	}
}
