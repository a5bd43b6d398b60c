package message

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"downbeat/internal/facts"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// EventKind says what an event reports.
type EventKind string

// The events of a run on one host, in the order in which they can come. Those
// marked "unlogged" have no sequence number: they are of the moment, and are
// not sent again.
const (
	// Waiting: the job is journaled, but the host is busy with another run.
	// It may come again after ready, when an older run takes the host.
	Waiting EventKind = "waiting"
	// SettingUp: the host is this run's, and the commands of its setup are being run.
	SettingUp EventKind = "setting_up"
	// Refused: the host can't take part, for Event.Refused's reasons. It is
	// the last event of the host; no process was executed.
	Refused EventKind = "refused"
	// Ready: every process is prepared and held.
	Ready EventKind = "ready"
	// Committed: the host keeps its processes held for this run alone.
	Committed EventKind = "committed"
	// Armed: the host knows when a beat is released. It comes where the job has more
	// than one beat.
	Armed EventKind = "armed"
	// Started: the commands listed have begun to execute.
	Started EventKind = "started"
	// ProcessReady: a process can be used, or did not become ready.
	ProcessReady EventKind = "process_ready"
	// Acted: an action was carried out on one command, or could not be.
	Acted EventKind = "acted"
	// Seen: a line was written that an action waits for.
	Seen EventKind = "seen"
	// Asked: a process asks for something. It comes again, unlogged, until that is
	// answered.
	Asked EventKind = "asked"
	// Facts: what is true of the host during the run, as far as it is known by then. It can
	// come at any time between the start of the processes and the end.
	Facts EventKind = "facts"
	// Exited: one command has ended. Nothing of one of the setup or the teardown
	// is left then, and all its output is in the events before.
	Exited EventKind = "exited"
	// Stopping: the processes still there have been sent TERM.
	Stopping EventKind = "stopping"
	// TearingDown: no process is left, and the commands of the teardown are being
	// run. It comes at the end, and before each time that the host is given back.
	TearingDown EventKind = "tearing_down"
	// Ended: no process of the run is left on the host, and another run may
	// have it. It is sent where files are collected, which begins now.
	Ended EventKind = "ended"
	// Done: nothing of the run is left on the host. It carries the totals
	// of everything sent and is the last event of the host.
	Done EventKind = "done"

	// Want asks for a part of a file that the job names (unlogged).
	Want EventKind = "want"
	// Heartbeat answers a keepalive (unlogged).
	Heartbeat EventKind = "heartbeat"
	// Here answers a hello (unlogged).
	Here EventKind = "here"
	// Cancelled answers a cancel (unlogged, from publisher to publisher).
	Cancelled EventKind = "cancelled"
)

// An Event is a message from a worker to a publisher. Exactly the field of its
// kind is set, where the kind has one.
type Event struct {
	Version int       `json:"downbeat"`
	Kind    EventKind `json:"event"`
	Run     string    `json:"run,omitempty"`
	Host    string    `json:"host"`
	// Seq counts the logged events of the run on this host, output batches
	// included, from 1 without a gap. Unlogged events have 0.
	Seq uint64 `json:"seq,omitempty"`
	// Time is when it happened on the host's clock of this run.
	Time time.Time `json:"time"`

	Waiting      *WaitingInfo      `json:"waiting,omitempty"`
	Refused      *RefusedInfo      `json:"refused,omitempty"`
	Ready        *ReadyInfo        `json:"ready,omitempty"`
	Committed    *CommittedInfo    `json:"committed,omitempty"`
	Armed        *ArmedInfo        `json:"armed,omitempty"`
	Started      []StartedInfo     `json:"started,omitempty"`
	ProcessReady *ProcessReadyInfo `json:"process_ready,omitempty"`
	Acted        *ActedInfo        `json:"acted,omitempty"`
	Seen         *SeenInfo         `json:"seen,omitempty"`
	Asked        *AskedInfo        `json:"asked,omitempty"`
	Facts        *FactsInfo        `json:"facts,omitempty"`
	Exited       *ExitedInfo       `json:"exited,omitempty"`
	Stopping     *StoppingInfo     `json:"stopping,omitempty"`
	Done         *DoneInfo         `json:"done,omitempty"`
	Want         *WantInfo         `json:"want,omitempty"`
	Heartbeat    *HeartbeatInfo    `json:"heartbeat,omitempty"`
	Here         *HereInfo         `json:"here,omitempty"`
	Cancelled    *CancelledInfo    `json:"cancelled,omitempty"`
}

// WaitingInfo names the run that has the host.
type WaitingInfo struct {
	Behind string `json:"behind"`
}

// RefusedInfo says why a host does not take part.
type RefusedInfo struct {
	Reason   string    `json:"reason"`
	Problems []Problem `json:"problems,omitempty"`
	// Totals are as in a [DoneInfo], where the setup was begun.
	Totals []streams.Total `json:"totals,omitempty"`
	// Version and Features are the worker's, as in a [HereInfo].
	Version  string    `json:"version,omitempty"`
	Features []Feature `json:"features,omitempty"`
	// Left, Unseen and Notes are as in a [DoneInfo].
	Left   []Leftover `json:"left,omitempty"`
	Unseen string     `json:"unseen,omitempty"`
	Notes  []string   `json:"notes,omitempty"`
}

// A Problem is what is wrong with one process.
type Problem struct {
	Process string `json:"process"`
	Reason  string `json:"reason"`
}

// ReadyInfo says how the processes are held: "ptrace" at their exec, or
// "none" where the platform allows no hold and they are started at the release.
type ReadyInfo struct {
	Hold string `json:"hold"`
	// Unheld are processes that are not held although others are, because
	// their program would lose its privileges (set-uid, file capabilities).
	Unheld []string `json:"unheld,omitempty"`
	// Version and Features are the worker's, as in a [HereInfo]. A publisher
	// releases no host that doesn't know what its job needs.
	Version  string    `json:"version,omitempty"`
	Features []Feature `json:"features,omitempty"`
	// Clock is where its clock can be asked for, where the job has a key for that.
	Clock *ClockInfo `json:"clock,omitempty"`
}

// CommittedInfo goes with a commit that carried a probe.
type CommittedInfo struct {
	Probe *Probe `json:"probe,omitempty"`
}

// StartedInfo is the start of one command; Command counts in Job.Commands.
type StartedInfo struct {
	Command   int       `json:"command"`
	Life      int       `json:"life,omitempty"` // of a process: which time it begins, from 0
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
}

// FactsInfo is what is true of a host during a run.
type FactsInfo struct {
	Host     facts.HostFacts `json:"host"`
	Programs []ProgramInfo   `json:"programs,omitempty"`
}

// ProgramInfo is what processes execute; Commands count in Job.Commands.
type ProgramInfo struct {
	Commands []int              `json:"commands"`
	Program  facts.ProgramFacts `json:"program"`
}

// ExitedInfo is the end of one command, as the host saw it; what it means is
// judged by the outcome package, see [ExitedInfo.Exit]. Command counts in Job.Commands.
type ExitedInfo struct {
	Command int `json:"command"`
	// Life is which of a process's lives has ended, from 0. Again: it will begin anew, as
	// its restart or an action at a known time says.
	Life  int  `json:"life,omitempty"`
	Again bool `json:"again,omitempty"`
	// Action is the number of the action that has ended it; nil: none has.
	Action *int `json:"action,omitempty"`
	// ExitCode is -1 for a command that was ended by Signal, or never began.
	ExitCode int    `json:"exit_code"`
	Signal   string `json:"signal,omitempty"`
	// StartedAt and EndedAt are zero for a command that never began.
	StartedAt   time.Time `json:"started_at,omitzero"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
	UserUS      int64     `json:"user_us"`
	SystemUS    int64     `json:"system_us"`
	MaxRSSBytes int64     `json:"max_rss_bytes"`
	// Stopped: it was sent TERM before it ended, or was stopped before it began.
	// Killed: it was still there when the grace was over. TimedOut: it was stopped
	// because it was not over within its timeout_ms.
	Stopped  bool `json:"stopped,omitempty"`
	Killed   bool `json:"killed,omitempty"`
	TimedOut bool `json:"timed_out,omitempty"`
	// Reason is set for a command that could not be started after all, and for one
	// that can't be ended (Left).
	Reason string `json:"reason,omitempty"`
	Left   bool   `json:"left,omitempty"`
	// Swept counts the descendants of a command of the setup or the teardown outside its
	// process group that had to be ended.
	Swept int `json:"swept,omitempty"`
}

// Exit is the end as it is judged.
func (e *ExitedInfo) Exit() outcome.Exit {
	return outcome.Exit{
		Code: e.ExitCode, Signal: e.Signal, StartedAt: e.StartedAt, EndedAt: e.EndedAt,
		Stopped: e.Stopped, Killed: e.Killed, TimedOut: e.TimedOut, Reason: e.Reason, Left: e.Left,
	}
}

// StoppingInfo is a stop as the host carried it out; Event.Time is when the
// first process was sent TERM.
type StoppingInfo struct {
	Cause  StopCause `json:"cause"`
	Reason string    `json:"reason,omitempty"`
	// FromBeat is that of the stop: the first beat whose processes were stopped; 0: all were.
	FromBeat int `json:"from_beat,omitempty"`
}

// DoneInfo closes the account of a run on a host.
type DoneInfo struct {
	// Outcome is [HostDone], [HostStopped] or [HostLost].
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	// Totals has one entry for each command of the job, in the order of their numbers.
	Totals []streams.Total `json:"totals,omitempty"`
	// Files sums up what was collected; nil where nothing was to be.
	Files *FileTotals `json:"files,omitempty"`
	// Swept counts the processes that had to be killed beyond those of the
	// job: descendants that had left their group.
	Swept int `json:"swept,omitempty"`
	// Left are the processes of the run that can't be ended, as they hang in the
	// kernel, say. Unseen is why it isn't known whether there are any.
	Left   []Leftover `json:"left,omitempty"`
	Unseen string     `json:"unseen,omitempty"`
	// Notes say, for people, what else is left of the run on the host, or was odd.
	Notes []string `json:"notes,omitempty"`
}

// A Leftover is a process that can't be ended.
type Leftover struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// How a run ended on a host, from the worker's point of view. Whether the
// run succeeded is for the publisher to say.
const (
	HostDone    = "done"    // all processes ended, or were stopped as asked
	HostStopped = "stopped" // the worker stopped the run by itself: lease, SIGTERM
	HostLost    = "lost"    // the worker died in mid-run and swept what was left
)

// FileTotals is everything that was sent of a host's files.
type FileTotals struct {
	Files uint64 `json:"files"` // whole ones
	Bytes uint64 `json:"bytes"` // of those
	// Missing counts the files that match but could not be sent; see [FileMissing].
	Missing uint64 `json:"missing,omitempty"`
	// BrokenOff says why not all files were looked at, if so.
	BrokenOff string `json:"broken_off,omitempty"`
}

// HeartbeatInfo answers a keepalive.
type HeartbeatInfo struct {
	// Last is the newest sequence number in the host's log of the run.
	Last uint64 `json:"last"`
	// Ack is that of the keepalive: a host whose log is shorter has lost its end.
	Ack   uint64 `json:"ack"`
	Probe *Probe `json:"probe,omitempty"`
}

// HereInfo is a worker's answer to a hello.
type HereInfo struct {
	// Version is the worker's build. Features are what it knows of what a job may
	// need; none, if it is from before there were any.
	Version  string    `json:"version"`
	Features []Feature `json:"features,omitempty"`
	OS       string    `json:"os"`
	Arch     string    `json:"arch"`
	// Run is the run that has the host, if any, Experiment its name.
	Run        string `json:"run,omitempty"`
	Experiment string `json:"experiment,omitempty"`
	// Nonce is that of the hello; a contender is answered without one.
	Nonce string `json:"nonce,omitempty"`
	Probe *Probe `json:"probe,omitempty"`
	// Clock is as in a [ReadyInfo], where the hello has a key for that.
	Clock *ClockInfo `json:"clock,omitempty"`
	// Facts are those of the host, where the hello asks for them.
	Facts *facts.HostFacts `json:"facts,omitempty"`
	// Worker says which worker it is, Waiting which others would serve the host too.
	Worker  *WorkerInfo  `json:"worker,omitempty"`
	Waiting []WorkerInfo `json:"waiting,omitempty"`
}

// CancelledInfo is a publisher's answer to a cancel.
type CancelledInfo struct {
	// Accepted is false where the run is already over or the cancel was
	// not signed as the publisher demands; Reason says which.
	Accepted bool   `json:"accepted"`
	Reason   string `json:"reason,omitempty"`
}

// Encode gives the event's wire form. An event that names no version is of this
// build's.
func (e *Event) Encode() ([]byte, error) {
	if e.Version == 0 {
		e.Version = Version
	}
	e.Time = e.Time.UTC()
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode %s event: %w", e.Kind, err)
	}
	return data, nil
}

// MaxEvent is the largest lifecycle event that is accepted, in bytes.
const MaxEvent = 16 << 20

// DecodeEvent reads a lifecycle event. It checks the version and that the
// field of the event's kind is there, not what only the run's gatherer knows.
// Texts in it are made fit to be shown; see [Clean].
//
// An event of a kind that this build doesn't know is returned as it is, as far as
// it is known: it has its number, and is to be passed over. What every version
// can say, [Here] and [Refused], is read whatever its version is.
func DecodeEvent(data []byte) (*Event, error) {
	if len(data) > MaxEvent {
		return nil, fmt.Errorf("%w: an event of %d bytes, at most %d are accepted", ErrTooLarge, len(data), MaxEvent)
	}
	head, err := outlineOf(data)
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	if err := checkVersion(head.version); err != nil && !head.lasting() {
		return nil, err
	}
	var e Event
	if err := unmarshal(data, &e, "event"); err != nil {
		return nil, err
	}
	cleanAll(&e)
	if err := CheckName(e.Host); err != nil && (e.Host != "" || e.Kind == Here) {
		return nil, fmt.Errorf("%w: event %.20q: host: %w", ErrMalformed, string(e.Kind), err)
	}
	if !e.complete() {
		return nil, fmt.Errorf("%w: event %.20q lacks its content", ErrMalformed, string(e.Kind))
	}
	return &e, nil
}

// Known reports whether this build knows the event's kind.
func (e *Event) Known() bool { return slices.Contains(eventKinds, e.Kind) }

var eventKinds = []EventKind{
	Waiting, SettingUp, Refused, Ready, Committed, Armed, Started, ProcessReady, Acted, Seen, Asked, Facts, Exited, Stopping, TearingDown, Ended, Done, Want, Heartbeat, Here, Cancelled,
}

// complete reports whether the content of the event's kind is there, as far as
// the kind is known.
func (e *Event) complete() bool {
	switch e.Kind {
	case Waiting:
		return e.Waiting != nil
	case Refused:
		return e.Refused != nil
	case Ready:
		return e.Ready != nil
	case Committed, SettingUp, TearingDown, Ended:
		return true
	case Armed:
		return e.Armed != nil
	case Started:
		return len(e.Started) > 0
	case ProcessReady:
		return e.ProcessReady != nil
	case Acted:
		return e.Acted != nil
	case Seen:
		return e.Seen != nil
	case Asked:
		return e.Asked != nil
	case Facts:
		return e.Facts != nil
	case Exited:
		return e.Exited != nil
	case Stopping:
		return e.Stopping != nil
	case Done:
		return e.Done != nil
	case Want:
		return e.Want != nil
	case Heartbeat:
		return e.Heartbeat != nil
	case Here:
		return e.Here != nil
	case Cancelled:
		return e.Cancelled != nil
	}
	return e.Kind != ""
}
