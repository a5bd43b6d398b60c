package message

import (
	"fmt"
	"time"
)

// ControlKind says what a control asks for.
type ControlKind string

// The controls. All but [Hello] and [Cancel] go to a host's control queue and
// concern one run there.
const (
	// Hello asks a worker who it is; it goes to the jobs queue, is answered
	// with [Here] and may be addressed to [AnyHost].
	Hello ControlKind = "hello"
	// Keepalive renews the publisher's lease, acknowledges events, and is
	// answered with [Heartbeat].
	Keepalive ControlKind = "keepalive"
	// Commit asks a worker that is ready to keep its processes for this run
	// even if an older one comes; it is answered with [Committed] or,
	// where an older run already came, with [Waiting].
	Commit ControlKind = "commit"
	// Uncommit takes a commit back: another host had to let go.
	Uncommit ControlKind = "uncommit"
	// Start releases the processes of Control.Beat at Control.At.
	Start ControlKind = "start"
	// Act has a called action carried out at Control.At.
	Act ControlKind = "act"
	// Respond gives processes what they have asked for; see [AskedInfo].
	Respond ControlKind = "answer"
	// Stop ends the run at Control.At, whatever state it is in; or, with FromBeat, the
	// processes of that beat and of those after it alone.
	Stop ControlKind = "stop"
	// Cancel asks a publisher to stop the run; it goes to its events queue.
	Cancel ControlKind = "cancel"
)

// StopCause says why a run is stopped.
type StopCause string

// The causes of a stop.
const (
	StopRule    StopCause = "rule"    // the file's own stop rule
	StopTimeout StopCause = "timeout" // the run took longer than the file allows
	StopFailure StopCause = "failure" // a process failed, a host refused or was lost
	StopAbort   StopCause = "abort"   // the operator, or a worker that is told to leave
	StopLease   StopCause = "lease"   // the publisher went silent
)

// A Control is a message from a publisher to the workers of a run.
type Control struct {
	Kind ControlKind `json:"control"`
	// ReplyTo is where the answer to a hello or a cancel goes: that of the payload
	// that holds the control.
	ReplyTo string `json:"-"`
	// At is the instant of a start, act or stop on the clock of the host
	// addressed; a stop without it is for now.
	At time.Time `json:"at,omitzero"`
	// Beat is what a start releases.
	Beat int `json:"beat,omitempty"`
	// Action and Turn say what an act carries out, and which time that is; Commands
	// to which of the job's commands.
	Action   int   `json:"action,omitempty"`
	Turn     int   `json:"turn,omitempty"`
	Commands []int `json:"commands,omitempty"`
	// Answers are for processes that have asked for something.
	Answers []Answer `json:"answers,omitempty"`
	// Cause, Reason and GraceMS (milliseconds from TERM to KILL) belong to a stop.
	Cause   StopCause `json:"cause,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	GraceMS int64     `json:"grace_ms,omitempty"`
	// FromBeat is the first beat whose processes are stopped; 0: all are.
	FromBeat int `json:"from_beat,omitempty"`
	// Ack: all events up to this sequence number are safe with the publisher.
	Ack uint64 `json:"ack,omitempty"`
	// Resend asks for everything after Ack again.
	Resend bool `json:"resend,omitempty"`
	// Probe is echoed in the answer to a hello, a keepalive or a commit.
	Probe *Probe `json:"probe,omitempty"`
	// Nonce is echoed in the answer to a hello: a text that nobody can guess, at most
	// [MaxNonce] bytes.
	Nonce string `json:"nonce,omitempty"`
	// ClockKey, of a hello, is as in a [Job], for this one sender and a minute.
	ClockKey string `json:"clock_key,omitempty"`
	// Version and Features are of the build that says hello.
	Version  string    `json:"version,omitempty"`
	Features []Feature `json:"features,omitempty"`
	// Facts of a hello: the answer is to have the facts of the host.
	Facts bool `json:"facts,omitempty"`
}

// A Probe is one exchange that measures a host's clock: sent and received on
// the publisher's clock, taken and answered on the host's.
type Probe struct {
	SentAt   time.Time `json:"sent_at"`
	TakenAt  time.Time `json:"taken_at,omitzero"`
	AnswerAt time.Time `json:"answered_at,omitzero"`
}

// MaxNonce is the length of the longest nonce, in bytes.
const MaxNonce = 128

// Grace is the time between TERM and KILL of a stop.
func (c *Control) Grace() time.Duration { return time.Duration(c.GraceMS) * time.Millisecond }

// Check reports a control that no publisher of ours would send.
func (c *Control) Check() error {
	bad := func(what string) error {
		return fmt.Errorf("%w: control %.20q: %s", ErrMalformed, string(c.Kind), what)
	}
	if c.GraceMS < 0 || c.GraceMS > maxMS {
		return bad(fmt.Sprintf("grace_ms is %d", c.GraceMS))
	}
	switch c.Kind {
	case Hello, Cancel:
		switch {
		case c.ReplyTo == "":
			return bad("reply_to is empty")
		case c.Kind == Hello && (c.Nonce == "" || len(c.Nonce) > MaxNonce):
			return bad(fmt.Sprintf("a nonce of %d bytes", len(c.Nonce)))
		case !isClockKey(c.ClockKey):
			return bad("clock_key is not 32 bytes in base64")
		}
	case Start:
		if c.At.IsZero() {
			return bad("no instant to start at")
		}
		if c.Beat < 0 || c.Beat >= MaxBeats {
			return bad(fmt.Sprintf("beat is %d", c.Beat))
		}
	case Act:
		if c.At.IsZero() || len(c.Commands) == 0 || c.Turn < 0 {
			return bad("no instant to act at, or nothing to act on")
		}
	case Respond:
		if len(c.Answers) == 0 {
			return bad("no answers")
		}
	case Stop:
		switch c.Cause {
		case StopRule, StopTimeout, StopFailure, StopAbort, StopLease:
		default:
			return bad(fmt.Sprintf("unknown cause %.20q", string(c.Cause)))
		}
		if c.FromBeat < 0 || c.FromBeat >= MaxBeats {
			return bad(fmt.Sprintf("from_beat is %d", c.FromBeat))
		}
	case Keepalive, Commit, Uncommit:
	default:
		return bad("unknown kind")
	}
	return nil
}
