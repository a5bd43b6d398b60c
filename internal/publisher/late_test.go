package publisher

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// A worker that is connected and slow is not said to be anything else, and how many
// of the others have answered is told beside it.
func TestSlowWorkerIsSaidToHaveNotAnsweredYet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *Config) { c.ReadyTimeout = 8 * time.Second })
		alpha, bravo := l.worker("alpha"), l.worker("bravo")
		bravo.mute()
		run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
		alpha.take()
		alpha.ready()
		bravo.take()
		<-time.After(7 * time.Second)
		if got, want := l.watcher.detail("bravo"), "a worker is connected and has not answered yet; 1 of 2 hosts have"; got != want {
			t.Errorf("told of bravo: %q, want %q", got, want)
		}
		if got := l.watcher.detail("alpha"); strings.Contains(got, "answer") {
			t.Errorf("told of alpha, which has answered: %q", got)
		}
		bravo.unmute() // in time, if only just
		bravo.ready()
		for _, s := range []*scripted{alpha, bravo} {
			s.expect(message.Commit)
			s.committed()
		}
		for _, s := range []*scripted{alpha, bravo} {
			s.started(s.expect(message.Start).At)
			s.exit(0, 0)
			s.done(message.HostDone)
		}
		if got := run.wait(); got.Outcome != outcome.RunSucceeded {
			t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
		}
	})
}

// Of many hosts that have not answered, a person is told of a few.
func TestManySilentHostsAreNotToldOneByOne(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	r, err := l.p.newRun(Spec{Datapoint: l.datapoint(proc("a", "p", 0), proc("b", "p", 1), proc("c", "p", 2), proc("d", "p", 3),
		proc("e", "p", 4), proc("f", "p", 5), proc("g", "p", 6), proc("h", "p", 7)), Observer: &l.watcher})
	check(t, err)
	for _, h := range r.hosts {
		r.tell(h, "no worker is connected")
	}
	if got := len(l.watcher.details); got != mostNotices {
		t.Errorf("told of %d hosts, want %d", got, mostNotices)
	}
}

// That a host still has an earlier run of the same publisher is told only where
// that goes on; of a stranger's run, at once.
func TestWaitingBehindARunOfOnesOwnIsToldLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		alpha, bravo := l.worker("alpha"), l.worker("bravo")
		own, other := l.p.NewRun(), message.NewRun(message.NewPublisher())
		l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
		alpha.take()
		bravo.take()
		alpha.waiting(own)
		bravo.waiting(other)
		synctest.Wait()
		if a, b := l.watcher.detail("alpha"), l.watcher.detail("bravo"); a != "" || b != other {
			t.Errorf("told at once: %q and %q, want nothing and %s", a, b, other)
		}
		<-time.After(2 * inquireAfter)
		if got := l.watcher.detail("alpha"); got != own {
			t.Errorf("told later: %q, want %s", got, own)
		}
	})
}

func (w *watcher) detail(host string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.details[host]
}
