package message

import (
	"fmt"
	"iter"
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
	Experiment string `json:"experiment"`
	Datapoint  int    `json:"datapoint"`
	// Commands are what the host runs. Events and output name a command by its
	// position here.
	Commands []Command `json:"commands"`
	// Actions are what is done while the processes run, Watches the lines that are looked
	// for meanwhile.
	Actions []Action `json:"actions,omitempty"`
	Watches []Watch  `json:"watches,omitempty"`
	// Sync: the processes can ask things of each other; see [AskedInfo].
	Sync bool `json:"sync,omitempty"`
	// SampleMS is how often what processes and the host are using is sampled, in
	// milliseconds; 0: not at all. See [Samples].
	SampleMS int64 `json:"sample_ms,omitempty"`
	// Facts: what is true of the host is told. A worker that doesn't know how does without.
	Facts bool `json:"facts,omitempty"`
	// Collect are the patterns of the files that are brought home from the
	// run's directory on the host; see [CheckPattern].
	Collect []string `json:"collect,omitempty"`
	// Files are put into the run's directory on the host before anything else.
	Files []File `json:"files,omitempty"`
	// Codecs are those that the publisher reads, the best first: a worker
	// compresses the files that it sends with the first that it knows.
	Codecs []Codec `json:"codecs,omitempty"`
	// ClockKey is what probes of the host's clock by UDP are signed with: 32 bytes in
	// base64, for this run on this host alone. Without it there are none.
	ClockKey string `json:"clock_key,omitempty"`
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

// Lease is how long the worker goes on without a word from the publisher.
func (j *Job) Lease() time.Duration { return time.Duration(j.LeaseMS) * time.Millisecond }

// SampleEvery is the time between two samples; 0: none are taken.
func (j *Job) SampleEvery() time.Duration { return time.Duration(j.SampleMS) * time.Millisecond }

// Grace is the time between TERM and KILL; see GraceMS.
func (j *Job) Grace() time.Duration { return time.Duration(j.GraceMS) * time.Millisecond }

// MaxProcesses is how many processes (commands of [PhaseRun]) a job can have.
const MaxProcesses = 10_000

// In gives the commands of a phase in their order, each with its number.
func (j *Job) In(phase Phase) iter.Seq2[int, *Command] {
	return func(yield func(int, *Command) bool) {
		for i := range j.Commands {
			if c := &j.Commands[i]; c.Phase == phase && !yield(i, c) {
				return
			}
		}
	}
}

// Has reports whether the job has a command of that phase.
func (j *Job) Has(phase Phase) bool {
	for range j.In(phase) {
		return true
	}
	return false
}

// Count is how many commands of that phase the job has.
func (j *Job) Count(phase Phase) int {
	n := 0
	for range j.In(phase) {
		n++
	}
	return n
}

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
	case !j.Has(PhaseRun):
		return bad("no command of phase %q", PhaseRun)
	case j.Count(PhaseRun) > MaxProcesses:
		return bad("%d commands of phase %q, at most %d are started on a host", j.Count(PhaseRun), PhaseRun, MaxProcesses)
	case j.LeaseMS <= 0 || j.LeaseMS > maxMS:
		return bad("lease_ms is %d", j.LeaseMS)
	case j.WindowBytes <= 0:
		return bad("window_bytes is %d", j.WindowBytes)
	case j.SampleMS != 0 && (j.SampleMS < MinSampleMS || j.SampleMS > maxMS):
		return bad("sample_ms is %d, at least %d is taken", j.SampleMS, MinSampleMS)
	case j.GraceMS < 0 || j.GraceMS > maxMS:
		return bad("grace_ms is %d", j.GraceMS)
	case !isClockKey(j.ClockKey):
		return bad("clock_key is not 32 bytes in base64")
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
	seen := make(map[string]bool, len(j.Commands))
	for i := range j.Commands {
		c := &j.Commands[i]
		if err := c.check(); err != nil {
			return bad("command %d: %v", i, err)
		}
		if seen[c.Name] {
			return bad("command %d: another one has the name %s", i, c.Name)
		}
		seen[c.Name] = true
	}
	if err := j.checkActions(); err != nil {
		return bad("%v", err)
	}
	return nil
}

// checkActions reports what is wrong with the job's actions and watches.
func (j *Job) checkActions() error {
	if n := max(len(j.Actions), len(j.Watches)); n > MaxActions {
		return fmt.Errorf("%d actions or watches, at most %d are taken", n, MaxActions)
	}
	known := make(map[int]bool, len(j.Actions))
	for i := range j.Actions {
		a := &j.Actions[i]
		if err := a.check(j); err != nil {
			return fmt.Errorf("action %d: %w", a.Number, err)
		}
		if known[a.Number] {
			return fmt.Errorf("action %d is there twice", a.Number)
		}
		known[a.Number] = true
	}
	for i := range j.Watches {
		if err := j.Watches[i].check(j); err != nil {
			return fmt.Errorf("watch %d: %w", i, err)
		}
	}
	return nil
}

// Action is the job's action of that number; nil: there is none.
func (j *Job) Action(number int) *Action {
	for i := range j.Actions {
		if a := &j.Actions[i]; a.Number == number {
			return a
		}
	}
	return nil
}

// Beats is how many beats the job knows of: those of its processes and of its actions.
func (j *Job) Beats() int {
	last := 0
	for _, c := range j.In(PhaseRun) {
		last = max(last, c.Beat)
	}
	for i := range j.Actions {
		last = max(last, j.Actions[i].Beat)
	}
	return last + 1
}
