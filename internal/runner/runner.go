// Package runner runs sets of commands on this host: it prepares all of a set, releases them
// together, watches them, stops them together, and leaves nothing behind. It knows neither
// queues nor messages.
//
// On Linux [Runner.Prepare] starts every command and holds it by ptrace at its exec: the
// program is found and loaded, and not one instruction of it has run. [Set.Release] lets all of
// them go at one instant. Where ptrace is not allowed, and on other systems, commands are
// checked when prepared and started in a tight loop at the release; [Set.Hold] tells which way
// was taken.
//
// All descendants of a command belong to its set, even if they have left its process group: see
// escapees_linux.go for how they are found, and guard_linux.go for what ends them when this
// program is killed.
package runner

import (
	"log/slog"
	"strings"
	"syscall"
	"time"

	"downbeat/internal/streams"
)

// Options for [New].
type Options struct {
	Log *slog.Logger // nil: no log

	// Exclusive says that this program starts no children except through the runner. So the
	// runner may reap any orphan that the program inherits (PR_SET_CHILD_SUBREAPER) and, when
	// no set is active, kill it, whatever its environment says.
	Exclusive bool

	// Guard starts a copy of this program that outlives it, to kill what is left of active sets
	// if this one is killed. The program's main must begin with a call of [GuardMain]. Linux
	// only; ignored elsewhere.
	Guard bool

	// NoPtrace starts commands at the release even where they could be held.
	NoPtrace bool
	// NoCgroup finds descendants by process tree and environment even if cgroups could be
	// used.
	NoCgroup bool
}

// A Command describes one process. It gets a process group of its own, and /dev/null as its
// standard input, or a terminal.
type Command struct {
	Name  string        // for errors; need not be unique
	Argv  []string      // the program and its arguments
	Dir   string        // its working directory, which must exist. Empty: this program's own
	Env   []string      // the whole environment, "KEY=value"; PATH in it is where the program is looked for
	Beat  int           // the release that begins it: see [Set.Arm]. NoBeat: it is begun by [Set.Start] alone
	Delay time.Duration // how long after the release it starts
	// Search lists the directories in which a program named by a relative path with a slash is
	// looked up, after Dir.
	Search []string
	// Pty makes standard input, output and error one terminal, without input. Everything that
	// is written to it counts as standard output.
	Pty bool
	// Mark holds environment entries that no other command of the set has; they are set as those
	// of [Spec] are. A descendant that has left its process group is known by them to be this
	// command's. It may be empty.
	Mark []string
	Stop Stop // how it is asked to end
}

// NoBeat is the beat of a command that no release begins.
const NoBeat = -1

// Stop is how a command is asked to end.
type Stop struct {
	Signal syscall.Signal // 0: TERM
	Grace  time.Duration  // before KILL, in a stop of the set. 0: what the stop says
}

// A Spec is a set of commands that belong together.
type Spec struct {
	Commands []Command
	// Mark holds environment entries ("DOWNBEAT_RUN=...", "DOWNBEAT_HOST=...") that replace
	// those of the same name in every command's environment. Descendants that have left their
	// process group are recognised by them. Different sets need different marks.
	Mark []string
	Sink Sink // may be nil
	// Open says that commands that have ended may be started again. The set is not over then
	// before [Set.Close] was called, or all of it was stopped.
	Open bool
}

// Hold is how a set waits for its release.
type Hold string

// The ways to hold a set.
const (
	HoldPtrace Hold = "ptrace" // loaded, and stopped before the first instruction
	HoldNone   Hold = "none"   // checked, and started at the release
)

// PrepareError lists every command that can't be run.
type PrepareError struct {
	Problems []Problem
}

// A Problem says what is wrong with one command. Err wraps fs.ErrNotExist and
// [os/exec.ErrNotFound] for a program or directory that doesn't exist, and fs.ErrPermission for
// a program that exists but can't be executed.
type Problem struct {
	Command int
	Name    string
	Err     error
}

// Error names every command and what is wrong with it.
func (e *PrepareError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the problems, for errors.Is and errors.As.
func (e *PrepareError) Unwrap() []error {
	errs := make([]error, len(e.Problems))
	for i := range e.Problems {
		errs[i] = e.Problems[i].Err
	}
	return errs
}

// Error is the problem with the command's name before it.
func (p Problem) Error() string {
	if p.Name == "" {
		return p.Err.Error()
	}
	return p.Name + ": " + p.Err.Error()
}

// Result describes a set that is over.
type Result struct {
	Totals []streams.Total // one for each command, over all its lives
	Swept  int             // how many descendants outside their groups had to be killed
	// Left are the processes that could not be ended within [KillTimeout]: those that hang in
	// the kernel, and set-uid programs of other users. It is nil if nothing is left. The runner
	// keeps trying: see [Runner.Leftovers].
	Left *LeftError
}

// Timeouts of the runner's own.
const (
	// LeftoverGrace is the time that descendants have between TERM and KILL when the commands
	// have ended by themselves.
	LeftoverGrace = 2 * time.Second
	// KillTimeout is how long a process may take to disappear after KILL.
	KillTimeout = 10 * time.Second
	// DrainTimeout is how long output is read, once nothing of the set is left, from a pipe
	// that a process outside the set holds open.
	DrainTimeout = 2 * time.Second
)
