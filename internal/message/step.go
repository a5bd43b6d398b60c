package message

import (
	"fmt"
	"time"
)

// A Step is a command of a run's setup or teardown on one host. Steps are run one
// after the other: those of the setup before the processes are prepared, those
// of the teardown when no process is left.
//
// Output and [StepInfo] name a step by a number: steps count on after the job's
// processes, those of the setup first. See [Job.Steps].
type Step struct {
	Name string   `json:"name"` // such as "setup.0"; unique in the job
	Argv []string `json:"argv"`
	// Env and Dir are as in a [Process].
	Env map[string]string `json:"env,omitempty"`
	Dir string            `json:"dir,omitempty"`
	Pty bool              `json:"pty,omitempty"`
	// OKExit are the exit statuses that are no failure; a step that is ended by
	// signal n counts as 128+n.
	OKExit []int `json:"ok_exit"`
	// TimeoutMS is how long it may take, in milliseconds.
	TimeoutMS int64 `json:"timeout_ms"`
}

// Timeout is how long the step may take before it is stopped, and has failed.
func (s *Step) Timeout() time.Duration { return time.Duration(s.TimeoutMS) * time.Millisecond }

// The names of what steps belong to, which their own names begin with.
const (
	SetupName    = "setup"
	TeardownName = "teardown"
)

// Steps are all steps of the job, in the order of their numbers: the first has
// the number len(j.Processes).
func (j *Job) Steps() []Step {
	steps := make([]Step, 0, len(j.Setup)+len(j.Teardown))
	return append(append(steps, j.Setup...), j.Teardown...)
}

// StepIdentity is the part of a step's environment that tells it who it is.
func StepIdentity(j *Job, s *Step) []string {
	return []string{
		EnvPrefix + "RUN=" + j.Run,
		EnvPrefix + "HOST=" + j.Host,
		EnvPrefix + "PROCESS=" + s.Name,
	}
}

// check reports what is wrong with the step.
func (s *Step) check() error {
	switch {
	case len(s.Argv) == 0 || s.Argv[0] == "":
		return fmt.Errorf("%s has no command", s.Name)
	case s.TimeoutMS <= 0:
		return fmt.Errorf("%s: timeout_ms is %d", s.Name, s.TimeoutMS)
	}
	return nil
}

// StepOutcome says in one word how a step ended.
type StepOutcome string

// The outcomes of a step.
const (
	StepSucceeded StepOutcome = "succeeded"
	StepFailed    StepOutcome = "failed"    // it exited outside ok_exit, or could not be run
	StepTimedOut  StepOutcome = "timed_out" // it took longer than it may
	StepStopped   StepOutcome = "stopped"   // the run was stopped, or gave the host back, meanwhile
)

// StepInfo is the end of one step: nothing of it is left, and all its output is
// in the events before.
type StepInfo struct {
	Step    int         `json:"step"` // its number
	Outcome StepOutcome `json:"outcome"`
	Reason  string      `json:"reason,omitempty"`
	// ExitCode is -1 for a step that was ended by Signal, or never began.
	ExitCode    int       `json:"exit_code"`
	Signal      string    `json:"signal,omitempty"`
	StartedAt   time.Time `json:"started_at,omitzero"` // zero: it never began
	EndedAt     time.Time `json:"ended_at,omitzero"`
	UserUS      int64     `json:"user_us"`
	SystemUS    int64     `json:"system_us"`
	MaxRSSBytes int64     `json:"max_rss_bytes"`
	// Swept counts its descendants outside its process group that had to be ended.
	Swept int `json:"swept,omitempty"`
}
