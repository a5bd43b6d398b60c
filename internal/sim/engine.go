package sim

import "time"

// An instant is a point of the world's true time: nanoseconds since it began.
// No machine knows it; each has a clock of its own.
type instant int64

func (i instant) add(d time.Duration) instant { return i + instant(d) }

const never = instant(1<<63 - 1)

// An engine carries out events in the order of their time, and those of one
// time in the order in which they were asked for.
type engine struct {
	now   instant
	count uint64
	queue []happening     // a heap
	soon  mail[happening] // what is to happen at this time: more than a quarter
}

type happening struct {
	at instant
	n  uint64
	event
}

// An event is something that happens when its time has come.
type event interface{ happen() }

// A call is an event that calls a function.
type call func()

func (c call) happen() { c() }

func (h *happening) before(o *happening) bool {
	return h.at < o.at || h.at == o.at && h.n < o.n
}

// at has do called at that time, or now if it is past.
func (e *engine) at(t instant, do func()) { e.plan(t, call(do)) }

// plan has an event happen at that time, or now if it is past.
func (e *engine) plan(t instant, what event) {
	e.count++
	if t <= e.now {
		e.soon.put(happening{e.now, e.count, what})
		return
	}
	e.queue = append(e.queue, happening{t, e.count, what})
	q := e.queue
	for i := len(q) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q[i].before(&q[parent]) {
			return
		}
		q[i], q[parent] = q[parent], q[i]
		i = parent
	}
}

// after has do called when that time is over.
func (e *engine) after(d time.Duration, do func()) { e.at(e.now.add(d), do) }

// next carries out the next event that is not after limit; false where there is none.
func (e *engine) next(limit instant) bool {
	switch {
	case !e.soon.empty() && (len(e.queue) == 0 || e.soon.first().before(&e.queue[0])):
		next := e.soon.take()
		next.happen()
	case len(e.queue) == 0 || e.queue[0].at > limit:
		return false
	default:
		next := e.queue[0]
		e.now = next.at
		e.remove()
		next.happen()
	}
	return true
}

// remove takes the first event out of the heap.
func (e *engine) remove() {
	q := e.queue
	last := len(q) - 1
	q[0] = q[last]
	q[last] = happening{}
	q = q[:last]
	e.queue = q
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return
		}
		if child+1 < last && q[child+1].before(&q[child]) {
			child++
		}
		if !q[child].before(&q[i]) {
			return
		}
		q[i], q[child] = q[child], q[i]
		i = child
	}
}
