package worker

import (
	"sync"

	"downbeat/internal/worker/course"
)

// turns hands the host from run to run, as [course.Turns] decides. Runs are told
// under the mutex, so that each hears of the decisions in their order.
type turns struct {
	mu    sync.Mutex
	order course.Turns
	mail  map[string]*mailbox // of the runs that have the host or wait for it
}

// admit lets a run ask for the host.
func (t *turns) admit(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mail == nil {
		t.mail = make(map[string]*mailbox)
	}
	t.mail[r.job.Run] = r.mail
	t.tell(t.order.Admit(r.job.Run, r.job.Since))
}

// yield gives the host from a run to the oldest that waits.
func (t *turns) yield(run string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tell(t.order.Yield(run))
}

// leave takes a run out. One that isn't there, or not any more, changes nothing.
func (t *turns) leave(run string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mail[run] == nil {
		return
	}
	delete(t.mail, run)
	t.tell(t.order.Leave(run))
}

// active is the run that has the host; empty if it is free.
func (t *turns) active() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.order.Active()
}

func (t *turns) tell(notices []course.Notice) {
	for _, n := range notices {
		t.mail[n.Run].post(n.Input)
	}
}
