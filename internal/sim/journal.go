package sim

import (
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
	"downbeat/internal/worker/course"
)

// The journal of a run on a host and what is sent of it, as the worker has them.

const (
	batchDelay  = 5 * time.Millisecond
	steadyDelay = 50 * time.Millisecond
)

// output puts what a command has written into the batch that is open.
func (t *hostRun) output(command int, stream streams.Stream, data []byte) {
	if t.failed {
		t.missing = true
		return
	}
	tally := &t.tallies[command][stream]
	t.batch = append(t.batch, message.Segment{Command: command, Stream: stream, At: t.now(), Offset: tally.Bytes, Line: tally.Newlines, Data: data})
	tally.Add(data)
	if !t.flushing {
		t.flushing = true
		delay := batchDelay
		if t.w.e.now-t.flushed < instant(batchDelay) && t.flushed > 0 {
			delay = steadyDelay
		}
		t.after(delay, t.flush)
	}
}

// flush logs the batch that is open.
func (t *hostRun) flush() {
	t.flushing = false
	if len(t.batch) == 0 {
		return
	}
	size := 64
	for i := range t.batch {
		size += len(t.batch[i].Data) + 12
	}
	batch := t.batch
	t.batch, t.flushed = nil, t.w.e.now
	if !t.append(record{output: batch, size: size}) {
		t.missing = true
	}
}

// append adds a record to the log, which gives it its number.
func (t *hostRun) append(r record) bool {
	if t.failed || t.worker.h.disk.full {
		t.fail()
		return false
	}
	if t.worker.h.disk.forgets(&r) {
		t.w.note("%s: that is lost", t.worker.h.name)
		return true
	}
	t.enter(r)
	return true
}

func (t *hostRun) enter(r record) {
	t.w.records++
	r.seq, r.sum = t.dir.last()+1, t.w.records
	if r.event != nil {
		r.event.Seq = r.seq
	}
	t.dir.log = append(t.dir.log, t.w.paper.put(r))
	t.pump()
}

// fail notes that the log takes no more, and tells the rules once.
func (t *hostRun) fail() {
	if !t.failed {
		t.failed = true
		t.post(course.LogFailed{Err: "no space left on device"})
	}
}

// journal logs an event. What the log doesn't take is kept for last.
func (t *hostRun) journal(e *message.Event) {
	t.flush()
	if t.w.notes != nil && !t.w.plain {
		t.w.note("%s: logs %s", t.worker.h.name, t.w.words(e))
	}
	if !t.append(record{event: e, size: 200 + 40*len(e.Started)}) {
		t.late = append(t.late, e)
	}
}

// journalLast logs the last event, with what the log has not taken since, into the
// room that is kept for that.
func (t *hostRun) journalLast(e *message.Event) {
	t.journal(e)
	if len(t.late) == 0 {
		return
	}
	if t.worker.h.disk.full && t.worker.h.disk.packed {
		t.post(course.LastFailed{Err: "no space left on device"})
		return
	}
	if t.missing && e.Done != nil {
		e.Done.Outcome, e.Done.Reason = message.HostLost, "output is missing: no space left on device"
	}
	for _, e := range t.late {
		t.enter(record{event: e, size: 200})
	}
	t.late = nil
}

// files logs a batch of files, if it can be logged.
func (t *hostRun) files(pieces ...message.Piece) bool {
	t.flush()
	size := 64
	for i := range pieces {
		size += len(pieces[i].Data) + 50
	}
	if t.failed || t.worker.h.disk.full {
		return false
	}
	t.enter(record{files: pieces, size: size})
	return true
}

// reply sends an event outside the log.
func (t *hostRun) reply(e *message.Event) {
	e.Run, e.Host = t.dir.job.Run, t.worker.h.name
	if e.Time.IsZero() {
		e.Time = t.now()
	}
	t.w.records++
	t.send(t.w.paper.put(record{event: e, size: 200, sum: t.w.records}))
}

func (t *hostRun) send(r *record) bool {
	station := t.worker.h.station
	return t.w.net.send(t.w.net.parcels.put(parcel{
		kind: eventParcel, from: station, to: t.publisher(), run: t.dir.job.Run, host: t.worker.h.name, seq: r.seq, record: r, size: r.size,
	}))
}

func (t *hostRun) publisher() *station { return t.w.publisherOf(t.dir.job.Run).station }

// pump sends what there is room for.
func (t *hostRun) pump() {
	for !t.mute && t.window.Room() && t.window.Next() <= t.dir.last() {
		r := t.dir.log[t.window.Next()-1]
		if t.worker.h.disk.unreadable {
			t.mute = true
			t.post(course.LogUnreadable{Err: "input/output error"})
			return
		}
		if !t.window.Send(r.seq, r.size, t.now()) {
			continue
		}
		if !t.send(r) {
			t.mute = true
			t.post(course.PublisherGone{})
			return
		}
	}
}

// ack takes the publisher's word for what it has.
func (t *hostRun) ack(seq uint64, resend bool) {
	t.window.Ack(seq, t.dir.last(), resend, t.now())
	t.pump()
	if t.window.Acked() == t.dir.last() {
		t.post(course.AllAcked{})
	}
}
