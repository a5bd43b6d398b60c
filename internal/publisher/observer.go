package publisher

import (
	"time"

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// An Observer is told what happens in a run while it happens. All calls come from the
// goroutine that called Run, so an observer that blocks holds the run back. Commands are
// counted as in Datapoint.Commands, processes first; times are on the publisher's clock.
type Observer interface {
	// Host tells that a host has come to another phase, with what a person
	// may want to know of it.
	Host(host string, phase Phase, detail string)
	// Started tells that a process has been released.
	Started(process, pid int, at time.Time)
	// Step tells how a command of a setup or teardown ended.
	Step(command int, record results.StepRecord)
	// Output brings what a command wrote, in the order of each stream, in
	// pieces that may end anywhere; data is valid during the call.
	Output(command int, stream streams.Stream, at time.Time, data []byte)
	// Exited tells how a process ended, as far as is known now.
	Exited(process int, record results.ProcessRecord)
	// Stopping tells that the run is being stopped, and why.
	Stopping(cause message.StopCause, reason string)
}

// Phase is where a host stands in a run, as the publisher knows it.
type Phase = conduct.Phase

// The phases, in their order; a host may go back from ready to withdrawing or
// waiting.
const (
	Asked       = conduct.Asked       // the job is on the queue
	Waiting     = conduct.Waiting     // another run has the host
	Fetching    = conduct.Fetching    // it is being sent files that it lacks
	SettingUp   = conduct.SettingUp   // its setup is being run
	Withdrawing = conduct.Withdrawing // its teardown is being run, though nothing was released there
	Ready       = conduct.Ready       // its processes are held
	Committed   = conduct.Committed   // and kept for this run
	Started     = conduct.Released    // and released
	TearingDown = conduct.TearingDown // they are over, and its teardown is being run
	Ended       = conduct.Ended       // no process of the run is left there; its files are on their way
	Completed   = conduct.Completed   // nothing of the run is left there, and all it reported is here
)
