package outlet

import (
	"errors"
	"io"
	"sync"
	"syscall"
)

// Checked is a writer that remembers its first error, for programs whose exit status reports it
// at the end. Later writes fail with the same error.
type Checked struct {
	W io.Writer

	mu  sync.Mutex
	err error
}

// Write implements [io.Writer].
func (c *Checked) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.W.Write(p)
	c.err = err
	return n, err
}

// Err is why something could not be written; nil if everything was.
func (c *Checked) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Gone reports whether err only means that the reader has exited, which is not a failure.
func Gone(err error) bool { return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) }
