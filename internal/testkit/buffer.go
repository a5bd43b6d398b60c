package testkit

import (
	"bytes"
	"strings"
	"sync"
)

// A Buffer keeps what is written to it, to be read while more is written. The zero value
// is ready to use, by any number of goroutines.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns all that has been written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Has reports whether the text has been written.
func (b *Buffer) Has(text string) bool { return strings.Contains(b.String(), text) }

// HasLine reports whether a line with all of the parts in it has been written.
func (b *Buffer) HasLine(parts ...string) bool {
next:
	for line := range strings.Lines(b.String()) {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue next
			}
		}
		return true
	}
	return false
}
