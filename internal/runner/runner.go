// Package runner runs sets of commands on this host: it prepares all of a set,
// releases them together, watches them, stops them together, and leaves
// nothing. It knows neither queue nor message.
//
// On Linux [Runner.Prepare] starts every command and holds it by ptrace at its
// exec: the program is found and loaded, and not one instruction of it has run.
// [Set.Release] lets all of them go at one instant. Where that is refused, or
// not Linux, commands are checked when prepared and started in a tight loop at
// the release; [Set.Hold] tells which way was taken.
//
// What a command starts belongs to its set, also what left its process group:
// see escapees_linux.go for how it is found, and guard.go for who sees to it
// when this program is killed.
package runner

import (
	"log/slog"
	"strings"
	"time"
)

// Options for [New].
type Options struct {
	Log *slog.Logger // nil: no log

	// Exclusive: this program starts no children but the runner's, so that any
	// orphan it inherits (PR_SET_CHILD_SUBREAPER) is the runner's to reap and,
	// when no set is active, to kill, whatever its environment says.
	Exclusive bool

	// Guard: start a copy of this program that outlives it, to kill what is
	// left of active sets should this one be killed. Its main must begin with a
	// call of [GuardMain]. Linux only; ignored elsewhere.
	Guard bool

	// NoPtrace starts commands at the release even where they could be held.
	NoPtrace bool
	// NoCgroup finds descendants by tree and environment even where a cgroup
	// could be had.
	NoCgroup bool
}

// A Command is one process-to-be. It gets /dev/null as its standard input, if not
// a terminal, and a process group of its own.
type Command struct {
	Name  string        // for errors; need not be unique
	Argv  []string      // the program and its arguments
	Dir   string        // where it begins; must exist. Empty: this program's own
	Env   []string      // the whole environment, "KEY=value"; PATH in it is where the program is looked for
	Delay time.Duration // how long after the release it is to begin
	// Search: a program named by a relative path with a slash is looked for in
	// Dir, then in each of these directories.
	Search []string
	// Pty: standard input, output and error output are one terminal, on which
	// nobody types. All that is written to it comes as standard output.
	Pty bool
}

// A Spec is a set of commands that belong together.
type Spec struct {
	Commands []Command
	// Mark: environment entries ("DOWNBEAT_RUN=...", "DOWNBEAT_HOST=...") that
	// replace those of the same name in every command's environment, by which
	// descendants that left their process group are known. Different sets need
	// different marks.
	Mark []string
	Sink Sink // nil: nobody is told
}

// A Sink is told what happens. For one command Started comes first; Output
// and Exited come in any order. Output is called concurrently for different
// streams, in order for one; data is valid during the call only; a call that
// blocks holds the process back (its pipe fills). Times carry monotonic
// readings.
type Sink interface {
	// Started tells that the command began to execute at the time at.
	Started(command, pid int, at time.Time)
	// Output hands over what one read returned: any bytes, at least one.
	Output(command int, stream Stream, at time.Time, data []byte)
	// Exited is called once for each command that began, and for one that
	// could not be started after all (Exit.Err). A command that was stopped
	// before it began is not heard of.
	Exited(command int, exit Exit)
}

// A StreamSink is a Sink that wants to know when a stream has ended.
type StreamSink interface {
	Sink
	// Closed comes after the last Output of the stream. It isn't called for a
	// command that was stopped before it began.
	Closed(command int, stream Stream)
}

// A Stream is one of the two that are read from a process.
type Stream uint8

// The streams.
const (
	Stdout Stream = iota
	Stderr
)

func (s Stream) String() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

// Exit is the end of a process. It is reported as soon as the process itself
// has ended; its output may go on (descendants may hold the pipe) until the set
// is over.
type Exit struct {
	Code    int       // -1 if ended by Signal
	Signal  string    // such as "SIGKILL"; empty if it exited
	Started time.Time // when it began to execute
	Ended   time.Time // when its end was noticed
	// User and System are the CPU time of the process and of those of its
	// children that it waited for.
	User, System time.Duration
	// MaxRSS is the largest resident memory in bytes, of the process or of the
	// largest child that it waited for. On Linux it may be a little low if it
	// is below what this program uses, and then 0, for unknown, if the process
	// lived for milliseconds only (see rss_linux.go).
	MaxRSS  int64
	Stopped bool  // TERM was sent before it ended
	Killed  bool  // still there when the grace was over
	Err     error // could not be started after all; nothing else is set then
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

// A Problem is what is wrong with one command. Err wraps fs.ErrNotExist and
// [os/exec.ErrNotFound] for a program or directory that isn't there, and
// fs.ErrPermission for a program that is, but can't be executed.
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

// Unwrap gives errors.Is and errors.As each problem.
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

// Result tells of a set that is over.
type Result struct {
	Totals []Total // one for each command
	Swept  int     // descendants outside their groups that had to be killed
	// Left are the processes that could not be ended within [KillTimeout]: those
	// that hang in the kernel, and set-uid programs of other users. It is nil if
	// nothing is left. The runner goes on trying: see [Runner.Leftovers].
	Left *LeftError
}

// Total is what a process wrote; a last line without newline counts as a line.
type Total struct{ StdoutLines, StdoutBytes, StderrLines, StderrBytes uint64 }

// Bounds of what the runner waits for by itself.
const (
	// LeftoverGrace is what descendants have between TERM and KILL when the
	// commands have ended by themselves.
	LeftoverGrace = 2 * time.Second
	// KillTimeout is how long what got KILL may take to disappear.
	KillTimeout = 10 * time.Second
	// DrainTimeout is how long, once nothing of the set is left, output is read
	// from a pipe that a process outside the set holds open.
	DrainTimeout = 2 * time.Second
)
