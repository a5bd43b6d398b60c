package fakepublisher

import (
	"context"
	"maps"
	"slices"

	"downbeat/internal/message"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

// Heard is what has come of one run.
type Heard struct {
	Events []*message.Event  // logged or not, that were not awaited yet
	Output map[string]string // of each stream; see Key
	// Batches are those of files, by their numbers.
	Batches map[uint64][]message.Piece
	// Samples are the blocks, as they came.
	Samples [][]byte
	// Serial is that of the latest control that was sent.
	Serial uint64

	// Carried is how many bytes the messages with files had.
	Carried int

	logged map[uint64]bool
	last   uint64 // the newest event
}

// Key names a stream of a command in Heard.Output, such as "stdout.0".
func Key(command int, stream streams.Stream) string {
	return message.ProcessName(stream.String(), command)
}

// Complete is the number up to which everything has come.
func (h *Heard) Complete() uint64 {
	var n uint64
	for h.logged[n+1] {
		n++
	}
	return n
}

// Pieces are those of all files, in order.
func (h *Heard) Pieces() []message.Piece {
	var all []message.Piece
	for _, seq := range slices.Sorted(maps.Keys(h.Batches)) {
		all = append(all, h.Batches[seq]...)
	}
	return all
}

// Of is what has come of a job's run.
func (p *Publisher) Of(job *message.Job) *Heard { return p.of(job.Run) }

func (p *Publisher) of(run string) *Heard {
	of := p.heard[run]
	if of == nil {
		of = &Heard{Output: make(map[string]string), Batches: make(map[uint64][]message.Piece), logged: make(map[uint64]bool)}
		p.heard[run] = of
	}
	return of
}

// Forget forgets what has come of a job's run, and which serial numbers were used.
func (p *Publisher) Forget(job *message.Job) { delete(p.heard, job.Run) }

// Receive takes one message in, of whatever run.
func (p *Publisher) Receive() {
	p.T.Helper()
	ctx, cancel := context.WithTimeout(p.T.Context(), testkit.Timeout)
	defer cancel()
	d, err := p.consumer.Receive(ctx)
	testkit.Check(p.T, err)
	testkit.Check(p.T, d.Ack(ctx))
	switch message.FrameKindOf(d.Body) {
	case 0:
		p.event(d.Body)
	case message.FrameOutput:
		p.output(d.Body)
	case message.FrameSamples:
		p.samples(d.Body)
	default:
		p.files(d.Body)
	}
}

func (p *Publisher) event(body []byte) {
	p.T.Helper()
	e, err := message.DecodeEvent(body)
	testkit.Check(p.T, err)
	if e.Kind == message.Here {
		p.Here = append(p.Here, e)
		return
	}
	of := p.of(e.Run)
	if e.Seq == 0 || of.fresh(e.Seq) {
		of.Events = append(of.Events, e)
	}
}

func (p *Publisher) output(body []byte) {
	p.T.Helper()
	o, err := message.DecodeOutput(body)
	testkit.Check(p.T, err)
	of := p.of(o.Run)
	if !of.fresh(o.Seq) {
		return
	}
	for s := range o.Segments() {
		of.Output[Key(s.Command, s.Stream)] += string(s.Data)
	}
}

func (p *Publisher) samples(body []byte) {
	p.T.Helper()
	s, err := message.DecodeSamples(body)
	testkit.Check(p.T, err)
	if of := p.of(s.Run); of.fresh(s.Seq) {
		of.Samples = append(of.Samples, s.Block)
	}
}

func (p *Publisher) files(body []byte) {
	p.T.Helper()
	f, err := message.DecodeFiles(body)
	testkit.Check(p.T, err)
	pieces, _, err := f.Pieces(nil)
	testkit.Check(p.T, err)
	of := p.of(f.Run)
	if of.fresh(f.Seq) {
		of.Batches[f.Seq] = slices.Collect(pieces)
		of.Carried += len(body)
	}
}

// fresh reports whether a logged event is new.
func (h *Heard) fresh(seq uint64) bool {
	if h.logged[seq] {
		return false
	}
	h.logged[seq] = true
	h.last = max(h.last, seq)
	return true
}

// Await waits for the run's next event of that kind. Others may overtake it: a
// worker has several on their way at a time.
func (p *Publisher) Await(job *message.Job, kind message.EventKind) *message.Event {
	p.T.Helper()
	of := p.Of(job)
	for {
		for i, e := range of.Events {
			if e.Kind == kind {
				of.Events = slices.Delete(of.Events, i, i+1)
				return e
			}
		}
		p.Receive()
	}
}

// AwaitOutput waits until a command has written that to its standard output.
func (p *Publisher) AwaitOutput(job *message.Job, command int, want string) {
	p.T.Helper()
	for p.Of(job).Output[Key(command, streams.Stdout)] != want {
		p.Receive()
	}
}

// AwaitHere waits for an answer to a hello.
func (p *Publisher) AwaitHere() *message.Event {
	p.T.Helper()
	for len(p.Here) == 0 {
		p.Receive()
	}
	e := p.Here[0]
	p.Here = p.Here[1:]
	return e
}
