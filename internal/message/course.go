package message

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A process in the course of a run: when it can be used, how it is stopped, and whether it
// begins anew.

// Readiness is how a worker finds out whether a process can be used. Exactly one of Port, Line,
// HTTP, File and Run is set.
type Readiness struct {
	// Port accepts a TCP connection, at Address or, without one, on the host itself.
	Port    int    `json:"port,omitempty"`
	Address string `json:"address,omitempty"`
	// Line is a regular expression that matches a line on one of the process's streams.
	Line string `json:"line,omitempty"`
	// HTTP is a URL that answers a GET with Status; 0 stands for 200.
	HTTP   string `json:"http,omitempty"`
	Status int    `json:"status,omitempty"`
	// File is a path that is there; a relative one is seen from the run's directory.
	File string `json:"file,omitempty"`
	// Run is a program with its arguments that exits with 0, in the process's own place and
	// environment.
	Run []string `json:"run,omitempty"`
	// WithinMS is how long a life of the process has for it, EveryMS how long the worker
	// waits before it looks again, in milliseconds.
	WithinMS int64 `json:"within_ms"`
	EveryMS  int64 `json:"every_ms,omitempty"`
}

// Within is how long a life of the process has to become ready.
func (r *Readiness) Within() time.Duration { return time.Duration(r.WithinMS) * time.Millisecond }

// Every is how long the worker waits before it looks again.
func (r *Readiness) Every() time.Duration {
	if r.EveryMS == 0 {
		return defaultEvery
	}
	return time.Duration(r.EveryMS) * time.Millisecond
}

const defaultEvery = 50 * time.Millisecond

// String says what is looked for.
func (r *Readiness) String() string {
	switch {
	case r.Port != 0 && r.Address != "":
		return fmt.Sprintf("port %d at %s", r.Port, r.Address)
	case r.Port != 0:
		return fmt.Sprintf("port %d", r.Port)
	case r.Line != "":
		return fmt.Sprintf("a line that matches %q", r.Line)
	case r.HTTP != "":
		status := r.Status
		if status == 0 {
			status = 200
		}
		return fmt.Sprintf("status %d from %s", status, r.HTTP)
	case r.File != "":
		return "the file " + r.File
	}
	return fmt.Sprintf("status 0 from `%s`", shellLine(r.Run))
}

// shellLine is a command as a shell would read it.
func shellLine(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = word
		if word == "" || strings.ContainsAny(word, " \t\n'\"\\$`*?[]{}()<>|&;#~!") {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

func (r *Readiness) check() error {
	set := 0
	for _, is := range []bool{r.Port != 0, r.Line != "", r.HTTP != "", r.File != "", len(r.Run) > 0} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return fmt.Errorf("ready names %d things to look for, not one", set)
	case r.Port < 0 || r.Port > 65535:
		return fmt.Errorf("ready: port is %d", r.Port)
	case r.Status < 0 || r.Status > 999:
		return fmt.Errorf("ready: status is %d", r.Status)
	case r.WithinMS <= 0 || r.WithinMS > maxMS:
		return fmt.Errorf("ready: within_ms is %d", r.WithinMS)
	case r.EveryMS < 0 || r.EveryMS > maxMS:
		return fmt.Errorf("ready: every_ms is %d", r.EveryMS)
	case len(r.Run) > 0 && r.Run[0] == "":
		return fmt.Errorf("ready has nothing to execute")
	}
	if _, err := regexp.Compile(r.Line); err != nil {
		return fmt.Errorf("ready: line: %w", err)
	}
	return nil
}

// RestartOn says after which ends a process begins anew.
type RestartOn string

// The ends after which a process begins anew.
const (
	RestartOnFailure RestartOn = "failure" // those that would be a failure
	RestartAlways    RestartOn = "always"
)

// Restart has a process begin anew when it has ended by itself.
type Restart struct {
	On     RestartOn `json:"on"`
	AtMost int       `json:"at_most"`           // how many times
	WaitMS int64     `json:"wait_ms,omitempty"` // from its end to the next start, in milliseconds
}

// Wait is how long after its end a process begins anew.
func (r *Restart) Wait() time.Duration { return time.Duration(r.WaitMS) * time.Millisecond }

func (r *Restart) check() error {
	switch {
	case r.On != RestartOnFailure && r.On != RestartAlways:
		return fmt.Errorf("restart: on is %.20q, which is not one of %q and %q", string(r.On), RestartOnFailure, RestartAlways)
	case r.AtMost < 1 || r.AtMost > MaxLives:
		return fmt.Errorf("restart: at_most is %d", r.AtMost)
	case r.WaitMS < 0 || r.WaitMS > maxMS:
		return fmt.Errorf("restart: wait_ms is %d", r.WaitMS)
	}
	return nil
}

// MaxLives is how many times a process can begin in one run.
const MaxLives = 1000

// CommandStop is how a process is stopped, where it is otherwise than by TERM and with the
// grace of the stop.
type CommandStop struct {
	Signal  string `json:"signal,omitempty"`   // as in an [Action]
	GraceMS *int64 `json:"grace_ms,omitempty"` // to KILL, in milliseconds
}

// Grace is how long a command has from its signal to KILL in a stop that gives others that long.
func (c *Command) Grace(others time.Duration) time.Duration { return c.Stop.grace(others) }

func (s *CommandStop) grace(others time.Duration) time.Duration {
	if s == nil || s.GraceMS == nil {
		return others
	}
	return time.Duration(*s.GraceMS) * time.Millisecond
}

func (s *CommandStop) check() error {
	if s.Signal != "" {
		if err := CheckSignal(s.Signal); err != nil {
			return fmt.Errorf("stop: %w", err)
		}
	}
	if s.GraceMS != nil && (*s.GraceMS < 0 || *s.GraceMS > maxMS) {
		return fmt.Errorf("stop: grace_ms is %d", *s.GraceMS)
	}
	return nil
}

// signals are those that can be sent by name, on every system that has workers.
var signals = []string{
	"ABRT", "ALRM", "BUS", "CHLD", "CONT", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "PROF", "QUIT", "SEGV",
	"STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
}

// Signals are the names that a signal can have, without SIG.
func Signals() []string { return slices.Clone(signals) }

// CheckSignal reports whether name is that of a signal, without SIG.
func CheckSignal(name string) error {
	if !slices.Contains(signals, name) {
		return fmt.Errorf("%.20q is not the name of a signal, such as TERM", name)
	}
	return nil
}
