package worker

import "sync"

// A mailbox hands things to the one goroutine that owns a run. It never blocks
// the sender: the runner's callbacks come from goroutines that the owner may be
// waiting for.
type mailbox struct {
	mu    sync.Mutex
	items []any
	ready chan struct{}
}

func newMailbox() *mailbox { return &mailbox{ready: make(chan struct{}, 1)} }

// post adds an item.
func (m *mailbox) post(item any) {
	m.mu.Lock()
	m.items = append(m.items, item)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// take empties the mailbox; ready is signalled whenever there is something.
func (m *mailbox) take() []any {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	return items
}
