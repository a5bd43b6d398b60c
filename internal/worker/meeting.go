package worker

import (
	"context"
	"log/slog"
	"sync"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/worker/course"
	"downbeat/internal/worker/rendezvous"
)

// A meeting is where a run's processes ask things of each other: it hands on what they ask
// for, and gives them the answers.
type meeting struct {
	path  string // of the socket
	clock *clock.Clock
	mail  *mailbox
	slog  *slog.Logger

	server *rendezvous.Server // nil: nobody listens. Of the goroutine that owns the run

	asking  sync.WaitGroup // requests that are being answered
	mu      sync.Mutex
	latest  uint64
	waiting map[uint64]chan rendezvous.Answer // by token; each has room for one
}

// open has the processes heard from now on.
func (m *meeting) open() error {
	m.close()
	m.waiting = make(map[uint64]chan rendezvous.Answer)
	server, err := rendezvous.Listen(context.Background(), rendezvous.Options{Path: m.path, Ask: m.ask, Log: m.slog})
	m.server = server
	return err
}

// close ends it. Who still waits for an answer gets none.
func (m *meeting) close() {
	if m.server == nil {
		return
	}
	if err := m.server.Close(); err != nil {
		m.slog.Warn("the socket on which processes meet is left behind", "error", err)
	}
	m.server = nil
	m.asking.Wait()
}

// ask hands on what a process asks for, and waits for the answer.
func (m *meeting) ask(ctx context.Context, r rendezvous.Request) (rendezvous.Answer, error) {
	m.asking.Add(1)
	defer m.asking.Done()
	answer := make(chan rendezvous.Answer, 1)
	m.mu.Lock()
	m.latest++
	token := m.latest
	m.waiting[token] = answer
	m.mu.Unlock()
	m.mail.post(course.Asked{Token: token, At: m.clock.Now(), Info: message.AskedInfo{
		What: r.What, Name: r.Name, Process: r.Process, Count: r.Count, WithinMS: r.Within.Milliseconds(), Value: r.Value,
	}})
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		m.mu.Lock()
		delete(m.waiting, token)
		m.mu.Unlock()
		return rendezvous.Answer{}, rendezvous.ErrOver
	}
}

// answer gives a process what it has asked for, if it is still there.
func (m *meeting) answer(e course.Answered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	waits := m.waiting[e.Token]
	if waits == nil {
		return
	}
	delete(m.waiting, e.Token)
	a := rendezvous.Answer{Value: e.Value, Err: e.Error, TimedOut: e.TimedOut}
	if !e.At.IsZero() {
		a.At = m.clock.Local(e.At)
	}
	waits <- a
}
