package conduct

import (
	"testing"
	"time"

	"downbeat/internal/message"
)

func asksDirectly(s *Spec) { s.Direct = true }

// listens says that the host is ready, and that its clock can be asked for.
func (w *worker) listens() {
	w.t.Helper()
	w.event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "ptrace", Clock: listening}})
}

// measured forgets which exchanges a host was to make, and gives how many each time.
func (l *harness) measured(w *worker) []int {
	var times []int
	rest := l.measures[:0]
	for _, m := range l.measures {
		if m.Host == w.index {
			times = append(times, m.Times)
		} else {
			rest = append(rest, m)
		}
	}
	l.measures = rest
	return times
}

// A host that says where its clock can be asked for is asked when it is ready, around the release
// and the stop, and each second meanwhile. That makes the bound small; of another host it is
// that of the broker.
func TestClocksAreMeasuredDirectlyWhereHostsListen(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t, asksDirectly)
	alpha.direct, alpha.directTakes = true, time.Millisecond
	alpha.listens()
	bravo.ready()
	if got := l.measured(alpha); len(got) != 1 || got[0] != manyExchanges {
		t.Errorf("once it is ready there are series of %v exchanges, want one of %d", got, manyExchanges)
	}
	l.advance(2 * time.Millisecond)
	for _, w := range []*worker{alpha, bravo} {
		w.expect(message.Commit)
		w.committed()
	}
	if got := l.measured(alpha); len(got) != 1 || got[0] != manyExchanges {
		t.Errorf("at the release there are series of %v exchanges, want one of %d", got, manyExchanges)
	}
	for _, w := range []*worker{alpha, bravo} {
		w.started(w.expect(message.Start).At)
	}
	l.advance(10500 * time.Millisecond)
	got := l.measured(alpha)
	if len(got) != 10 || got[0] != fewExchanges {
		t.Errorf("in 10 s there are series of %v exchanges, want ten of %d", got, fewExchanges)
	}
	l.input(Interrupted{Reason: "enough"})
	if got := l.measured(alpha); len(got) != 1 || got[0] != manyExchanges {
		t.Errorf("at the stop there are series of %v exchanges, want one of %d", got, manyExchanges)
	}
	for _, w := range []*worker{alpha, bravo} {
		w.stops()
		w.ends(0)
		w.done(message.HostDone)
	}
	if n := len(l.measured(bravo)); n != 0 {
		t.Errorf("bravo, which doesn't listen, is measured %d times", n)
	}
	res := l.end()
	a, b := l.hostOf(res, "alpha"), l.hostOf(res, "bravo")
	if a.Direct == 0 || a.Clock.Error() > 2*directWay || a.Brokered.Error() < oneWay/2 {
		t.Errorf("after %d exchanges the bound of alpha is %s, and %s by the broker alone", a.Direct, a.Clock.Error(), a.Brokered.Error())
	}
	if b.Direct != 0 || b.Clock.Error() != b.Brokered.Error() {
		t.Errorf("after %d exchanges the bound of bravo is %s, and %s by the broker alone", b.Direct, b.Clock.Error(), b.Brokered.Error())
	}
}

// A release waits a moment for the first answer, and not where it is known that there is none,
// or where the publisher doesn't ask.
func TestReleaseWaitsAMomentForTheFirstAnswer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		direct, answers bool
		takes           time.Duration
		want            time.Duration // from being ready to the start, at least
	}{
		"it answers":         {true, true, 8 * time.Millisecond, 8 * time.Millisecond},
		"nothing comes":      {true, false, time.Hour, directMoment},
		"it comes too late":  {true, true, time.Minute, directMoment},
		"nothing will come":  {true, false, 5 * time.Millisecond, 5 * time.Millisecond},
		"it is not asked to": {false, true, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t)
			l.spec.Direct = test.direct
			alpha := l.worker("alpha", proc("a", 0))
			alpha.direct, alpha.directTakes = test.answers, test.takes
			l.start()
			l.advance(10 * time.Millisecond) // the first exchanges through the broker
			alpha.listens()
			ready := l.now
			alpha.expect(message.Commit)
			alpha.committed()
			for l.run.Stage() != Starting {
				if !l.happen(ready.Add(time.Second)) {
					t.Fatal("it is not released")
				}
			}
			if took := l.now.Sub(ready); took < test.want || took > test.want+3*oneWay {
				t.Errorf("the release is agreed on %s after ready, want %s", took, test.want)
			}
		})
	}
}

// A host that does not answer any more is asked less and less often, and measured as before as
// soon as it does.
func TestHostThatFallsSilentIsMeasuredLessOften(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Direct = true
	alpha := l.worker("alpha", proc("a", 0))
	alpha.direct, alpha.directTakes = true, time.Millisecond
	l.start()
	alpha.listens()
	l.advance(2 * time.Millisecond)
	alpha.expect(message.Commit)
	alpha.committed()
	alpha.started(alpha.expect(message.Start).At)
	l.measured(alpha)
	alpha.direct = false
	l.advance(100 * time.Second)
	if n := len(l.measured(alpha)); n < 5 || n > 12 {
		t.Errorf("a silent host is measured %d times in 100 s", n)
	}
	alpha.direct = true
	l.advance(16 * time.Second)
	l.measured(alpha)
	l.advance(10 * time.Second)
	if n := len(l.measured(alpha)); n < 9 {
		t.Errorf("a host that answers again is measured %d times in 10 s", n)
	}
}
