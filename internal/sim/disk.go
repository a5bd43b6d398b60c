package sim

import (
	"slices"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

// A disk is what a worker has left when it starts.
type disk struct {
	runs       []*runDir
	seen       []string // runs that have been here
	full       bool
	packed     bool // and the room that logs keep for their last event is not there either
	unreadable bool
	forgetful  bool // the next record of output or of an exit is lost on its way there
}

// A runDir is a run's directory: the log, and what lies beside it.
type runDir struct {
	job  *message.Job
	log  []*record
	owed bool              // the teardown
	end  *message.DoneInfo // how it ended, where only files were still to be collected
}

// A record is one entry of a log: an event, a batch of output or one of files.
type record struct {
	seq     uint64
	event   *message.Event
	output  []message.Segment
	files   []message.Piece
	samples []byte
	size    int
	sum     uint64 // different for all that are
}

func (d *runDir) last() uint64 { return uint64(len(d.log)) }

// ended reports whether the log has the run's last event.
func (d *runDir) ended() bool {
	return slices.ContainsFunc(d.log, func(r *record) bool {
		return r.event != nil && (r.event.Kind == message.Done || r.event.Kind == message.Refused)
	})
}

// totals are what the log tells of each command.
func (d *runDir) tallies() []streams.Tally {
	tallies := make([]streams.Tally, len(d.job.Commands))
	for _, r := range d.log {
		for _, s := range r.output {
			tallies[s.Command].Add(s.Stream, s.Data)
		}
	}
	return tallies
}

// loseTail loses what was not synced: of a log that is anything, as it is synced by
// nobody but the system, after its job. It says of which runs the notes were lost.
func (d *disk) loseTail(r *random, keeps int) (forgotten []string) {
	for _, run := range d.runs {
		kept := len(run.log) * keeps / 100
		clear(run.log[kept:])
		run.log = run.log[:kept]
		if keeps < 100 && r.oneIn(2) {
			run.owed, run.end = false, nil
			forgotten = append(forgotten, run.job.Run)
		}
	}
	return forgotten
}

// forgets reports whether a record does not come to the disk, which nobody is told.
func (d *disk) forgets(r *record) bool {
	if !d.forgetful || r.output == nil && (r.event == nil || r.event.Kind != message.Exited) {
		return false
	}
	d.forgetful = false
	return true
}

func (d *disk) find(run string) *runDir {
	for _, r := range d.runs {
		if r.job.Run == run {
			return r
		}
	}
	return nil
}

func (d *disk) remove(run string) {
	d.runs = slices.DeleteFunc(d.runs, func(r *runDir) bool { return r.job.Run == run })
}
