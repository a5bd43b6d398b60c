package runner

import (
	"slices"
	"testing"
	"time"
)

func TestThreadDoesWhatIsDueInOrderAndNotEarly(t *testing.T) {
	t.Parallel()
	th := newThread()
	defer th.close()
	base := time.Now().Add(20 * time.Millisecond)
	type call struct {
		name  string
		early bool
	}
	calls := make(chan call, 10)
	plan := func(name string, at time.Time) {
		th.at(at, func() { calls <- call{name, time.Now().Before(at)} })
	}
	plan("late", base.Add(5*time.Millisecond))
	plan("first", base)
	plan("second", base) // the same instant, in the order in which they were planned
	plan("at once", time.Time{})
	var got []string
	for range 4 {
		c := <-calls
		got = append(got, c.name)
		if c.early {
			t.Errorf("%s was early", c.name)
		}
	}
	if want := []string{"at once", "first", "second", "late"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestThreadTakesPlansButNoJobsShortlyBeforeAMoment(t *testing.T) {
	t.Parallel()
	th := newThread()
	defer th.close()
	var order []string // only the thread writes it
	done := make(chan struct{})
	inMoment := make(chan struct{})
	th.at(time.Now().Add(precise+time.Millisecond), func() {
		order = append(order, "moment")
		close(inMoment)
	})
	// From within the thread, at a time when the moment is near.
	th.at(time.Time{}, func() {
		at := time.Now().Add(precise / 2)
		th.plan(moment{at, func() { order = append(order, "near") }})
		go func() {
			th.at(time.Time{}, func() { order = append(order, "plan") })
			th.do(nil, func() {
				order = append(order, "job")
				close(done)
			})
		}()
	})
	<-done
	<-inMoment
	th.do(nil, func() {}) // whatever ran has returned
	result := make(chan []string, 1)
	th.at(time.Time{}, func() { result <- order })
	got := <-result
	if i, j := slices.Index(got, "near"), slices.Index(got, "job"); i < 0 || j < i {
		t.Errorf("got %v: the job came before what was about to be due", got)
	}
}

func TestAClosedThreadTakesNothing(t *testing.T) {
	t.Parallel()
	th := newThread()
	th.close()
	th.at(time.Now(), func() { t.Error("called") })
	if th.do(nil, func() { t.Error("called") }) {
		t.Error("a job was taken")
	}
}

func TestAJobThatNobodyWaitsForIsNotTaken(t *testing.T) {
	t.Parallel()
	th := newThread()
	defer th.close()
	busy, release := make(chan struct{}), make(chan struct{})
	th.do(nil, func() { close(busy); <-release })
	<-busy
	gaveUp := make(chan struct{})
	close(gaveUp)
	if th.do(gaveUp, func() { t.Error("called") }) {
		t.Error("a job was taken")
	}
	close(release)
}
