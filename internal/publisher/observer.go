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
	// Beat tells that a beat of a run with several is released, as is agreed with the hosts.
	Beat(beat int, groups []string, at time.Time)
	// Started tells that a process has been released, or begins anew.
	Started(process, pid int, at time.Time)
	// ProcessReady tells that it was seen that a process can be used.
	ProcessReady(process int, at time.Time)
	// LifeEnded tells how a life of a process has ended that will begin anew.
	LifeEnded(process int, life results.LifeRecord)
	// Acted tells that an action was done to one process, or why it could not be.
	Acted(action results.ActionRecord)
	// Marked tells that a process has named an instant.
	Marked(mark results.MarkRecord)
	// Step tells how a command of a setup or teardown ended.
	Step(command int, record results.StepRecord)
	// Output brings what a command wrote, in the order of each stream, in
	// pieces that may end anywhere; data is valid during the call.
	Output(command int, stream streams.Stream, at time.Time, data []byte)
	// Exited tells how a process ended that won't begin anew, as far as is known now.
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
