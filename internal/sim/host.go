package sim

import (
	"time"
)

// A host is a machine: its clock, its processes, its disk, and the worker that may
// run there.
type host struct {
	w       *world
	number  int
	name    string
	plan    *Host
	clock   machineClock
	station *station
	random  random
	sets    []*set // what the worker's runner has started, also before it died
	disk    disk
	worker  *worker // nil: none runs
	starts  int     // of workers, so far
	effects int     // that its workers have carried out
	stalled instant // until when nothing of the worker moves
	cached  bool
	returns bool // a worker is going to start again
}

func newHost(w *world, number int, plan *Host) *host {
	h := &host{w: w, number: number, name: plan.Name, plan: plan, cached: plan.Cached}
	h.clock = machineClock{drift: int64(plan.Drift), offset: plan.Offset}
	h.random.state = mix(w.plan.Seed ^ uint64(number+1)<<40)
	h.station = w.net.add(plan.Name)
	h.station.deliver = h.deliver
	if plan.Unserved {
		h.station.gone, h.station.up = true, false
		return h
	}
	h.startWorker()
	return h
}

// deliver hands a message to the worker, or gives it back while that stands still.
func (h *host) deliver(p *parcel) {
	if h.w.e.now < h.stalled {
		h.w.e.plan(h.stalled, p)
		return
	}
	h.worker.take(p)
}

// startWorker starts a worker, which takes up what the one before has left.
func (h *host) startWorker() {
	h.starts++
	h.worker = newWorker(h)
	h.worker.recover()
	if h.worker == nil { // it has died of that
		return
	}
	h.station.up = true
	h.w.net.flush(h.station)
}

// stopWorker ends the worker at once, and has it started again after a while. What
// it had prepared and not released dies with it.
func (h *host) stopWorker(lasts time.Duration) {
	if h.worker == nil {
		return
	}
	h.worker.dead = true
	h.worker = nil
	h.w.net.crash(h.station)
	for _, s := range h.sets {
		s.sink = nil
		if s.state == setHeld || s.state == setArmed {
			s.perish(false)
		}
		s.dropHeld()
	}
	for i := range h.w.ledger.runs {
		for k := range h.w.ledger.runs[i].hosts {
			if lh := &h.w.ledger.runs[i].hosts[k]; lh.host == h {
				lh.deaths++
				lh.stopped = false
			}
		}
	}
	h.returns = lasts != Forever
	if h.returns {
		start := h.starts
		h.w.e.after(lasts, func() {
			if h.worker == nil && h.starts == start {
				h.w.note("%s: a worker starts", h.name)
				h.startWorker()
			}
		})
	}
}

// kill is a kill -9 of the worker. Its guard, if it works, ends its processes.
func (h *host) kill(f *Fault) {
	h.stopWorker(f.Lasts)
	if f.Guard || f.Lasts == Forever {
		h.endAll(false)
	}
}

// powerOff takes the machine down.
func (h *host) powerOff(f *Fault) {
	h.stopWorker(f.Lasts)
	h.endAll(true)
	for _, run := range h.disk.loseTail(&h.random, f.Keeps) {
		h.w.ledger.on(run, h).forgot = true
	}
}

func (h *host) endAll(power bool) {
	for _, s := range h.sets {
		s.sink = nil
		s.perish(power)
	}
}

// sweep ends what is left of a run's processes, and returns how many those were and
// how many can't be ended.
func (h *host) sweep(run string) (swept, left int) {
	for _, s := range h.sets {
		if s.run != run {
			continue
		}
		s.sink = nil
		swept += s.perish(false)
		for i := range s.members {
			if s.members[i].alive {
				left++
			}
		}
	}
	return swept, left
}

// effect counts an effect that the worker has carried out, and reports whether
// that was its last: some faults strike then.
func (h *host) effect() (fatal bool) {
	h.effects++
	for i := range h.w.plan.Faults {
		f := &h.w.plan.Faults[i]
		if f.Effect == h.effects && f.Kind.ofHost() && f.Who == h.number {
			h.w.strike(f)
		}
	}
	return h.worker == nil
}
