package mem

import (
	"cmp"
	"slices"
	"time"
)

// The methods of memQueue are called with the store's lock held.

// push adds a new message and gives it to a consumer that has room.
func (q *memQueue) push(it *item) {
	q.sequence++
	it.sequence = q.sequence
	if !it.deadline.IsZero() {
		q.expiring++
	}
	q.ready = append(q.ready, it)
	q.dispatch()
	q.bound()
}

// putBack returns delivered messages to their old places.
func (q *memQueue) putBack(items ...*item) {
	for _, it := range items {
		it.redelivered = true
		if !it.deadline.IsZero() {
			q.expiring++
		}
	}
	q.ready = append(q.ready, items...)
	slices.SortFunc(q.ready, func(a, b *item) int { return cmp.Compare(a.sequence, b.sequence) })
	q.dispatch()
	q.bound()
}

// dispatch hands out messages for as long as there are some and a consumer has
// room, to the consumers in turn.
func (q *memQueue) dispatch() {
	q.expire()
	for len(q.ready) > 0 {
		c := q.pick()
		if c == nil {
			return
		}
		c.deliver(q.take())
	}
}

// pick returns the next consumer in turn that has room, or nil.
func (q *memQueue) pick() *consumer {
	for range q.consumers {
		q.next++
		c := q.consumers[q.next%len(q.consumers)]
		if len(c.unsettled) < cap(c.deliveries) {
			return c
		}
	}
	return nil
}

// take removes the oldest message.
func (q *memQueue) take() *item {
	it := q.ready[0]
	q.ready[0] = nil // the array outlives the element
	q.ready = q.ready[1:]
	if !it.deadline.IsZero() {
		q.expiring--
	}
	return it
}

// bound drops the oldest messages beyond the queue's limits.
func (q *memQueue) bound() {
	for q.spec.MaxMessages > 0 && len(q.ready) > q.spec.MaxMessages {
		q.take()
	}
	if q.spec.MaxBytes == 0 {
		return
	}
	size := 0
	for _, it := range q.ready {
		size += len(it.message.Body)
	}
	for size > q.spec.MaxBytes && len(q.ready) > 0 {
		size -= len(q.take().message.Body)
	}
}

// expire drops the messages whose time has passed.
func (q *memQueue) expire() {
	if q.expiring == 0 {
		return
	}
	now := time.Now()
	q.ready = slices.DeleteFunc(q.ready, func(it *item) bool {
		over := !it.deadline.IsZero() && now.After(it.deadline)
		if over {
			q.expiring--
		}
		return over
	})
}
