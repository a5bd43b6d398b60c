package conduct

import (
	"iter"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
)

// An Input is something that has happened. Hosts are named by their position in
// [Spec].Hosts.
//
//sumtype:decl
type Input interface{ input() }

// Received is a message of a host, as it came: perhaps twice, perhaps before another
// that was sent earlier.
type Received struct {
	Host    int
	Seq     uint64    // 0: it has no number
	At      time.Time // when it came
	Size    int       // in bytes
	Sum     uint64    // of its bytes: what has the same number is told apart by it
	Content Content
}

// Unsendable says that a host can't be sent what it is to be sent, and won't be.
type Unsendable struct {
	Host   int
	Reason string // for a person, with what is to be done
	Why    string // for the log: one that has its job may still have to be told something
}

// Inquired is what is known of a host that doesn't answer: the answer to [Inquire], or
// what was found out otherwise.
type Inquired struct {
	Host int
	Late bool // as it was in Inquire
	Why  string
}

// Measured gives the exchanges that [Measure] has asked for, as far as they were answered.
type Measured struct {
	Host    int
	Samples []clock.Sample
}

// NotShipped says that what [Ship] asked for can't be read.
type NotShipped struct {
	Host int
	Why  string
}

// NotKept says that a file of a host was sent to its end and is not what was announced. It
// comes before the host's next message, and not if the host has begun anew since.
type NotKept struct {
	Host  int
	Bytes uint64 // its size, as it was announced
}

// NotStored says that the results can't be written. It is said once.
type NotStored struct{ Why string }

// Cancelled says that somebody who may has asked for the run to be stopped.
type Cancelled struct{ Reason string }

// Interrupted says that the caller wants the run stopped.
type Interrupted struct{ Reason string }

// GateOpened says that the run may be released; see [Spec].Gated.
type GateOpened struct{}

// Reconnected says that the broker was away and has come back since the jobs were sent, and may
// have lost them.
type Reconnected struct{}

func (Received) input()    {}
func (Unsendable) input()  {}
func (Inquired) input()    {}
func (Measured) input()    {}
func (NotShipped) input()  {}
func (NotKept) input()     {}
func (NotStored) input()   {}
func (Cancelled) input()   {}
func (Interrupted) input() {}
func (GateOpened) input()  {}
func (Reconnected) input() {}

// Content is what a message of a host holds.
//
//sumtype:decl
type Content interface{ content() }

// An Event is a lifecycle event.
type Event struct{ *message.Event }

// Output is a batch of output. The data of its segments stays valid until the event
// has been applied.
type Output struct{ Segments iter.Seq[message.Segment] }

// Files is a batch of files, which is unpacked in its turn: into buf, where that is large
// enough. Unpack gives back what it has unpacked into, to be used again.
type Files struct {
	Unpack func(buf []byte) (pieces iter.Seq[message.Piece], used []byte, err error)
}

// Samples is a block of samples.
type Samples struct{ Block []byte }

// Foreign is an event in another version of the protocol than ours. It has no number.
type Foreign struct{ Version int }

// Unknown is a message of a kind that this build doesn't know.
type Unknown struct{ Kind string }

func (Event) content()   {}
func (Output) content()  {}
func (Files) content()   {}
func (Samples) content() {}
func (Foreign) content() {}
func (Unknown) content() {}
