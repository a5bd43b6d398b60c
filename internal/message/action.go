package message

import (
	"fmt"
	"regexp"
	"time"
)

// ActionKind says what an action does.
type ActionKind string

// The kinds of action.
const (
	ActSignal ActionKind = "signal" // sends the process groups a signal
	ActPause  ActionKind = "pause"  // stops the processes and all that they have started, and continues them later
	ActStart  ActionKind = "start"  // has processes begin anew that have ended
	ActStop   ActionKind = "stop"   // stops the processes, each by its own signal and grace
	ActRun    ActionKind = "run"    // has commands of PhaseAction begin
)

// An Action is something that is done to a run on one host while its processes run. It is
// done at a time of its own, or when a control of the kind [Act] comes.
type Action struct {
	// Number is its position in the file's list: the same on all hosts.
	Number int        `json:"action"`
	Do     ActionKind `json:"do"`
	// Called: a control says when, and to which commands. Otherwise it is done AfterMS
	// milliseconds after the release of Beat, to Commands.
	Called   bool  `json:"called,omitempty"`
	Beat     int   `json:"beat,omitempty"`
	AfterMS  int64 `json:"after_ms,omitempty"`
	Commands []int `json:"commands,omitempty"`
	// Signal is the name, without SIG, of what a signal sends.
	Signal string `json:"signal,omitempty"`
	// ForMS is how long a pause lasts, in milliseconds.
	ForMS int64 `json:"for_ms,omitempty"`
}

// After is how long after its beat's release the action is done.
func (a *Action) After() time.Duration { return time.Duration(a.AfterMS) * time.Millisecond }

// For is how long a pause lasts.
func (a *Action) For() time.Duration { return time.Duration(a.ForMS) * time.Millisecond }

// MaxActions is how many actions a job can have, and as many watches.
const MaxActions = 1000

// check reports what is wrong with the action.
func (a *Action) check(j *Job) error {
	switch {
	case a.Number < 0 || a.Number >= MaxActions:
		return fmt.Errorf("its number is %d", a.Number)
	case a.AfterMS < 0 || a.AfterMS > maxMS:
		return fmt.Errorf("after_ms is %d", a.AfterMS)
	case a.Beat < 0 || a.Beat >= MaxBeats:
		return fmt.Errorf("beat is %d", a.Beat)
	case a.Called && (a.AfterMS != 0 || a.Beat != 0):
		return fmt.Errorf("it is called, and has a time of its own")
	case !a.Called && len(a.Commands) == 0:
		return fmt.Errorf("there is nothing that it is done to")
	}
	switch a.Do {
	case ActSignal:
		if err := CheckSignal(a.Signal); err != nil {
			return err
		}
	case ActPause:
		if a.ForMS <= 0 || a.ForMS > maxMS {
			return fmt.Errorf("for_ms is %d", a.ForMS)
		}
	case ActStart, ActStop, ActRun:
	default:
		return fmt.Errorf("%.20q is not something to do", string(a.Do))
	}
	return a.checkCommands(j, a.Commands)
}

// checkCommands reports a command to which the action can't be done.
func (a *Action) checkCommands(j *Job, commands []int) error {
	phase := PhaseRun
	if a.Do == ActRun {
		phase = PhaseAction
	}
	for _, n := range commands {
		if n < 0 || n >= len(j.Commands) {
			return fmt.Errorf("command %d is not one of the job's", n)
		}
		if c := &j.Commands[n]; c.Phase != phase {
			return fmt.Errorf("%s is a command of phase %q", c.Name, c.Phase)
		}
	}
	return nil
}

// A Watch has the worker look for a line in what commands write: it tells the publisher
// by [Seen].
type Watch struct {
	Action   int    `json:"action"` // the number of the action that waits for the line
	Line     string `json:"line"`   // a regular expression
	Commands []int  `json:"commands"`
	Most     int    `json:"most"` // how many lines are told
}

func (w *Watch) check(j *Job) error {
	switch {
	case w.Most < 1 || w.Most > MaxLives:
		return fmt.Errorf("most is %d", w.Most)
	case w.Line == "" || len(w.Commands) == 0:
		return fmt.Errorf("there is nothing to look for, or nowhere to look")
	}
	if _, err := regexp.Compile(w.Line); err != nil {
		return err
	}
	for _, n := range w.Commands {
		if n < 0 || n >= len(j.Commands) || j.Commands[n].Phase != PhaseRun {
			return fmt.Errorf("command %d is not a process of the job", n)
		}
	}
	return nil
}

// MaxBeats is how many beats a run can have.
const MaxBeats = 100

// ArmedInfo tells that a host knows when a beat is released.
type ArmedInfo struct {
	Beat int       `json:"beat"`
	At   time.Time `json:"at"` // on the host's clock
}

// ProcessReadyInfo tells that a process can be used or, with a reason, that it did not
// become ready. Event.Time is when that was seen.
type ProcessReadyInfo struct {
	Command int    `json:"command"`
	Life    int    `json:"life,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// ActedInfo tells that an action was carried out on one command or, with a reason, that
// it could not be. Event.Time is when.
type ActedInfo struct {
	Action  int       `json:"action"`
	Turn    int       `json:"turn,omitempty"` // of an action that was called several times
	Command int       `json:"command"`
	Life    int       `json:"life,omitempty"` // of a start: the one that has begun
	DueAt   time.Time `json:"due_at"`         // when it was to be carried out, on the host's clock
	Reason  string    `json:"reason,omitempty"`
}

// SeenInfo tells that a command has written a line that an action waits for. Event.Time is
// when it was read.
type SeenInfo struct {
	Action  int `json:"action"`
	Command int `json:"command"`
	Life    int `json:"life,omitempty"`
}
