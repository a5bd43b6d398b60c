package sim

import (
	"time"

	"downbeat/internal/message"
)

// A Message is one that has arrived. What it holds is as it is on the wire, before it
// is encoded: a job, a control, an event, a batch of output or one of files.
type Message struct {
	At        time.Duration // since the world began
	From, To  string
	Run, Host string
	Serial    uint64 // of a control
	Seq       uint64 // of what has one
	Job       *message.Job
	Control   *message.Control
	Event     *message.Event
	Output    []message.Segment
	Files     []message.Piece
}

// Conversation lists all messages of the scenario so far, in the order in which they
// arrived; the parts of shipped files are left out. They are shared: don't change them.
func (s *Scenario) Conversation() []Message { return s.w.conversation }

// hear keeps a message that has arrived.
func (w *world) hear(p *parcel) {
	m := Message{
		At: time.Duration(w.e.now), From: p.from.name, To: p.to.name, Run: p.run, Host: p.host,
		Serial: p.serial, Seq: p.seq, Job: p.job, Control: p.control,
	}
	if p.record != nil {
		m.Event, m.Output, m.Files = p.record.event, p.record.output, p.record.files
	}
	if p.kind != chunkParcel {
		w.conversation = append(w.conversation, m)
	}
}
