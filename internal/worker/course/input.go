package course

import (
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

// An Input is something that a run has to know. Times are on the run's clock.
//
//sumtype:decl
type Input interface{ input() }

// Decisions of [Turns] about the host.
type (
	// Granted tells that the host is the run's.
	Granted struct{}
	// Wounded tells that an older run wants the host. The run gives it back if it still
	// can.
	Wounded struct{}
	// Queued tells that the run has to wait for the host.
	Queued struct{ Behind string }
)

// Ends of the effects that take time.
type (
	// DirMade ends [MakeDir]. Err is empty if the directory is there.
	DirMade struct{ Err string }
	// Supplied ends [Supply]. Err is empty if the job's files are in place.
	Supplied struct{ Err string }
	// CommandEnded ends [RunCommand]: nothing of the command is left.
	CommandEnded struct {
		// Exit is how it ended. A command that was interrupted before it began is
		// Stopped, and has no Reason.
		Exit *message.ExitedInfo
		// Total is all that the command has written in this run.
		Total streams.Total
		// Words is the last line that it wrote, if any, for people.
		Words string
		// Left is what of it can't be ended; nil if nothing.
		Left *Remains
	}
	// Prepared ends [Prepare].
	Prepared struct {
		// Err is why the processes can't be prepared; empty if they are. Problems are
		// those that lie in single commands.
		Err      string
		Problems []message.Problem
		// Hold and Unheld are as in a [message.ReadyInfo].
		Hold   string
		Unheld []string
	}
	// FactsGathered ends [GatherFacts].
	FactsGathered struct{ Facts *message.FactsInfo }
	// Released ends [Release]: what has no delay has begun.
	Released struct{ Beat int }
	// Acted ends [Act]. Life is that of the command which it was done to, or has begun; Err
	// is why it could not be done, and empty if it was. It comes before the [Exited] of that
	// life.
	Acted struct {
		Token int
		Life  int
		At    time.Time
		Err   string
	}
	// Probed ends [Probe]. Err is what was found of a process that is not ready; empty if it
	// is.
	Probed struct {
		Command, Life int
		At            time.Time
		Err           string
	}
	// Collected ends [Collect].
	Collected struct{ Files *message.FileTotals }
	// Cleared ends [Clear]. Note says what is left of the run's directory, if
	// anything is.
	Cleared struct{ Note string }
	// LastFailed follows [JournalLast] where not even the log's reserve has taken
	// the event.
	LastFailed struct{ Err string }
)

// News of the processes.
type (
	// Begun tells that a command has begun to execute.
	Begun struct{ Started message.StartedInfo }
	// Exited tells that a life of a process, or of a command of [message.PhaseAction], has
	// ended, or that it could not begin.
	Exited struct{ Exit *message.ExitedInfo }
	// Lined tells that a process has written the line by which it is seen to be ready. It
	// comes once for each life, and may come before Begun.
	Lined struct {
		Command int
		At      time.Time
	}
	// Seen tells that a process has written a line that one of the job's watches looks for.
	Seen struct {
		Watch, Command int
		At             time.Time
	}
	// Asked tells that a process asks for something; [Answered] is for its token.
	Asked struct {
		Token uint64
		Info  message.AskedInfo // without an id
		At    time.Time
	}
	// TermSent tells when the processes of a stop were sent TERM; or, from beat 0, as
	// they had left some behind. It comes once for each FromBeat, before SetDone.
	TermSent struct {
		At       time.Time
		FromBeat int
	}
	// SetDone tells that no process is left.
	SetDone struct {
		Totals []streams.Total // of the commands that were held, in their order
		Swept  int             // descendants that had left their group
		Left   *Remains        // what can't be ended; nil if nothing
	}
)

// All other inputs.
type (
	// ControlTaken is what the publisher asks for.
	ControlTaken struct {
		Control *message.Control
		Taken   time.Time // when it came
		Last    uint64    // the newest number in the run's log
	}
	// AllAcked tells that the publisher has everything that is in the log.
	AllAcked struct{}
	// PublisherGone tells that the publisher's queue has been deleted.
	PublisherGone struct{}
	// LogFailed tells that the log takes no more.
	LogFailed struct{ Err string }
	// LogUnreadable tells that the log can't be read back, so nothing more can be sent.
	LogUnreadable struct{ Err string }
	// Leaving tells that the worker is told to shut down.
	Leaving struct{}
	// Noted is something odd that people are to be told with the run's last event.
	Noted struct{ Text string }
	// Recovered is what the worker has found of the run at its start. It comes first,
	// to a run that was made by [Recover], and only there.
	Recovered struct {
		// Ended: the log has the run's last event.
		Ended bool
		// Resume is what KeepEnd has noted: how the run had ended, where only its files
		// were still to be collected, or, with Files, not even they; else nil.
		Resume *message.DoneInfo
		// Reason says, if it is neither, why the run is lost; Swept is how many of its
		// processes had to be ended.
		Reason string
		Swept  int
		// Owed: its teardown is owed.
		Owed bool
		// Totals are what the log tells of each command.
		Totals []streams.Total
		// Left is what of the run can't be ended; nil if nothing.
		Left *Remains
	}
)

// Remains are processes that can't be ended.
type Remains struct {
	Left   []message.Leftover
	Unseen string // why it isn't known whether there are any
}

func (Granted) input()       {}
func (Wounded) input()       {}
func (Queued) input()        {}
func (DirMade) input()       {}
func (Supplied) input()      {}
func (CommandEnded) input()  {}
func (Prepared) input()      {}
func (FactsGathered) input() {}
func (Released) input()      {}
func (Collected) input()     {}
func (Cleared) input()       {}
func (LastFailed) input()    {}
func (Begun) input()         {}
func (Exited) input()        {}
func (TermSent) input()      {}
func (SetDone) input()       {}
func (ControlTaken) input()  {}
func (AllAcked) input()      {}
func (PublisherGone) input() {}
func (LogFailed) input()     {}
func (LogUnreadable) input() {}
func (Leaving) input()       {}
func (Acted) input()         {}
func (Probed) input()        {}
func (Lined) input()         {}
func (Seen) input()          {}
func (Asked) input()         {}
func (Noted) input()         {}
func (Recovered) input()     {}
