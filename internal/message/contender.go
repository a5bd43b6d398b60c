package message

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// WorkerInfo tells which worker it is that serves a host, or wants to: which
// process on which machine.
type WorkerInfo struct {
	Machine string    `json:"machine"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since,omitzero"`
}

// maxMachine is how much of a machine's name is kept.
const maxMachine = 100

// String tells a person, in characters that leave a terminal as it is.
func (w WorkerInfo) String() string {
	machine := strings.Map(func(r rune) rune {
		if r > ' ' && r < 127 {
			return r
		}
		return '?'
	}, w.Machine[:min(len(w.Machine), maxMachine)])
	if w.Since.IsZero() {
		return fmt.Sprintf("pid %d on %s", w.PID, machine)
	}
	return fmt.Sprintf("pid %d on %s since %s", w.PID, machine, w.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// Same reports whether both are one process.
func (w WorkerInfo) Same(other WorkerInfo) bool {
	return w.Machine == other.Machine && w.PID == other.PID
}

// PurposeContend marks a [Contender].
const PurposeContend Purpose = "contend"

// A Contender is a worker that would serve a host which another one serves. It
// says so on the host's queue of jobs, so that the other one can tell, and answers
// with [Here] where ReplyTo is given. Workers have no key to sign with, so nothing
// but that comes of it.
type Contender struct {
	Version   int     `json:"downbeat"`
	Purpose   Purpose `json:"purpose"`
	Namespace string  `json:"namespace"`
	Host      string  `json:"host"`
	ReplyTo   string  `json:"reply_to,omitempty"`
	// Waits: it goes on waiting, rather than only asking who is there.
	Waits  bool       `json:"waits,omitempty"`
	Worker WorkerInfo `json:"worker"`
}

// maxContender bounds a contender's message in bytes.
const maxContender = 4 << 10

// Encode gives the contender's wire form.
func (c *Contender) Encode() ([]byte, error) {
	c.Version, c.Purpose = Version, PurposeContend
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode contender: %w", err)
	}
	return data, nil
}

// ReadContender reads a message of the queue of jobs if it is a contender's for
// that namespace and host, of whatever version: workers of two may want one host.
func ReadContender(data []byte, namespace, host string) (*Contender, bool) {
	var c Contender
	if len(data) > maxContender || json.Unmarshal(data, &c) != nil {
		return nil, false
	}
	return &c, c.Version > 0 && c.Purpose == PurposeContend && c.Namespace == namespace && c.Host == host
}
