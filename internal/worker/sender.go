package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"downbeat/internal/queue"
	"downbeat/internal/worker/course"
	"downbeat/internal/worker/runlog"
)

// inFlight is how many messages are with the broker unconfirmed: enough
// to hide its round trip, few enough to keep the worker small.
const inFlight = 8

// A sender brings a run's log to the publisher: in order, within the window,
// and again from what was acknowledged when something got lost on the way. Its run is
// for the one goroutine that start makes; the other methods may be called by any.
type sender struct {
	broker queue.Broker
	to     string
	log    *runlog.Log
	slog   *slog.Logger
	began  time.Time
	onGone func() // called when the publisher's queue is gone
	// onUnreadable is called once when the log can't be read back: nothing more
	// can be sent then.
	onUnreadable func(error)

	mu     sync.Mutex
	window *course.Window
	wake   chan struct{}
	moved  chan struct{} // closed when the publisher has acknowledged more
}

// newSender makes the sender of a log, of which everything before its first event has
// been acknowledged, with a window of so many bytes.
func newSender(broker queue.Broker, to string, window int, log *runlog.Log, logger *slog.Logger) *sender {
	return &sender{
		broker: broker, to: to, log: log, slog: logger, began: time.Now(),
		onGone: func() {}, onUnreadable: func(error) {},
		window: course.NewWindow(window, log.First()-1, time.Now()),
		wake:   make(chan struct{}, 1), moved: make(chan struct{}),
	}
}

// start sends until stop is called, whatever becomes of ctx. stop waits for the end.
func (s *sender) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var ended sync.WaitGroup
	ended.Go(func() { s.run(ctx) })
	return func() {
		cancel()
		ended.Wait()
	}
}

// run sends until ctx ends.
func (s *sender) run(ctx context.Context) {
	reader := s.log.Reader(s.next())
	slots := semaphore.NewWeighted(inFlight)
	buffers := sync.Pool{New: func() any { return new([]byte) }}
	var sent sync.WaitGroup
	defer sent.Wait()
	for {
		appended := s.log.Appended()
		reader.Seek(s.next())
		if !s.room() {
			if !s.wait(ctx, nil) {
				return
			}
			continue
		}
		buf := buffers.Get().(*[]byte)
		seq, record, ok, err := reader.Next(*buf)
		*buf = record
		if err != nil && !errors.Is(err, runlog.ErrTrimmed) {
			s.slog.Error("the run log can't be read back", "error", err)
			s.onUnreadable(err)
			return
		}
		if err == nil && !ok {
			buffers.Put(buf)
			if !s.wait(ctx, appended) {
				return
			}
			continue
		}
		if err != nil || !s.account(seq, len(record)) { // acknowledged just now
			buffers.Put(buf)
			continue
		}
		if slots.Acquire(ctx, 1) != nil {
			return
		}
		confirm := s.broker.Enqueue(ctx, s.to, queue.Message{Body: record}) // here, so that they go in order
		sent.Go(func() {
			defer slots.Release(1)
			defer buffers.Put(buf)
			s.confirmed(ctx, record, confirm())
		})
	}
}

// confirmed takes the broker's word on a record.
func (s *sender) confirmed(ctx context.Context, record []byte, err error) {
	for errors.Is(err, queue.ErrNoQueue) && s.mayReturn() && pause(ctx, lookEvery/4) == nil {
		err = s.broker.Publish(ctx, s.to, queue.Message{Body: record})
	}
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, queue.ErrNoQueue):
		s.onGone()
	default:
		s.slog.Error("an event could not be sent", "error", err)
	}
}

// mayReturn reports whether a queue that isn't there may come back: if the broker has
// come back empty, its publisher declares it anew as soon as it has reconnected. The
// lease ends the run where it does not.
func (s *sender) mayReturn() bool {
	at := s.broker.ConnectedAt()
	return at.After(s.began) && time.Since(at) < emptyFor
}

// emptyFor is how long after a connection was made again others may still be on
// their way back.
const emptyFor = 30 * time.Second

// next is the number of the event to send next.
func (s *sender) next() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.Next()
}

func (s *sender) room() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.Room()
}

// account enters an event as sent; false where it is not the next one any more.
func (s *sender) account(seq uint64, size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.Send(seq, size, time.Now())
}

// wait blocks until there may be something to do; false when ctx has ended.
func (s *sender) wait(ctx context.Context, appended <-chan struct{}) bool {
	select {
	case <-appended:
	case <-s.wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// ack takes the publisher's word that everything up to seq is safe, and with resend,
// that it needs what follows again.
func (s *sender) ack(seq uint64, resend bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.window.Ack(seq, s.log.Last(), resend, time.Now()) {
		close(s.moved)
		s.moved = make(chan struct{})
		if err := s.log.Trim(seq); err != nil {
			s.slog.Warn("acknowledged output stays on the disk", "error", err)
		}
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// ackedUpTo gives the number up to which the publisher has everything, and a
// channel that is closed when that changes.
func (s *sender) ackedUpTo() (uint64, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.Acked(), s.moved
}

// allAcked reports whether the publisher has the whole log.
func (s *sender) allAcked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.Acked() == s.log.Last()
}
