package sim

import (
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/worker/course"
)

// A worker is the shell around the rules of a host, as the worker package is: it
// carries out what they decide and feeds in what became of it.
type worker struct {
	h         *host
	admission course.Admission
	turns     course.Turns
	runs      []*hostRun
	leaving   bool
	away      time.Duration // how long it then stays away
	dead      bool
}

// newWorker makes a worker that remembers which runs have been on the host.
func newWorker(h *host) *worker {
	w := &worker{h: h}
	for _, run := range h.disk.seen {
		w.admission.Remember(run, h.clock.wall(h.w.e.now))
	}
	return w
}

func (w *worker) find(run string) *hostRun {
	for _, t := range w.runs {
		if t.dir.job.Run == run {
			return t
		}
	}
	return nil
}

// take takes a message from one of the host's queues.
func (w *worker) take(p *parcel) {
	switch p.kind {
	case jobParcel:
		w.job(p)
	case controlParcel:
		w.control(p)
	case chunkParcel:
		if t := w.find(p.run); t != nil {
			t.chunk(p.chunk)
		}
	case eventParcel, cancelParcel:
	}
}

// job takes a job, which is acknowledged once it is journaled.
func (w *worker) job(p *parcel) {
	h := w.h
	switch {
	case w.leaving: // it stays in the queue
		h.station.waiting = append(h.station.waiting, p)
		return
	case w.expired(p):
		if w.find(p.run) == nil && !w.admission.Had(p.run) {
			w.refuse(p, "the job has expired")
		}
		return
	}
	if verdict := w.admission.Job(p.run, h.disk.find(p.run) != nil); verdict != course.Accept {
		if h.w.notes != nil {
			h.w.note("%s: passes over the job of %s (%s)", h.name, h.w.short(p.run), verdicts[verdict])
		}
		return
	}
	if h.disk.full {
		w.refuse(p, "the worker can't keep a journal: no space left on device")
		return
	}
	dir := &runDir{job: p.job}
	h.disk.runs = append(h.disk.runs, dir)
	h.w.ledger.journaled(p.run, h)
	if h.w.notes != nil {
		h.w.note("%s: takes the job of %s", h.name, h.w.short(p.run))
	}
	if h.effect() { // it dies after it has journaled the job, and before it acknowledges it
		h.station.waiting = append(h.station.waiting, p)
		return
	}
	t := newHostRun(w, dir)
	t.core = course.New(t.config(), t.now())
	w.enter(t)
	w.admit(t)
	t.plan()
}

var verdicts = [...]string{course.Accept: "accepted", course.Again: "it was here", course.Stopped: "its stop came first", course.TooLate: "it is over", course.Kept: "kept"}

// expired reports whether the envelope's time is over, by the host's own clock.
func (w *worker) expired(p *parcel) bool {
	left := p.valid.Sub(w.h.clock.wall(w.h.w.e.now))
	return left <= 0 || left > message.MaxAhead
}

// refuse tells a publisher outside of any log that its job was not taken.
func (w *worker) refuse(p *parcel, why string) {
	if w.h.w.notes != nil {
		w.h.w.note("%s: refuses the job of %s: %s", w.h.name, w.h.w.short(p.run), why)
	}
	e := &message.Event{Kind: message.Refused, Run: p.run, Host: w.h.name, Time: w.h.clock.wall(w.h.w.e.now), Refused: &message.RefusedInfo{Reason: why}}
	w.h.w.net.send(&parcel{kind: eventParcel, from: w.h.station, to: p.from, run: p.run, host: w.h.name, record: &record{event: e, size: 300}})
}

// enter makes a run known, and gives it the controls that came before its job.
func (w *worker) enter(t *hostRun) {
	w.runs = append(w.runs, t)
	for _, c := range w.admission.Enter(t.dir.job.Run) {
		t.control(c.Control, c.Taken)
	}
}

// control hands a control to its run, or keeps it until the run's job comes.
func (w *worker) control(p *parcel) {
	now := w.h.w.e.now
	t := w.find(p.run)
	if t == nil && w.expired(p) {
		return
	}
	if p.control.Kind == message.Stop {
		w.h.w.ledger.on(p.run, w.h).stopped = true
	}
	c := course.Delivered{Control: p.control, Taken: w.h.clock.wall(now), Serial: p.serial, Size: p.size}
	if w.admission.Control(p.run, c, false) == course.Accept {
		if slices.Contains(t.serials, p.serial) {
			w.h.w.ledger.violate("at most once: %s takes control %d of %s again", w.h.name, p.serial, w.h.w.short(p.run))
		}
		t.serials = append(t.serials, p.serial)
		if p.control.Kind == message.Stop {
			t.mustStop(p.control)
		}
		t.control(p.control, t.clock.at(now))
	}
}

// admit has a run ask for the host.
func (w *worker) admit(t *hostRun) { w.tell(w.turns.Admit(t.dir.job.Run, t.dir.job.Since)) }

// yield has a run give the host back, and ask again.
func (w *worker) yield(t *hostRun) { w.tell(w.turns.Yield(t.dir.job.Run)) }

// free takes a run out.
func (w *worker) free(t *hostRun) { w.tell(w.turns.Leave(t.dir.job.Run)) }

// tell passes on what the runs are to know of the host.
func (w *worker) tell(notices []course.Notice) {
	for _, n := range notices {
		if t := w.find(n.Run); t != nil {
			t.post(n.Input)
		}
	}
}

// forget takes a run out that is over.
func (w *worker) forget(t *hostRun, keep bool) {
	run := t.dir.job.Run
	w.runs = slices.DeleteFunc(w.runs, func(o *hostRun) bool { return o == t })
	w.admission.Leave(run)
	if !keep {
		w.h.disk.seen = append(w.h.disk.seen, run)
		w.h.disk.remove(run)
		w.admission.Remember(run, w.h.clock.wall(w.h.w.e.now))
	}
	w.left()
}

// leave shuts the worker down; lasts is how long it then stays away.
func (w *worker) leave(lasts time.Duration) {
	w.leaving = true
	for _, t := range w.runs {
		t.post(course.Leaving{})
	}
	w.away = lasts
	w.left()
}

// left ends a worker that shuts down and has no run any more.
func (w *worker) left() {
	if w.leaving && len(w.runs) == 0 && !w.dead {
		if w.h.w.notes != nil {
			w.h.w.note("%s: the worker has left", w.h.name)
		}
		w.h.stopWorker(w.away)
	}
}

// recover takes up what a worker before has left.
func (w *worker) recover() {
	h := w.h
	for _, dir := range slices.Clone(h.disk.runs) {
		if w.dead {
			return
		}
		swept, left := h.sweep(dir.job.Run)
		t := newHostRun(w, dir)
		t.recover(swept, left)
	}
}
