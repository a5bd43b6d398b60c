package amqp

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/queue/retry"
)

// A link keeps one connection to the broker and makes it again when it is lost.
type link struct {
	role   string // "publish" or "consume"
	broker *Broker

	// The state; changed is closed and replaced whenever it changes.
	current *session // nil while there is no connection
	last    error    // why there is no connection
	changed chan struct{}
}

// open makes the connection and brings the broker's queues up to date.
func (l *link) open(ctx context.Context) (*session, error) {
	b := l.broker
	s, err := b.target.connect(ctx, b.name+" ("+l.role+")", b.reportBlocking)
	if err != nil {
		return nil, err
	}
	if err := b.topology.restore(ctx, s, b.log); err != nil {
		s.sever()
		s.close()
		return nil, b.target.unreachable(err)
	}
	return s, nil
}

// session waits for a working connection.
func (l *link) session(ctx context.Context) (*session, error) {
	for {
		l.broker.mu.Lock()
		s, last, changed := l.current, l.last, l.changed
		l.broker.mu.Unlock()
		if s != nil && s.alive() {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ended(ctx, last)
		}
	}
}

func (l *link) set(s *session, last error) {
	l.broker.mu.Lock()
	defer l.broker.mu.Unlock()
	l.current, l.last = s, last
	if s != nil {
		l.broker.upAt = time.Now()
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// keep is the link's goroutine: it waits for the connection's end and makes a
// new one, until the broker is closed.
func (l *link) keep(ctx context.Context, s *session) {
	attempts := retry.New()
	for {
		began := time.Now()
		select {
		case <-s.done:
		case <-ctx.Done():
			s.close()
			l.set(nil, queue.ErrClosed)
			return
		}
		err := s.lostBecause()
		l.set(nil, err)
		s.close()
		l.broker.reportLost(l, err)
		if time.Since(began) > retry.Longest { // otherwise it may be flapping
			attempts.Reset()
		}
		if s = l.reopen(ctx, attempts); s == nil {
			return
		}
		l.set(s, nil)
		l.broker.reportBack()
	}
}

// reopen tries for a new connection until it has one or ctx ends.
func (l *link) reopen(ctx context.Context, attempts *retry.Retry) *session {
	denied := false
	for {
		if !attempts.Wait(ctx, nil) {
			return nil
		}
		s, err := l.open(ctx)
		if err == nil {
			return s
		}
		l.set(nil, err)
		level := slog.LevelDebug
		if errors.Is(err, queue.ErrDenied) && !denied { // a person has to act
			level, denied = slog.LevelWarn, true
		}
		l.broker.log.Log(ctx, level, "reconnecting failed", "connection", l.role, "error", err)
	}
}
