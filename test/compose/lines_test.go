//go:build compose && linux

package compose

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

// lines keeps what a program prints, to be looked at while it runs.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until all of the words have been printed.
func (l *lines) await(t *testing.T, words ...string) {
	t.Helper()
	for _, word := range words {
		eventually(t, "printed: "+word, func() bool { return strings.Contains(l.String(), word) })
	}
}
