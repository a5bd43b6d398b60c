package publisher

import (
	"errors"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/results"
)

func TestCancelStopsTheRunFromElsewhere(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	for name, sign := range map[string]func(*Config){
		"unsigned": nil,
		"signed":   func(c *Config) { c.Key = key },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, sign)
			alpha, elsewhere := l.worker("alpha"), l.publisher(sign)
			dp := l.datapoint(proc("alpha", "a", 0))
			run := l.start(dp)
			release(alpha)
			check(t, elsewhere.Cancel(t.Context(), dp.Run, "wrong file", patience))
			if stop := alpha.obey(0); stop.Cause != message.StopAbort {
				t.Errorf("stopped for %s, want abort", stop.Cause)
			}
			if got := run.wait(); got.Outcome != results.RunAborted || got.Reason != "cancelled: wrong file" {
				t.Errorf("outcome %s (%s), want aborted (cancelled: wrong file)", got.Outcome, got.Reason)
			}
		})
	}
}

func TestCancelByAStrangerIsRefused(t *testing.T) {
	t.Parallel()
	key, other := newKey(t), newKey(t)
	for name, test := range map[string]struct {
		stranger func(*Config)
		want     string
	}{
		"unsigned":  {nil, message.ErrUnsigned.Error()},
		"wrong key": {func(c *Config) { c.Key = other }, message.ErrUntrusted.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, func(c *Config) { c.Key = key })
			alpha := l.worker("alpha")
			dp := l.datapoint(proc("alpha", "a", 0))
			run := l.start(dp)
			release(alpha)
			err := l.publisher(test.stranger).Cancel(t.Context(), dp.Run, "", patience)
			if !errors.Is(err, ErrNotCancelled) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want not cancelled: %s", err, test.want)
			}
			alpha.exit(0, 0)
			alpha.done(message.HostDone)
			if got := run.wait(); got.Outcome != results.RunSucceeded {
				t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
			}
			alpha.expectNothingAfter(run)
		})
	}
}

func TestCancelOfWhatIsNotThereSaysSo(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	for run, want := range map[string]string{
		l.p.NewRun():                           "the run is over already",
		message.NewRun(message.NewPublisher()): "is over, or is not in namespace test",
	} {
		err := l.publisher(nil).Cancel(t.Context(), run, "", patience)
		if !errors.Is(err, ErrNotCancelled) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want not cancelled: ...%s", err, want)
		}
	}
	if err := l.p.Cancel(t.Context(), "nonsense", "", patience); !errors.Is(err, message.ErrMalformed) {
		t.Errorf("error %v, want malformed", err)
	}
}

func TestHostsAskedByNameAreMeasured(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.worker("alpha")
	got, err := l.p.Hosts(t.Context(), []string{"alpha", "ghost"}, patience)
	check(t, err)
	if len(got) != 2 {
		t.Fatalf("%d reports, want 2", len(got))
	}
	alpha, ghost := got[0], got[1]
	if !alpha.Answered || alpha.Version != "v9" || alpha.Missing != "" {
		t.Errorf("alpha: %+v, want an answer of v9", alpha)
	}
	if wrong := (alpha.Clock.Value() - hostSkew).Abs(); wrong > alpha.Clock.Error()+time.Millisecond {
		t.Errorf("alpha's clock %s ahead, want %s, at most %s off", alpha.Clock.Value(), hostSkew, alpha.Clock.Error())
	}
	if want := "no worker has ever served this host in namespace test"; ghost.Answered || ghost.Missing != want {
		t.Errorf("ghost: %+v, want it missing: %s", ghost, want)
	}
}

func TestHostThatDoesNotAnswerIsReported(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.worker("alpha").mute()
	got, err := l.p.Hosts(t.Context(), []string{"alpha"}, 100*time.Millisecond)
	check(t, err)
	if want := "a worker is connected but does not answer"; len(got) != 1 || got[0].Answered || got[0].Missing != want {
		t.Errorf("reports %+v, want alpha missing: %s", got, want)
	}
}

func TestAllHostsOfTheNamespaceAreFound(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.worker("alpha")
	l.worker("bravo")
	found := map[string]bool{}
	for attempt := 0; len(found) < 2 && attempt < 20; attempt++ { // a busy machine may need more than one look
		reports, err := l.p.Hosts(t.Context(), nil, 200*time.Millisecond)
		check(t, err)
		for _, r := range reports {
			found[r.Host] = r.Answered
		}
	}
	if !found["alpha"] || !found["bravo"] || len(found) != 2 {
		t.Errorf("found %v, want alpha and bravo", found)
	}
}
