package conduct

import (
	"iter"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// An Effect is something that is to be done. Hosts are named by their position in
// [Spec].Hosts, commands by their [HostSpec].Numbers.
//
//sumtype:decl
type Effect interface{ effect() }

// SendJob sends a host its job. It is sent again where the broker may have lost it.
type SendJob struct{ Host int }

// Send sends a host a control, which is its sender's from then on. Where it has a probe, that
// is to be given the time as late as can be. A control that can't be sent in time may be
// dropped.
type Send struct {
	Host    int
	Control *message.Control
}

// Inquire asks what is known of a host that doesn't answer; the answer is [Inquired].
type Inquire struct {
	Host int
	Late bool // it should have been ready by now
}

// Measure has so many exchanges made with a host that compare its clock directly, one after
// the other, and none is under way. At is where it says that it answers. What comes of it is
// [Measured], in any case.
type Measure struct {
	Host  int
	At    []string
	Times int
}

// Ship sends a host a part of a file of its job. It replaces what it was asked to be sent
// before; where it fails, that is [NotShipped].
type Ship struct {
	Host int
	Want message.WantInfo
}

// Store takes output in, in the order of each stream.
type Store struct {
	Host   int
	Pieces []Piece
}

// A Piece is a part of what a command wrote to one stream.
type Piece struct {
	Command int
	Stream  streams.Stream
	At      clock.Instant // when its host read it
	Data    []byte
}

// StoreFiles takes pieces of a host's files. A file that isn't what was announced is
// [NotKept].
type StoreFiles struct {
	Host   int
	Pieces iter.Seq[message.Piece]
}

// StoreSamples takes a block of a host's samples, the times of which are on our clock.
type StoreSamples struct {
	Host  int
	Block []byte
}

// CloseFiles says that no more will come of a host's files. Missing is why some are
// missing, if so, and Unfinished why the one is that has begun and not ended.
type CloseFiles struct {
	Host                int
	Missing, Unfinished string
}

// Flush has what was stored put onto the disk: the controls after it acknowledge that.
type Flush struct{}

// HostMoved says that a host has come to a phase, perhaps again, and Detail is what
// a person may want to know of that.
type HostMoved struct {
	Host   int
	Phase  Phase
	Detail string
}

// Started says that a process has been released.
type Started struct {
	Command, Life, PID int
	At                 time.Time
}

// BeatBegins says that a beat of a run that has several is released, or is about to be, as
// every host knows when.
type BeatBegins struct {
	Beat   int
	Groups []string
	At     time.Time
}

// ProcessReady says that it was seen that a process can be used.
type ProcessReady struct {
	Command int
	At      time.Time
}

// Acted says that an action was carried out on a command, or can't be.
type Acted struct{ Act Act }

// Marked says that a process has named an instant.
type Marked struct{ Mark Mark }

// Exited says that a command, or a life of a process, has ended. Of one of the setup or the teardown, Ran is this
// time.
type Exited struct {
	Command int
	Ran     *Ran // as far as is known now
}

// StopBegun says that the run is being stopped.
type StopBegun struct {
	Cause  message.StopCause
	Reason string
}

// HostsFree says that no process of the run is left on any host, and another run can have
// them. Outcome is how this one ended as far as is known.
type HostsFree struct{ Outcome outcome.Run }

// Warn is for the log.
type Warn struct {
	Host   int
	What   Warning
	Detail string
}

// Warning is what a [Warn] is about.
type Warning uint8

// The warnings.
const (
	Unnumbered     Warning = iota // what has to have a number and has none is ignored: Detail has what it is
	SamplesUnasked                // samples that were not asked for are ignored
	FilesUnasked                  // files that were not asked for are ignored
	WantStrange                   // a host wants a file that isn't its own: Detail has the hash
	VersionIgnored                // an event of another version, of a host that speaks ours, is ignored: Detail has the version
	KindUnknown                   // an event of a kind that this build doesn't know is passed over: Detail has it
	NotTold                       // a host can't be told something: Detail says why
)

func (SendJob) effect()      {}
func (Send) effect()         {}
func (Inquire) effect()      {}
func (Measure) effect()      {}
func (Ship) effect()         {}
func (Store) effect()        {}
func (StoreFiles) effect()   {}
func (StoreSamples) effect() {}
func (CloseFiles) effect()   {}
func (Flush) effect()        {}
func (HostMoved) effect()    {}
func (Started) effect()      {}
func (Exited) effect()       {}
func (BeatBegins) effect()   {}
func (ProcessReady) effect() {}
func (Marked) effect()       {}
func (Acted) effect()        {}
func (StopBegun) effect()    {}
func (HostsFree) effect()    {}
func (Warn) effect()         {}

// effects collects the effects of a Step.
type effects struct {
	urgent, rest []Effect
	all          []Effect
	pieces       []Piece
}

// put adds an effect; hurry one that must not wait for the others.
func (e *effects) put(effect Effect)   { e.rest = append(e.rest, effect) }
func (e *effects) hurry(effect Effect) { e.urgent = append(e.urgent, effect) }

// flush gives what was collected, in its order, and begins anew.
func (e *effects) flush() []Effect {
	e.all = append(append(e.all[:0], e.urgent...), e.rest...)
	e.urgent, e.rest, e.pieces = e.urgent[:0], e.rest[:0], e.pieces[:0]
	return e.all
}
