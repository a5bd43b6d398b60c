package conduct

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"downbeat/internal/message"
)

// An inbox puts a host's events in order: each exactly once, by its number.
type inbox struct {
	next     uint64 // the number of the event to be applied next
	window   int    // what the host may have sent without an acknowledgement, in bytes
	early    map[uint64]Received
	held     int       // bytes of those
	newest   uint64    // the newest number the host is known to have logged
	moved    time.Time // when next last moved, but for samples
	progress time.Time // the same, or when there last was nothing to wait for
	askedAt  time.Time // when the host was last asked for what is missing
	unacked  int       // bytes applied and not yet acknowledged
	acked    uint64    // what the host is told is safe
	safe     uint64    // the same, before this Step: it is on the disk
	sums     []uint64  // of the latest events applied, a ring
}

// rememberedSums is of how many events that have been applied it is known what was in
// them.
const rememberedSums = 1024

// leastEvent is what an event takes at least on its way, in bytes.
const leastEvent = 32

// put takes what has come, and reports whether another one with the same number has come
// that is not the same: an event that is sent again is sent again byte by byte. take then
// yields what is in order.
//
// Early events are kept as far as a host that keeps to its window can have sent them, in
// number and in bytes. Any others are dropped as if never seen, and asked for again.
func (b *inbox) put(a Received, now time.Time) (differs bool) {
	if a.Seq < b.next {
		return b.next-a.Seq <= uint64(len(b.sums)) && b.sums[(a.Seq-1)%rememberedSums] != a.Sum
	}
	if a.Seq-b.next > uint64(b.window/leastEvent+1024) {
		return false
	}
	b.knows(a.Seq, now)
	if was, there := b.early[a.Seq]; there {
		return was.Sum != a.Sum
	}
	if a.Seq > b.next && b.held+a.Size > b.window+message.MaxEvent {
		return false
	}
	if b.early == nil {
		b.early = make(map[uint64]Received)
	}
	b.early[a.Seq] = a
	b.held += a.Size
	return false
}

// knows notes that the host has logged events up to that number.
func (b *inbox) knows(newest uint64, now time.Time) {
	if newest <= b.newest {
		return
	}
	if !b.gap() {
		b.progress = now
	}
	b.newest = newest
}

// gap reports whether the host has logged something that hasn't come.
func (b *inbox) gap() bool { return b.newest >= b.next }

// take returns the next event in order.
func (b *inbox) take(now time.Time) (Received, bool) {
	a, ok := b.early[b.next]
	if !ok {
		return a, false
	}
	delete(b.early, b.next)
	b.held -= a.Size
	b.pass(&a, now)
	return a, true
}

// isNext reports whether an event that has just come is the next, and nothing waits:
// then it needs no place.
func (b *inbox) isNext(a *Received) bool { return a.Seq == b.next && len(b.early) == 0 }

// pass notes that an event is being applied, and keeps what is needed to know it again.
func (b *inbox) pass(a *Received, now time.Time) {
	if at := (a.Seq - 1) % rememberedSums; at < uint64(len(b.sums)) {
		b.sums[at] = a.Sum
	} else {
		b.sums = append(b.sums, a.Sum)
	}
	b.newest = max(b.newest, a.Seq)
	b.next++
	b.unacked += a.Size
	b.progress = now
	if _, still := a.Content.(Samples); !still { // those go on though its processes hang
		b.moved = now
	}
}

// has reports whether the next event in order is here.
func (b *inbox) has() bool {
	_, ok := b.early[b.next]
	return ok
}

// acknowledge notes that the host is told that all that was applied is safe.
func (b *inbox) acknowledge() { b.acked, b.unacked = b.next-1, 0 }

// lacks reports whether the host has logged something that hasn't come for that long, and
// hasn't been asked for it within that time.
func (b *inbox) lacks(now time.Time, limit time.Duration) bool {
	return b.gap() && now.Sub(b.progress) > limit && now.Sub(b.askedAt) > limit
}

// waiting gives what came early, in its order.
func (b *inbox) waiting() iter.Seq[Received] {
	return func(yield func(Received) bool) {
		for _, seq := range slices.Sorted(maps.Keys(b.early)) {
			if !yield(b.early[seq]) {
				return
			}
		}
	}
}

// describe says which events of a host of that name are missing, from the next up to what
// came early.
func (b *inbox) describe(name string) (which, have, them string) {
	last := b.newest
	for seq := range b.early {
		last = min(last, seq-1)
	}
	if last > b.next {
		return fmt.Sprintf("events %d to %d of %s are", b.next, last, name), "they have", "them"
	}
	return fmt.Sprintf("event %d of %s is", b.next, name), "it has", "it"
}
