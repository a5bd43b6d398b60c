package message

import (
	"fmt"
	"strconv"
	"time"
)

// A Job is all that one host has to know to take part in one run.
type Job struct {
	// Run, Host and ReplyTo, the queue on which the publisher waits for events, are
	// those of the payload that holds the job.
	Run     string `json:"-"`
	Host    string `json:"-"`
	ReplyTo string `json:"-"`
	// Needs names what the job uses that not every worker knows; see [Job.Uses].
	// A worker refuses a job that needs what it doesn't know.
	Needs []Feature `json:"needs,omitempty"`
	// Since is the id of the first attempt at the datapoint. It gives the
	// run its age where two runs want one host: the elder goes first.
	Since string `json:"since"`
	// Experiment and Datapoint are for people: logs, `publish hosts`.
	Experiment string    `json:"experiment"`
	Datapoint  int       `json:"datapoint"`
	Processes  []Process `json:"processes"`
	// Setup and Teardown are what goes before and comes after the processes.
	Setup    []Step `json:"setup,omitempty"`
	Teardown []Step `json:"teardown,omitempty"`
	// Collect are the patterns of the files that are brought home from the
	// run's directory on the host; see [CheckPattern].
	Collect []string `json:"collect,omitempty"`
	// Files are put into the run's directory on the host before anything else.
	Files []File `json:"files,omitempty"`
	// Codecs are those that the publisher reads, the best first: a worker
	// compresses the files that it sends with the first that it knows.
	Codecs []Codec `json:"codecs,omitempty"`
	// LeaseMS is how long the worker goes on without a word from the
	// publisher before it stops the run, in milliseconds.
	LeaseMS int64 `json:"lease_ms"`
	// WindowBytes is how much may be on its way to the publisher and not
	// acknowledged, in bytes.
	WindowBytes int64 `json:"window_bytes"`
	// GraceMS is the time between TERM and KILL in milliseconds where the
	// worker itself has to stop the run (lease, SIGTERM).
	GraceMS int64 `json:"grace_ms"`
}

// A Process is one command, to be started once.
type Process struct {
	Name  string `json:"name"`
	Group string `json:"group,omitempty"`
	// Index counts within the group, Rank within the run and Local within
	// the group on this host; each from 0.
	Index int      `json:"index"`
	Rank  int      `json:"rank"`
	Local int      `json:"local"`
	Argv  []string `json:"argv"`
	// Env is set on top of the worker's own environment.
	Env map[string]string `json:"env,omitempty"`
	// Dir is where the process starts; a relative one, and none, is seen
	// from the run's directory on the host.
	Dir string `json:"dir,omitempty"`
	// DelayMS holds the process back after the release, in milliseconds.
	DelayMS int64 `json:"delay_ms,omitempty"`
	// Pty gives the process a terminal; all it writes is standard output then.
	Pty bool `json:"pty,omitempty"`
}

// Lease and Grace give the job's durations.
func (j *Job) Lease() time.Duration { return time.Duration(j.LeaseMS) * time.Millisecond }

// Grace is the time between TERM and KILL; see GraceMS.
func (j *Job) Grace() time.Duration { return time.Duration(j.GraceMS) * time.Millisecond }

// Delay is how long after the release the process starts.
func (p *Process) Delay() time.Duration { return time.Duration(p.DelayMS) * time.Millisecond }

// MaxProcesses is how many processes a job can have.
const MaxProcesses = 10_000

// Check reports the first thing about the job that no publisher of ours would
// send: a worker trusts its publishers' intentions, not their bugs.
func (j *Job) Check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: job: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
	if err := CheckRun(j.Run); err != nil {
		return err
	}
	if err := CheckRun(j.Since); err != nil {
		return err
	}
	if err := CheckName(j.Host); err != nil {
		return bad("host: %v", err)
	}
	switch {
	case j.ReplyTo == "":
		return bad("reply_to is empty")
	case len(j.Processes) == 0:
		return bad("no processes")
	case len(j.Processes) > MaxProcesses:
		return bad("%d processes, at most %d are started on a host", len(j.Processes), MaxProcesses)
	case j.LeaseMS <= 0 || j.LeaseMS > maxMS:
		return bad("lease_ms is %d", j.LeaseMS)
	case j.WindowBytes <= 0:
		return bad("window_bytes is %d", j.WindowBytes)
	case j.GraceMS < 0 || j.GraceMS > maxMS:
		return bad("grace_ms is %d", j.GraceMS)
	}
	for _, pattern := range j.Collect {
		if err := CheckPattern(pattern); err != nil {
			return bad("collect: %v", err)
		}
	}
	for i := range j.Files {
		if err := j.Files[i].check(); err != nil {
			return bad("files: %v", err)
		}
	}
	seen := make(map[string]bool, len(j.Processes))
	for i, p := range j.Processes {
		if err := CheckName(p.Name); err != nil {
			return bad("process %d: %v", i, err)
		}
		if seen[p.Name] {
			return bad("process %s occurs twice", p.Name)
		}
		seen[p.Name] = true
		if err := CheckName(p.Group); err != nil && p.Group != "" {
			return bad("process %s: group: %v", p.Name, err)
		}
		if len(p.Argv) == 0 || p.Argv[0] == "" {
			return bad("process %s has no command", p.Name)
		}
		if p.DelayMS < 0 || p.DelayMS > maxMS {
			return bad("process %s: delay_ms is %d", p.Name, p.DelayMS)
		}
	}
	for i, s := range j.Steps() {
		if err := CheckName(s.Name); err != nil {
			return bad("step %d: %v", i, err)
		}
		if seen[s.Name] {
			return bad("step %s has the name of another command", s.Name)
		}
		seen[s.Name] = true
		if err := s.check(); err != nil {
			return bad("step %v", err)
		}
	}
	return nil
}

// EnvPrefix begins the environment variables by which a process knows itself,
// and those that configure Downbeat's own programs.
const EnvPrefix = "DOWNBEAT_"

// Identity is the part of a process's environment that tells it who it is.
func Identity(j *Job, p *Process) []string {
	return []string{
		EnvPrefix + "RUN=" + j.Run,
		EnvPrefix + "HOST=" + j.Host,
		EnvPrefix + "PROCESS=" + p.Name,
		EnvPrefix + "GROUP=" + p.Group,
		EnvPrefix + "INDEX=" + strconv.Itoa(p.Index),
		EnvPrefix + "RANK=" + strconv.Itoa(p.Rank),
		EnvPrefix + "LOCAL=" + strconv.Itoa(p.Local),
	}
}
