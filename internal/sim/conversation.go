package sim

import (
	"crypto/sha256"
	"slices"
	"time"

	"downbeat/internal/message"
)

// A Message is one that has arrived, or got lost. What it holds is as it is on the
// wire, before it is encoded: a job, a control, an event, a batch of output or one of
// files, or a part of a shipped file.
type Message struct {
	Order     int           // it was the Order-th that was sent
	Sent      time.Duration // since the world began
	Arrived   time.Duration // the same; not of what was lost
	Lost      bool
	From, To  string
	Run, Host string
	Serial    uint64    // of a control
	Seq       uint64    // of what has one
	Expires   time.Time // of an envelope
	Job       *message.Job
	Control   *message.Control
	Event     *message.Event
	Output    []message.Segment
	Files     []message.Piece
	Chunk     *message.Chunk
}

// Conversation lists all messages of the scenario so far, in the order in which they
// arrived; one that was lost stands where it was sent.
func (s *Scenario) Conversation() []Message { return s.w.conversation }

// hear keeps a message that has arrived, or that was lost.
func (w *world) hear(p *parcel, lost bool) {
	m := w.message(p)
	if m.Lost = lost; !lost {
		m.Arrived = time.Duration(w.e.now)
	}
	w.conversation = append(w.conversation, m)
}

// message is what is in a parcel.
func (w *world) message(p *parcel) Message {
	m := Message{
		Order: p.order, Sent: time.Duration(p.sent), From: p.from.name, To: p.to.name, Run: p.run, Host: p.host,
		Serial: p.serial, Seq: p.seq, Expires: p.valid, Job: p.job, Control: p.control,
	}
	if r := p.record; r != nil {
		m.Output, m.Files = r.output, hashed(r.files)
		if r.event != nil {
			e := *r.event
			e.Run, e.Host, e.Seq = p.run, p.host, p.seq
			m.Event = &e
		}
	}
	if p.chunk != nil {
		data := fileContent(p.size)
		m.Chunk = &message.Chunk{Run: p.run, Host: p.host, Sum: sha256.Sum256(data), Data: data}
	}
	return m
}

// hashed completes pieces of files by what the world does without: hashes, and times.
func hashed(pieces []message.Piece) []message.Piece {
	pieces = slices.Clone(pieces)
	var data []byte
	for i := range pieces {
		switch p := &pieces[i]; p.Kind {
		case message.FileBegin:
			p.ModTime, data = epoch, nil
		case message.FileData:
			data = append(data, p.Data...)
		case message.FileEnd:
			p.Sum = sha256.Sum256(data)
		case message.FileMissing, message.FilesAnew:
		}
	}
	return pieces
}

// operator is where a cancel comes from, and the queue that it waits on.
const (
	operator      = "operator"
	operatorQueue = "sim.events.0000000001"
)

// cancel has a run cancelled from another machine.
func (s *Scenario) cancel(p *publisher, run string) {
	n := &s.w.net
	i := slices.IndexFunc(n.stations, func(o *station) bool { return o.name == operator })
	if i < 0 {
		n.add(operator).deliver = func(*parcel) {}
		i = len(n.stations) - 1
	}
	n.send(&parcel{
		kind: cancelParcel, from: n.stations[i], to: p.station, run: run, serial: 1, size: 300, valid: epoch.Add(time.Duration(s.w.e.now) + 10*time.Second),
		control: &message.Control{Kind: message.Cancel, ReplyTo: operatorQueue, Reason: "by a colleague"},
	})
}
