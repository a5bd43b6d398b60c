package course

import (
	"time"

	"downbeat/internal/message"
)

// An Effect is something that is to be done for a run. The effects of one
// [Run.Step] are carried out in their order, before the next Step. Those that block are
// begun only, and end with an input. Beside Clear and Collect, one of them is under way
// at a time: the one that Interrupt means.
//
//sumtype:decl
type Effect interface{ effect() }

// The host.
type (
	// Yield gives the host back, and asks for it again.
	Yield struct{}
	// LeaveHost gives the host to the next run, or takes this one out of those that
	// wait for it. To do it again changes nothing.
	LeaveHost struct{}
)

// Effects that take time: each ends with an input of its own.
type (
	// MakeDir makes the run's directory, empty. With Owe it notes on the disk that
	// the teardown is owed from now on. It ends with [DirMade].
	MakeDir struct{ Owe bool }
	// Supply puts the job's files into the run's directory. It ends with [Supplied].
	Supply struct{}
	// RunCommand runs one command of the setup or the teardown; the job's number
	// for it is given. It ends with [CommandEnded], after [Begun].
	RunCommand struct{ Command int }
	// Prepare prepares the processes and the commands of [message.PhaseAction], and holds
	// them. Open: they may begin otherwise than by a beat, and more than once; what was
	// released of them is over only after [CloseSet] or a stop of all then. It ends with
	// [Prepared].
	Prepare struct{ Open bool }
	// Interrupt ends Supply, RunCommand (by TERM and, after the job's grace, KILL) or
	// Prepare early. They end with their own input all the same.
	Interrupt struct{}
	// Release lets the processes of a beat begin at that time. It ends with [Released]; and
	// [SetDone] comes, at last. There need not be a process on the beat.
	Release struct {
		Beat int
		At   time.Time
	}
	// BeginSamples has samples taken from now on until EndSamples: at that time, and after each
	// interval of the job.
	BeginSamples struct{ At time.Time }
	// Act has something done to a command that is held with the processes, or has begun, at
	// that time. It ends with [Acted].
	Act struct {
		Token   int
		Do      message.ActionKind
		Command int
		At      time.Time
		Signal  string        // of a signal, without SIG
		For     time.Duration // of a pause
		Grace   time.Duration // of a stop
	}
	// GatherFacts finds out what is true of the host, beside everything else. It ends with
	// [FactsGathered], unless it is begun again before.
	GatherFacts struct{}
	// Probe finds out whether that life of a process can be used, as its Ready says, which
	// is not by a line. It ends with [Probed].
	Probe struct{ Command, Life int }
	// EndProbe ends Probe early.
	EndProbe struct{ Command int }
	// Collect reads the files that the job asks for into the log; Anew tells the
	// publisher to forget what has come of an earlier time. It ends with [Collected].
	Collect struct{ Anew bool }
	// StopCollecting ends Collect early, for that reason.
	StopCollecting struct{ Reason string }
	// Clear removes the run's directory. It ends with [Cleared].
	Clear struct{}
)

// Effects that are done at once.
type (
	// Discard kills processes that were prepared and never released.
	Discard struct{}
	// Stop has the processes of a beat and of those after it stopped at that time, by TERM
	// or their own signal, and KILL after the grace or their own. Of several the earlier
	// deadlines count. From beat 0 it is for all commands that are held or were.
	Stop struct {
		At       time.Time
		Grace    time.Duration
		FromBeat int
	}
	// HurryFacts has GatherFacts end soon.
	HurryFacts struct{}
	// CloseSet says that nothing begins any more but by a beat.
	CloseSet struct{}
	// BeginTeardown makes sure that the teardown has the directories to run in.
	BeginTeardown struct{}
	// EndTeardown notes on the disk that no teardown is owed any more, and removes
	// what BeginTeardown has made elsewhere.
	EndTeardown struct{}
	// EndSamples has the last sample taken, and the samples logged, before it returns.
	EndSamples struct{}
	// KeepEnd notes on the disk how the run has ended, in place of an earlier note: a
	// worker that dies before that is in the log goes by it.
	KeepEnd struct{ Done *message.DoneInfo }
	// NoteLeft notes on the disk that processes of the run can't be ended: the
	// worker's next start is to know of it.
	NoteLeft struct{}
	// End ends the run. With Keep its log stays on the disk, for the worker's next
	// start; else the run is only remembered as one that was here.
	End struct{ Keep bool }
)

// Effects that send or note something.
type (
	// Journal appends an event to the run's log, from where it is sent. The log
	// gives it its number.
	Journal struct{ Event *message.Event }
	// JournalLast appends the run's last event, by the log's reserve if need be. Where
	// it fails, [LastFailed] comes.
	JournalLast struct{ Event *message.Event }
	// Reply sends an event outside the log, once.
	Reply struct{ Event *message.Event }
	// Answered answers what was [Asked], at that time; zero: at once.
	Answered struct {
		Token    uint64
		At       time.Time
		Value    []byte
		Error    string
		TimedOut bool
	}
	// Ack is the publisher's word that it has everything up to Seq; see [Window.Ack].
	// With Resend alone, all that is not acknowledged is sent again.
	Ack struct {
		Seq    uint64
		Resend bool
	}
	// Log tells the worker's own log of what was decided.
	Log struct {
		What    Remark
		Command int // of CommandFailed
		Reason  string
	}
)

// A Remark is what can be told of a run in the worker's log.
type Remark uint8

// The remarks.
const (
	StoppingRun     Remark = iota // the worker stops the run by itself
	HostYielded                   // an older run takes the host
	RunRefused                    // the host takes no part
	CommandFailed                 // a command of the setup or the teardown did not succeed
	CollectionEnded               // not all files were collected
	LogEndLost                    // the publisher has more than is in the log
	PublisherSilent               // what the publisher has not taken is given up
)

func (Yield) effect()          {}
func (LeaveHost) effect()      {}
func (MakeDir) effect()        {}
func (Supply) effect()         {}
func (RunCommand) effect()     {}
func (Prepare) effect()        {}
func (Interrupt) effect()      {}
func (Release) effect()        {}
func (Act) effect()            {}
func (BeginSamples) effect()   {}
func (EndSamples) effect()     {}
func (GatherFacts) effect()    {}
func (HurryFacts) effect()     {}
func (Probe) effect()          {}
func (EndProbe) effect()       {}
func (CloseSet) effect()       {}
func (Answered) effect()       {}
func (Collect) effect()        {}
func (StopCollecting) effect() {}
func (Clear) effect()          {}
func (Discard) effect()        {}
func (Stop) effect()           {}
func (BeginTeardown) effect()  {}
func (EndTeardown) effect()    {}
func (KeepEnd) effect()        {}
func (NoteLeft) effect()       {}
func (End) effect()            {}
func (Journal) effect()        {}
func (JournalLast) effect()    {}
func (Reply) effect()          {}
func (Ack) effect()            {}
func (Log) effect()            {}
