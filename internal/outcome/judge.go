package outcome

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// An Exit is the end of a command as it was seen where the command ran.
type Exit struct {
	Code   int    // -1 for a command that was ended by Signal, or has no status
	Signal string // such as "SIGKILL"; empty if it exited
	// StartedAt is when it began to execute; zero: it never did. EndedAt is when its
	// end was noticed.
	StartedAt, EndedAt time.Time
	// Stopped says that it was sent TERM before it ended, or was stopped before it began;
	// Killed that it was still running when the grace period was over; TimedOut that it was
	// stopped because its own time was over.
	Stopped, Killed, TimedOut bool
	// Reason says why it could not be started, or, with Left, why it can't be ended.
	Reason string
	Left   bool
}

// Status is the exit status that a shell would give: 128 plus the signal's number
// where a signal ended it.
func (e *Exit) Status() int { return Status(e.Code, e.Signal) }

// told reports whether the command was made to end.
func (e *Exit) told() bool { return e.Stopped || e.Killed || e.TimedOut }

// Stop says why a command had been asked to stop when it ended.
type Stop uint8

// The stops.
const (
	// NoStop: it had not been asked to stop.
	NoStop Stop = iota
	// StopRule: the file's own stop rule. Being stopped by it is not a failure.
	StopRule
	// StopTimeout: the run's time was over.
	StopTimeout
	// StopRun: the run was stopped for another reason.
	StopRun
	// StopWorker: the worker stopped the run by itself.
	StopWorker
	// StopAction: an action of the file, StopReason, which ended this command alone. Being
	// ended by one is not a failure.
	StopAction
	// StopHost: the host stops the run, for whatever reason. It is the only stop for commands
	// of a setup or teardown.
	StopHost
)

// Circumstances are what is needed, besides its exit, to judge a command's end.
type Circumstances struct {
	// OKExit are the exit statuses that are not failures; see [Exit.Status].
	OKExit []int
	// Signal is what asks it to end, without SIG; empty: TERM. Grace is the time between that
	// and KILL. Timeout is the command's own time limit, which
	// commands of a setup or teardown have; zero if it has none.
	Signal         string
	Grace, Timeout time.Duration
	// Stop is the stop that was under way when the command ended, and StopReason its reason. If
	// a clock is slightly off, the command may seem to have ended just before it.
	Stop       Stop
	StopReason string
	// AfterStop says that it certainly did not end before the stop's instant. A command that
	// exits by itself after that counts as stopped too, because its peers were stopped.
	AfterStop bool
}

// Judge says how a command ended, and why. The reason continues a sentence that begins with the
// command's name; it is empty if there is nothing to explain.
func Judge(e Exit, c Circumstances) (word Command, reason string) {
	switch {
	case e.Left:
		return CommandFailed, "could not be ended: " + e.Reason
	case e.Reason != "" && c.Timeout > 0: // it could not be prepared, which was not reported before
		return CommandFailed, "can't be run: " + e.Reason
	case e.Reason != "":
		return CommandFailed, "could not be started: " + e.Reason
	case e.TimedOut:
		return CommandTimedOut, fmt.Sprintf("was not over within %s", c.Timeout) + c.killed(&e)
	case c.Stop == StopAction:
		return CommandStopped, "was ended by an action of the file, " + c.StopReason + c.killed(&e)
	case e.told() || c.AfterStop && c.Stop != NoStop:
		return c.stopped(&e)
	case e.StartedAt.IsZero():
		return CommandFailed, "is said to have ended, and never to have begun"
	}
	took := e.EndedAt.Sub(e.StartedAt).Round(time.Millisecond)
	switch {
	case slices.Contains(c.OKExit, e.Status()):
		return CommandSucceeded, ""
	case e.Signal != "":
		return CommandFailed, fmt.Sprintf("was ended by %s after %s", e.Signal, took)
	}
	return CommandFailed, fmt.Sprintf("exited with status %d after %s", e.Code, took)
}

// stopped judges a command that was made to end.
func (c *Circumstances) stopped(e *Exit) (word Command, reason string) {
	switch c.Stop {
	case NoStop:
		return CommandFailed, "is said to have been stopped, which nobody had asked for"
	case StopWorker:
		return CommandStopped, "its worker stopped the run by itself: " + c.StopReason
	case StopHost:
		return CommandStopped, "was stopped, as the run can't go on here" + c.killed(e)
	case StopRule, StopTimeout, StopRun, StopAction:
	}
	switch {
	case e.Killed:
		return CommandKilled, c.ignored() + " and was killed"
	case c.Stop == StopTimeout:
		return CommandTimedOut, "was still running when the time was over"
	case c.Stop == StopRun:
		return CommandStopped, "the run was stopped: " + c.StopReason
	}
	return CommandStopped, ""
}

// killed adds to a reason that TERM was not enough.
func (c *Circumstances) killed(e *Exit) string {
	if !e.Killed {
		return ""
	}
	return ", " + c.ignored() + " and was killed"
}

func (c *Circumstances) ignored() string {
	return fmt.Sprintf("ignored %s for %s", cmp.Or(c.Signal, "TERM"), c.Grace)
}
