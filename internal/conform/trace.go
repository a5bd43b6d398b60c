package conform

import (
	"slices"
	"sync"
	"time"
)

// A Party is a side of a conversation.
type Party uint8

// The parties.
const (
	Subject Party = iota // the implementation under test
	Peer                 // the kit
)

// A Message is one message of a conversation, as the broker carried it.
type Message struct {
	At     time.Time
	From   Party
	Queue  string
	Header map[string]string
	Body   []byte
	// Unroutable: there was no such queue.
	Unroutable bool
}

// A Trace is a conversation in the order of time. What the subject sent is in it from
// when it was delivered, and what the kit sent from just before it was published: so
// an answer never comes before what it answers. It may be used by any number of
// goroutines.
type Trace struct {
	mu       sync.Mutex
	messages []Message
}

// add appends a message, gives it its time, and returns its place.
func (t *Trace) add(m Message) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	m.At = time.Now()
	t.messages = append(t.messages, m)
	return len(t.messages) - 1
}

// unroutable notes that there was no queue for a message.
func (t *Trace) unroutable(place int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.messages[place].Unroutable = true
}

// Messages are those that have been seen so far.
func (t *Trace) Messages() []Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.messages)
}
