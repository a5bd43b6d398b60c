package amqp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// A socket is the transport below the library. It is closed as soon as reading fails: the
// library waits for a running write before it closes anything, and a write to a silent peer
// would never end.
type socket struct {
	net.Conn
}

func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil {
		_ = s.Close()
	}
	return n, err
}

// A greeted connection knows what the other side did during the handshake.
type greeted struct {
	net.Conn
	spoke   atomic.Bool           // something was received
	readErr atomic.Pointer[error] // why reading ended
}

func (g *greeted) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if n > 0 {
		g.spoke.Store(true)
	}
	if err != nil {
		g.readErr.CompareAndSwap(nil, &err)
	}
	return n, err
}

// hungUp tells whether reading ended because the other side closed the connection without a
// reason, as RabbitMQ does when the first frame is too large, or while it starts.
func (g *greeted) hungUp() bool {
	err := g.readErr.Load()
	return err != nil && (errors.Is(*err, io.EOF) || errors.Is(*err, io.ErrUnexpectedEOF) || errors.Is(*err, syscall.ECONNRESET))
}

// A session is one AMQP connection, from its start to its end. It is never revived; everything
// that belongs to it ends with it.
type session struct {
	conn *amqp091.Connection
	sock *socket

	severed atomic.Bool
	done    chan struct{} // closed when the connection has ended
	err     error         // why; valid after done

	mu      sync.Mutex
	free    chan struct{}  // closed while the broker takes messages
	blocked error          // why the broker accepts no messages
	closing bool           // no more calls
	calls   sync.WaitGroup // running calls, including abandoned ones
}

// writeGrace is how long a write may go on after its context has ended, before the connection
// is closed to end it. A working connection needs less.
const writeGrace = 100 * time.Millisecond

// closeGrace bounds the proper closing of the connection, which makes sure that the last
// acknowledgements arrive.
const closeGrace = time.Second

func newSession(conn *amqp091.Connection, sock *socket) *session {
	s := &session{conn: conn, sock: sock, done: make(chan struct{}), free: make(chan struct{})}
	close(s.free)
	return s
}

// alive is false as soon as the session can't be used any more; done is closed soon after.
func (s *session) alive() bool { return !s.severed.Load() && !s.conn.IsClosed() }

// lostBecause says why the session has ended.
func (s *session) lostBecause() error {
	switch {
	case s.err != nil:
		return fmt.Errorf("%w: %w", errLost, s.err)
	case s.severed.Load():
		return fmt.Errorf("%w: given up, because the broker did not read what it was sent in time", errLost)
	}
	return errLost
}

// sever ends the session at once, whatever it is doing.
func (s *session) sever() {
	s.severed.Store(true)
	_ = s.sock.Close()
}

// close closes the connection properly and waits until nothing of the session is left.
func (s *session) close() {
	force := time.AfterFunc(closeGrace, s.sever)
	defer force.Stop()
	if s.blockedBecause() != nil { // a blocked broker doesn't read what we say
		s.sever()
	}
	_ = s.conn.Close()
	s.sever()
	<-s.done
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.calls.Wait()
}

// watch notes the session's end, and whether the broker blocks publishing.
func (s *session) watch(closes <-chan *amqp091.Error, blockings <-chan amqp091.Blocking, report func(amqp091.Blocking)) {
	for closes != nil || blockings != nil {
		select {
		case err, ok := <-closes:
			if !ok {
				closes = nil
			} else if err != nil {
				s.err = err
			}
		case b, ok := <-blockings:
			if !ok {
				blockings = nil
				continue
			}
			s.setBlocked(b)
			report(b)
		}
	}
	close(s.done)
}

func (s *session) setBlocked(b amqp091.Blocking) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case b.Active && s.blocked == nil:
		s.blocked = errors.New("the broker takes no messages at the moment: " + b.Reason)
		s.free = make(chan struct{})
	case !b.Active && s.blocked != nil:
		s.blocked = nil
		close(s.free)
	}
}

// blockedBecause says why the broker accepts no messages; nil if it does.
func (s *session) blockedBecause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocked
}

// awaitFree waits until the broker accepts messages, or the session is over.
func (s *session) awaitFree(ctx context.Context) error {
	s.mu.Lock()
	free, blocked := s.free, s.blocked
	s.mu.Unlock()
	select {
	case <-free:
		return nil
	case <-s.done:
		return errLost
	case <-ctx.Done():
		return ended(ctx, blocked)
	}
}

// write runs a function that writes to the connection. A write to a peer that doesn't read
// ignores its context; once that has ended, write closes the connection, which is the only way
// to end it.
func (s *session) write(ctx context.Context, send func() error) error {
	written := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(writeGrace)
		defer timer.Stop()
		select {
		case <-written:
		case <-timer.C:
			s.sever()
		}
	})
	defer stop()
	defer close(written)
	return send()
}

// exchangeTimeout is how long the broker may take to answer. It answers within milliseconds,
// except about a queue that it is still recovering.
const exchangeTimeout = 30 * time.Second

// errNoAnswer: an exchange was given up. It is tried again if possible.
var errNoAnswer = fmt.Errorf("no answer from the broker within %v", exchangeTimeout)

// call runs an exchange with the broker, which can't be cancelled in the library. If ctx ends
// or no answer comes, the exchange is abandoned; if it succeeds later, discard, if not nil,
// gets its result.
func call[T any](ctx context.Context, s *session, exchange func() (T, error), discard func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	results := make(chan result) // unbuffered: a result is taken or discarded
	abandoned := make(chan struct{})
	defer close(abandoned)
	err := s.start(func() {
		value, err := exchange()
		select {
		case results <- result{value, err}:
		case <-abandoned:
			if err == nil && discard != nil {
				discard(value)
			}
		}
	})
	if err != nil {
		return none, err
	}
	timer := time.NewTimer(exchangeTimeout)
	defer timer.Stop()
	select {
	case r := <-results:
		return r.value, r.err
	case <-timer.C:
		return none, errNoAnswer
	case <-ctx.Done():
		return none, ended(ctx, nil)
	}
}

// start runs f in a goroutine that the session's close waits for.
func (s *session) start(f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return errLost
	}
	s.calls.Go(f)
	return nil
}
