package worker

import (
	"fmt"
	"sync"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/streams"
	"downbeat/internal/worker/runlog"
)

const (
	// batchBytes is how large an output batch grows, batchDelay how long its
	// first byte waits for more: large enough that a message costs little,
	// short enough that a person sees lines come. Output that goes on and on
	// waits for steadyDelay, which costs far fewer messages.
	batchBytes  = 256 << 10
	batchDelay  = 5 * time.Millisecond
	steadyDelay = 50 * time.Millisecond
)

// A journal gives everything that a run reports its sequence number and puts
// it into the run's log: lifecycle events one by one, output in batches. Output
// that came before an event is in the log before it.
type journal struct {
	run, host string
	clock     *clock.Clock
	log       *runlog.Log
	onError   func(error) // called once, with what the log could not take

	mu      sync.Mutex
	batch   message.Batch
	open    bool // batch has been reset and not been flushed
	timer   *time.Timer
	flushed time.Time       // when the latest batch was
	tallies []streams.Tally // of what has been journaled of each command
	failed  error
	packet  []byte          // of a batch of files
	missing bool            // output was dropped since
	late    []message.Event // that the log has not taken since
}

func newJournal(job *message.Job, c *clock.Clock, log *runlog.Log, onError func(error)) *journal {
	j := &journal{run: job.Run, host: job.Host, clock: c, log: log, onError: onError}
	j.tallies = make([]streams.Tally, len(job.Commands))
	j.timer = time.AfterFunc(time.Hour, j.flushLate)
	j.timer.Stop()
	return j
}

// event completes e with what the journal knows and appends it. What the log
// doesn't take is kept, for last.
func (j *journal) event(e message.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flush()
	if e.Time.IsZero() {
		e.Time = j.clock.Now()
	}
	err := j.failed
	if err == nil {
		err = j.append(e, j.log.Append)
	}
	if err != nil {
		j.fail(err)
		j.late = append(j.late, e)
	}
	return err
}

func (j *journal) append(e message.Event, to func([]byte) error) error {
	e.Run, e.Host, e.Seq = j.run, j.host, j.log.Last()+1
	data, err := e.Encode()
	if err != nil {
		return err
	}
	return to(data)
}

// last appends the run's last event. Where the log has taken no more before, it
// goes, with the events since, into the room that the log keeps for that; and it
// tells that output is missing, if that is so.
func (j *journal) last(e *message.Event) error {
	err := j.event(*e)
	if err == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.Done != nil && j.missing {
		e.Done.Outcome, e.Done.Reason = message.HostLost, fmt.Sprintf("output is missing: %v", err)
	}
	for _, e := range j.late {
		if err := j.append(e, j.log.AppendReserved); err != nil {
			return err
		}
	}
	return nil
}

// output appends what was read from a stream of a command at that time.
func (j *journal) output(command int, stream streams.Stream, at time.Time, data []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.missing = j.missing || j.failed != nil
	for len(data) > 0 && j.failed == nil {
		if !j.open {
			j.batch.Reset(j.run, j.host, j.log.Last()+1, j.clock.At(at))
			j.open = true
			j.timer.Reset(j.delay())
		}
		piece := data[:min(len(data), batchBytes)]
		data = data[len(piece):]
		had := &j.tallies[command][stream]
		j.batch.Add(message.Segment{
			Command: command, Stream: stream, At: j.clock.At(at),
			Offset: had.Bytes, Line: had.Newlines, Data: piece,
		})
		had.Add(piece)
		if j.batch.Len() >= batchBytes {
			j.flush()
		}
	}
}

// totals is all that was journaled, by command.
func (j *journal) totals() []streams.Total {
	j.mu.Lock()
	defer j.mu.Unlock()
	totals := make([]streams.Total, len(j.tallies))
	for i := range totals {
		totals[i] = j.tallies[i].Total()
	}
	return totals
}

// files appends a batch of files, and returns how large it is. Where the log
// can't take it, it can still take what is smaller.
func (j *journal) files(p message.Packed) (seq uint64, size int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flush()
	if j.failed != nil {
		return 0, 0, j.failed
	}
	seq = j.log.Last() + 1
	j.packet = p.Append(j.packet[:0], j.run, j.host, seq)
	return seq, len(j.packet), j.log.Try(j.packet)
}

// samples appends a block of samples.
func (j *journal) samples(block []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flush()
	if j.failed != nil {
		return
	}
	s := message.Samples{Run: j.run, Host: j.host, Seq: j.log.Last() + 1, Block: block}
	j.packet = s.Append(j.packet[:0])
	if err := j.log.Append(j.packet); err != nil {
		j.fail(err)
	}
}

// total is all that was journaled of a command.
func (j *journal) total(command int) streams.Total {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tallies[command].Total()
}

// delay is how long a batch that begins now waits for more.
func (j *journal) delay() time.Duration {
	if time.Since(j.flushed) < batchDelay {
		return steadyDelay
	}
	return batchDelay
}

// flushLate is what the timer of an open batch calls.
func (j *journal) flushLate() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flush()
}

func (j *journal) flush() {
	if !j.open {
		return
	}
	j.open = false
	j.flushed = time.Now()
	j.timer.Stop()
	if err := j.log.Append(j.batch.Bytes()); err != nil {
		j.missing = true
		j.fail(err)
	}
}

// fail remembers the first error: from then on nothing can be kept.
func (j *journal) fail(err error) {
	if j.failed == nil {
		j.failed = err
		go j.onError(err)
	}
}
