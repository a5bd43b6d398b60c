package worker

import (
	"sync"

	"downbeat/internal/worker/course"
)

// A mailbox hands inputs to the one goroutine that owns a run. It never blocks
// the sender: the runner's callbacks come from goroutines that the owner may be
// waiting for.
type mailbox struct {
	mu    sync.Mutex
	items []course.Input
	ready chan struct{}
}

func newMailbox() *mailbox { return &mailbox{ready: make(chan struct{}, 1)} }

// post adds an item.
func (m *mailbox) post(item course.Input) {
	m.mu.Lock()
	m.items = append(m.items, item)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// take empties the mailbox; ready is signalled whenever there is something.
func (m *mailbox) take() []course.Input {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	return items
}
