package message

import (
	"fmt"
	"time"
)

// Questions of the processes of a run to each other, over the socket that DOWNBEAT_SYNC names.

// AskedWhat is what a process asks for.
type AskedWhat string

// The questions that a process can ask.
const (
	AskBarrier AskedWhat = "barrier" // to go on when Count have come
	AskPut     AskedWhat = "put"     // to give a name a value
	AskGet     AskedWhat = "get"     // for the value of a name, as soon as it has one
	AskMark    AskedWhat = "mark"    // to note the instant
)

// The bounds of what processes can ask for.
const (
	MaxSyncValue = 16 << 10 // bytes of a value
	MaxSyncNames = 10_000   // names in a run, of all kinds together
)

// AskedInfo is what a process asks for. Event.Time is when.
type AskedInfo struct {
	ID   uint64    `json:"id"` // counts what is asked for on this host in this run, from 1
	What AskedWhat `json:"what"`
	Name string    `json:"name"`
	// Process is the name of the one that asks, as far as it is known.
	Process string `json:"process,omitempty"`
	Count   int    `json:"count,omitempty"` // of a barrier: how many have to come
	// WithinMS is how long a barrier or a get waits, in milliseconds.
	WithinMS int64  `json:"within_ms,omitempty"`
	Value    []byte `json:"value,omitempty"` // of a put
}

// Within is how long the process waits.
func (a *AskedInfo) Within() time.Duration { return time.Duration(a.WithinMS) * time.Millisecond }

// Check reports what can't be asked for.
func (a *AskedInfo) Check() error {
	switch {
	case CheckName(a.Name) != nil:
		return CheckName(a.Name)
	case len(a.Value) > MaxSyncValue:
		return fmt.Errorf("a value of %d bytes; at most %d are taken", len(a.Value), MaxSyncValue)
	case a.WithinMS < 0 || a.WithinMS > maxMS:
		return fmt.Errorf("it can't wait for %d ms", a.WithinMS)
	case a.What == AskBarrier && (a.Count < 1 || a.Count > MaxSyncNames):
		return fmt.Errorf("a barrier for %d; at least 1 and at most %d can come", a.Count, MaxSyncNames)
	case a.What != AskBarrier && a.What != AskPut && a.What != AskGet && a.What != AskMark:
		return fmt.Errorf("%.20q can't be asked for", string(a.What))
	}
	return nil
}

// An Answer is what a process gets that has asked for something.
type Answer struct {
	ID uint64 `json:"id"` // that of what was asked
	// At is the instant at which it gets the answer, on the clock of the host addressed;
	// zero: at once.
	At    time.Time `json:"at,omitzero"`
	Value []byte    `json:"value,omitempty"` // of a get
	// Error is why it doesn't get what it has asked for; TimedOut: it waited too long.
	Error    string `json:"error,omitempty"`
	TimedOut bool   `json:"timed_out,omitempty"`
}
