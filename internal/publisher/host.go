package publisher

import (
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// An arrival is one event or batch, as it came: perhaps twice, perhaps
// before another that was sent earlier.
type arrival struct {
	host   string
	seq    uint64 // 0: unlogged
	event  *message.Event
	output *message.Output
	// files are still packed: what waits for its turn takes no more memory
	// than the window allows.
	files *message.Files
	// foreign is the version of the protocol of an event of another than ours.
	foreign int
	size    int
	sum     uint64    // of its bytes, within this process
	at      time.Time // local, with monotonic reading
}

// A host is one host's part in a run, as seen from the publisher.
type host struct {
	name      string
	job       message.Job
	processes []int // the job's processes, as the datapoint counts them
	steps     []int // its steps, in the same way
	outbox    *outbox

	phase      Phase
	refused    *message.RefusedInfo
	done       *message.DoneInfo
	outcome    outcome.Host // set early where the publisher decides: lost, not ready
	reason     string
	lostAs     string // the run's reason, if the host is what it was lost by
	ready      *message.ReadyInfo
	shown      []message.Feature // that it knows, as what it did has shown
	passedOver bool              // an event of an unknown kind; a person was told
	behind     string
	tellAt     time.Time // local: when a person is to hear of that, if it is still so
	waitsSince time.Time // on its own clock: when it last said that it waits

	setup, teardown []results.StepRecord // what has been run of them
	setupTime       time.Duration        // what the setup may take, and getting ready after it

	clock      clock.Offset
	heard      time.Time // when anything last came from it
	readyBy    time.Time // zero while it waits for another run
	readyAt    time.Time
	asked      bool          // the broker has been asked why it doesn't answer
	stoppedAt  clock.Instant // of its stopping event
	lineErrors lineErrors
	// owingSince is since when it has not done what it was asked for; see unmet.
	owingSince time.Time

	account account // of what it has reported
	haul    haul
	wishes  chan wish // for parts of files; nil where it had none
	inbox
	keepaliveAt time.Time // when the next is due
	probing     int       // quick probes still to be sent
}

// over reports whether nothing more is expected of the host.
func (h *host) over() bool { return h.phase == Completed }

// An inbox puts a host's events in order: each exactly once, by its number.
type inbox struct {
	next     uint64 // the number of the event to be applied next
	window   int    // what the host may have sent without an acknowledgement, in bytes
	early    map[uint64]arrival
	held     int       // bytes of those
	newest   uint64    // the newest number the host is known to have logged
	moved    time.Time // when next last moved
	progress time.Time // the same, or when there last was nothing to wait for
	askedAt  time.Time // when the host was last asked for what is missing
	unacked  int       // bytes applied and not yet acknowledged
	acked    uint64
	sums     []uint64 // of the latest events applied, by number modulo its length
}

// rememberedSums is of how many events that have been applied it is known what
// was in them.
const rememberedSums = 1024

// leastEvent is what an event takes at least on its way, in bytes.
const leastEvent = 32

// put takes an arrival; take then yields what is in order. What comes early is
// kept as far as a host can have sent it that keeps to its window: no more, in
// number and in bytes. The rest is nothing that was seen; it is asked for again.
// put reports whether another one with the same number has come that is not the
// same: an event that is sent again is sent again byte by byte.
func (b *inbox) put(a arrival) (differs bool) {
	if a.seq < b.next {
		return b.next-a.seq <= uint64(len(b.sums)) && b.sums[a.seq%rememberedSums] != a.sum
	}
	if a.seq-b.next > uint64(b.window/leastEvent+1024) {
		return false
	}
	b.newest = max(b.newest, a.seq)
	if was, there := b.early[a.seq]; there {
		return was.sum != a.sum
	}
	if a.seq > b.next && b.held+a.size > b.window+message.MaxEvent {
		return false
	}
	if b.early == nil {
		b.early = make(map[uint64]arrival)
	}
	b.early[a.seq] = a
	b.held += a.size
	return false
}

// remember keeps what is needed to know the event again.
func (b *inbox) remember(a arrival) {
	if b.sums == nil {
		b.sums = make([]uint64, rememberedSums)
	}
	b.sums[a.seq%rememberedSums] = a.sum
}

// take returns the next event in order.
func (b *inbox) take(now time.Time) (arrival, bool) {
	a, ok := b.early[b.next]
	if !ok {
		return a, false
	}
	delete(b.early, b.next)
	b.remember(a)
	b.held -= a.size
	b.next++
	b.unacked += a.size
	b.moved, b.progress = now, now
	return a, true
}

// lacks reports whether the host has logged something that hasn't come for that
// long, and hasn't been asked for it within that time.
func (b *inbox) lacks(now time.Time, patience time.Duration) bool {
	return b.starved(now, patience) && now.Sub(b.askedAt) > patience
}

// starved reports whether the host has logged something that hasn't come for that
// long, however often it was asked for it.
func (b *inbox) starved(now time.Time, patience time.Duration) bool {
	if b.newest < b.next {
		b.progress = now
		return false
	}
	return now.Sub(b.progress) > patience
}
