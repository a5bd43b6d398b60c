package message

import (
	"fmt"
	"strconv"
	"time"

	"downbeat/internal/outcome"
)

// Phase is the part of a run that a command belongs to.
type Phase string

// The phases, in the order in which they come.
const (
	// PhaseSetup: before the processes are prepared, one command after the other.
	PhaseSetup Phase = "setup"
	// PhaseRun: the run itself. Its commands are the processes, which are prepared and
	// released together.
	PhaseRun Phase = "run"
	// PhaseAction: while the processes run, when an action says so. Its commands are
	// prepared with the processes.
	PhaseAction Phase = "action"
	// PhaseTeardown: when no process is left, one command after the other.
	PhaseTeardown Phase = "teardown"
)

// A Command is what a host runs once in one phase of a run.
type Command struct {
	Name  string `json:"name"` // such as "server.0" or "setup.0"; unique in the job
	Phase Phase  `json:"phase"`
	// Group, Index, Rank and Local are a process's: Index counts within the group,
	// Rank within the run and Local within the group on this host; each from 0.
	Group string   `json:"group,omitempty"`
	Index int      `json:"index,omitempty"`
	Rank  int      `json:"rank,omitempty"`
	Local int      `json:"local,omitempty"`
	Argv  []string `json:"argv"`
	// Env is set on top of the worker's own environment.
	Env map[string]string `json:"env,omitempty"`
	// Dir is where the command starts; a relative one, and none, is seen from the
	// run's directory on the host.
	Dir string `json:"dir,omitempty"`
	// Pty gives the command a terminal; all it writes is standard output then.
	Pty bool `json:"pty,omitempty"`
	// OKExit are the exit statuses that are no failure; a command that is ended by
	// signal n counts as 128+n.
	OKExit []int `json:"ok_exit"`
	// DelayMS holds a process back after the release, in milliseconds.
	DelayMS int64 `json:"delay_ms,omitempty"`
	// TimeoutMS is how long a command that is not a process may take before it is
	// stopped, and has failed, in milliseconds.
	TimeoutMS int64 `json:"timeout_ms,omitempty"`
	// Beat is the one on which a process begins, from 0.
	Beat int `json:"beat,omitempty"`
	// Ready is how it is seen that a process can be used; nil: it can once it has started.
	Ready *Readiness `json:"ready,omitempty"`
	// Restart has a process begin anew when it has ended; nil: never.
	Restart *Restart `json:"restart,omitempty"`
	// Stop is how a process is stopped; nil: by TERM, with the grace of the stop.
	Stop *CommandStop `json:"stop,omitempty"`
}

// Delay is how long after the release the process starts.
func (c *Command) Delay() time.Duration { return time.Duration(c.DelayMS) * time.Millisecond }

// Timeout is how long the command may take; zero for a process.
func (c *Command) Timeout() time.Duration { return time.Duration(c.TimeoutMS) * time.Millisecond }

// Circumstances are those in which the end of one of the job's commands is judged
// as far as the job tells. A command of the setup or the teardown can only be stopped
// because the host gives the run up; which stop a process came by is for the publisher
// to add.
func (j *Job) Circumstances(c *Command) outcome.Circumstances {
	known := outcome.Circumstances{OKExit: c.OKExit, Grace: c.Stop.grace(j.Grace()), Timeout: c.Timeout()}
	if c.Stop != nil {
		known.Signal = c.Stop.Signal
	}
	if c.Phase != PhaseRun {
		known.Stop = outcome.StopHost
	}
	return known
}

// check reports what is wrong with the command.
func (c *Command) check() error {
	if err := CheckName(c.Name); err != nil {
		return err
	}
	if err := CheckName(c.Group); err != nil && c.Group != "" {
		return fmt.Errorf("%s: group: %w", c.Name, err)
	}
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return fmt.Errorf("%s has nothing to execute", c.Name)
	}
	switch c.Phase {
	case PhaseRun:
		return c.checkProcess()
	case PhaseSetup, PhaseAction, PhaseTeardown:
	default:
		return fmt.Errorf("%s: phase %.20q is not one of %q, %q, %q and %q", c.Name, string(c.Phase), PhaseSetup, PhaseRun, PhaseAction, PhaseTeardown)
	}
	if c.TimeoutMS <= 0 {
		return fmt.Errorf("%s: timeout_ms is %d", c.Name, c.TimeoutMS)
	}
	for _, f := range []struct {
		name string
		has  bool
	}{{"delay_ms", c.DelayMS != 0}, {"beat", c.Beat != 0}, {"ready", c.Ready != nil}, {"restart", c.Restart != nil}, {"stop", c.Stop != nil}} {
		if f.has {
			return fmt.Errorf("%s: a command of phase %q does not have %s", c.Name, c.Phase, f.name)
		}
	}
	return nil
}

// checkProcess reports what is wrong with a command of [PhaseRun].
func (c *Command) checkProcess() error {
	var err error
	switch {
	case c.DelayMS < 0 || c.DelayMS > maxMS:
		return fmt.Errorf("%s: delay_ms is %d", c.Name, c.DelayMS)
	case c.TimeoutMS != 0:
		return fmt.Errorf("%s: timeout_ms is %d, which a command of phase %q does not have", c.Name, c.TimeoutMS, c.Phase)
	case c.Beat < 0 || c.Beat >= MaxBeats:
		return fmt.Errorf("%s: beat is %d", c.Name, c.Beat)
	}
	if c.Ready != nil {
		err = c.Ready.check()
	}
	if err == nil && c.Restart != nil {
		err = c.Restart.check()
	}
	if err == nil && c.Stop != nil {
		err = c.Stop.check()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	return nil
}

// EnvPrefix begins the environment variables by which a process knows itself,
// and those that configure Downbeat's own programs.
const EnvPrefix = "DOWNBEAT_"

// Identity is the part of a command's environment that tells it who it is. Group,
// index and ranks are told to processes alone.
func Identity(j *Job, c *Command) []string {
	identity := []string{
		EnvPrefix + "RUN=" + j.Run,
		EnvPrefix + "HOST=" + j.Host,
		EnvPrefix + "PROCESS=" + c.Name,
	}
	if c.Phase != PhaseRun {
		return identity
	}
	return append(identity,
		EnvPrefix+"GROUP="+c.Group,
		EnvPrefix+"INDEX="+strconv.Itoa(c.Index),
		EnvPrefix+"RANK="+strconv.Itoa(c.Rank),
		EnvPrefix+"LOCAL="+strconv.Itoa(c.Local),
	)
}

// Outcome is the stop as the judge of a command's end knows it.
func (c StopCause) Outcome() outcome.Stop {
	switch c {
	case "":
		return outcome.NoStop
	case StopRule:
		return outcome.StopRule
	case StopTimeout:
		return outcome.StopTimeout
	}
	return outcome.StopRun
}
