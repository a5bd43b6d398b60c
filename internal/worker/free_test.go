package worker

import (
	"errors"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/testkit"
)

// The host is free before the publisher hears that a run has ended there: the job
// that it sends then must not wait behind that run.
func TestHostIsFreeBeforeThePublisherHearsOfTheEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*run){
		"done": func(r *run) { r.state = Stopping; r.settle(&message.DoneInfo{Outcome: message.HostDone}) },
		"refused": func(r *run) {
			r.state = Preparing
			r.refuse(errors.New("no"))
			r.clearing.ended.Wait()
			r.cleared(cleared{})
		},
		"ended": func(r *run) {
			r.state = Stopping
			r.beginCollecting(&message.DoneInfo{Outcome: message.HostDone}, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			w, err := New(s.config())
			check(t, err)
			defer func() { check(t, w.Close()) }()
			job, next := s.job("true"), s.job("true")
			log := s.log(job)
			defer func() { check(t, log.Close()) }()
			r, waits := w.newRun(job, s.runDir(job), log), &run{job: next, mail: newMailbox()}
			r.lease = time.NewTimer(time.Hour)
			w.desk.admit(r)
			w.desk.admit(waits)
			r.journal.mu.Lock() // nothing can be said from now on
			over := make(chan struct{})
			go func() {
				defer close(over)
				end(r)
			}()
			defer func() {
				r.journal.mu.Unlock()
				<-over
				r.collect.stop(nil)
			}()
			testkit.WaitFor(t, "the next run has the host", func() bool { return w.desk.busy() == waits })
		})
	}
}

// What can't be accepted does not speak for a run that is here: a forged job, or one
// that is delivered again when it has expired, would have its publisher believe that
// the run is refused.
func TestForgedJobDoesNotRefuseARunThatIsHere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.serve(nil)
	job, stranger := s.job("true"), s.job("true")
	s.send(job)
	s.await(job, message.Ready)
	for _, j := range []*message.Job{job, stranger} {
		address := s.address(j)
		address.Expires = time.Now().Add(-time.Hour)
		body, err := message.Seal(address, j, nil)
		check(t, err)
		s.publish(body)
	}
	if got := s.await(stranger, message.Refused).Refused; got == nil {
		t.Error("a job that has expired is not refused")
	}
	for _, e := range s.of(job).events {
		if e.Kind == message.Refused {
			t.Errorf("the run that is here is refused: %s", e.Refused.Reason)
		}
	}
	if got := v.w.Stats().Refused; got != 2 {
		t.Errorf("%d messages were refused, want 2", got)
	}
}
