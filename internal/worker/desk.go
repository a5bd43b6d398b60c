package worker

import (
	"slices"
	"sync"
)

// A desk decides which run has the host: one at a time. Where two want it, the
// elder goes first, and takes the host from a younger one as long as that has
// neither been released nor committed ("wound-wait"). So of two publishers that
// want the same hosts, never each ends up holding some of them.
type desk struct {
	mu      sync.Mutex
	active  *run
	waiting []*run // eldest first
}

// The desk's messages to runs.
type (
	granted struct{} // the host is yours
	// wounded: an elder run wants the host; give it back if you still can.
	wounded struct{}
	// queued: another run has the host.
	queued struct{ behind string }
)

func elder(a, b *run) int {
	if a.job.Since != b.job.Since {
		if a.job.Since < b.job.Since {
			return -1
		}
		return 1
	}
	return 0
}

// admit lets a run ask for the host.
func (d *desk) admit(r *run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active == nil {
		d.active = r
		r.mail.post(granted{})
		return
	}
	d.enqueue(r)
	r.mail.post(queued{behind: d.active.job.Run})
	if elder(r, d.active) < 0 {
		d.active.mail.post(wounded{})
	}
}

func (d *desk) enqueue(r *run) {
	at, _ := slices.BinarySearchFunc(d.waiting, r, elder)
	for at < len(d.waiting) && elder(d.waiting[at], r) == 0 {
		at++
	}
	d.waiting = slices.Insert(d.waiting, at, r)
}

// yield gives the host from r, which was wounded, to the eldest run waiting; r
// waits again.
func (d *desk) yield(r *run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active != r {
		return
	}
	d.enqueue(r)
	d.grant()
	if d.active != r {
		r.mail.post(queued{behind: d.active.job.Run})
	}
}

// leave takes r out, whether it has the host or waits for it.
func (d *desk) leave(r *run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active == r {
		d.grant()
		return
	}
	d.waiting = slices.DeleteFunc(d.waiting, func(other *run) bool { return other == r })
}

// grant gives the host to the eldest run that waits, if any.
func (d *desk) grant() {
	d.active = nil
	if len(d.waiting) == 0 {
		return
	}
	d.active = d.waiting[0]
	d.waiting = slices.Delete(d.waiting, 0, 1)
	d.active.mail.post(granted{})
}

// busy tells which run has the host, or nil.
func (d *desk) busy() *run {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.active
}
