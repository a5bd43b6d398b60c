package results

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"downbeat/internal/facts"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// RecordFile is the name of a run's record in the run's directory. It is
// written last and atomically: where it is, the run is complete.
const RecordFile = "run.json"

// A Record is run.json: everything about one run. Times are on the publisher's
// clock; one that was never reached is zero and left out of the file.
type Record struct {
	Run        string `json:"run"`
	Experiment string `json:"experiment"`
	Datapoint  int    `json:"datapoint"`  // from 1
	Repetition int    `json:"repetition"` // from 1
	Attempt    int    `json:"attempt"`    // from 1
	// Definition is a hash of everything that a run of the datapoint does; runs with the same
	// one measure the same.
	Definition string `json:"definition"`
	// Source is the SHA-256 of the experiment's file as it was for this run, by which it is
	// kept under [SourcesDir]. It is empty in records of older versions.
	Source string `json:"source,omitempty"`
	// Parameters are the datapoint's values out of the matrix.
	Parameters map[string]any `json:"parameters"`
	// Picked are the hosts that were chosen for groups at random, by group.
	Picked  map[string][]string `json:"picked,omitempty"`
	Outcome outcome.Run         `json:"outcome"`
	// Reason is for people; empty if the run succeeded.
	Reason     string    `json:"reason"`
	EnqueuedAt time.Time `json:"enqueued_at,omitzero"`
	ReleasedAt time.Time `json:"released_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	// StartSkewUS is the time between the first and the last start of a process of the last
	// beat, in microseconds, StopSkewUS that between the first and the last host's stop signals, of
	// the widest step of a stop in steps. StopExitUS is the time between the first host's stop
	// signals and the last exit after them. StartErrorUS,
	// StopErrorUS and StopExitErrorUS are the bounds of their errors, by what was known about
	// the clocks at those times: 0 if there was no start, stop or exit. ClockErrorUS is the
	// largest of the hosts'.
	StartSkewUS     int64   `json:"start_skew_us"`
	StartErrorUS    int64   `json:"start_error_us"`
	StopSkewUS      int64   `json:"stop_skew_us"`
	StopErrorUS     int64   `json:"stop_error_us"`
	StopExitUS      int64   `json:"stop_exit_us"`
	StopExitErrorUS int64   `json:"stop_exit_error_us"`
	ClockErrorUS    int64   `json:"clock_error_us"`
	Metrics         Metrics `json:"metrics"`
	// Units are those of the metrics that have one, and MetricNotes say, for
	// people, why a metric found nothing or what it had to leave out.
	Units       map[string]string `json:"units,omitempty"`
	MetricNotes map[string]string `json:"metric_notes,omitempty"`
	// MetricsOf says what the value of each metric is based on.
	MetricsOf map[string]MetricBasis `json:"metrics_of,omitempty"`
	// Windows are those of the file, as they were in the run.
	Windows []WindowRecord `json:"windows,omitempty"`
	// Judged says by which definitions the run was judged.
	Judged *Judgement `json:"judged,omitempty"`
	// Unmatched are the patterns of collect that matched no file on any of their hosts, if the
	// run was released.
	Unmatched []string `json:"unmatched,omitempty"`
	// Git is the state of the repository that the experiment's file is in; nil if it is in none.
	Git *facts.Git `json:"git,omitempty"`
	// Beats are the releases of a run that came to one. Actions are what was done to it, Marks
	// the instants that its processes have named, and Barriers those that have opened. Stops are
	// the steps of a stop that was not for all processes at once.
	Beats     []BeatRecord    `json:"beats,omitempty"`
	Stops     []StopRecord    `json:"stops,omitempty"`
	Actions   []ActionRecord  `json:"actions,omitempty"`
	Marks     []MarkRecord    `json:"marks,omitempty"`
	Barriers  []BarrierRecord `json:"barriers,omitempty"`
	Hosts     []HostRecord    `json:"hosts"`
	Processes []ProcessRecord `json:"processes"`
}

// A MetricBasis says what the value of a metric is based on.
type MetricBasis struct {
	// Values are the processes, or files, that have a value, of those Expected.
	Values   int `json:"values"`
	Expected int `json:"expected"`
	// Lacking says why the first few of the others have none.
	Lacking []string `json:"lacking,omitempty"`
	// Whose says which process, or host, it is of, where it is the largest or the smallest of theirs.
	Whose string `json:"whose,omitempty"`
	// Lost says that its sources are not in the results any more.
	Lost bool `json:"lost,omitempty"`
	// Window is the name of the window in which values counted; empty: there was none.
	Window string `json:"window,omitempty"`
	// Program is the command that has printed the value; empty: none has.
	Program string `json:"program,omitempty"`
	// Definition is a hash of what the file said of the metric when it was taken.
	Definition string `json:"definition"`
}

// A Judgement says by which metrics and requirements a run was judged.
type Judgement struct {
	// Definition is a hash of all of them, or [Undecided].
	Definition string `json:"definition"`
	// Unmet are the reasons why a run that ended well has failed nevertheless.
	Unmet []string `json:"unmet,omitempty"`
	// Checks are what programs have decided about the run.
	Checks []Check `json:"checks,omitempty"`
	// AnewAt is when the run was judged again, from the stored results, because the definition
	// had changed. It is zero if the judgement is that of the end of the run.
	AnewAt time.Time `json:"anew_at,omitzero"`
	// Source is the version of the file for that, as in a [Record].
	Source string `json:"source,omitempty"`
	// Before is the previous judgement, if it was different.
	Before *Verdict `json:"before,omitempty"`
}

// Undecided stands for the definition of a judgement that a program was needed for which could not
// be run to its end: another judgement has to complete it.
const Undecided = "undecided"

// A Check is a requirement that a program has checked.
type Check struct {
	Name string `json:"name"`
	Met  bool   `json:"met"`
	// Reason says why it is not met.
	Reason string `json:"reason,omitempty"`
	// Definition is a hash of the command and the program.
	Definition string `json:"definition"`
}

// A Verdict is how a run ended, and why.
type Verdict struct {
	Outcome outcome.Run `json:"outcome"`
	Reason  string      `json:"reason"`
}

// StartBoundUS is by how much StartSkewUS may be wrong, in microseconds. Records of older
// versions have only the error of the clocks.
func (r *Record) StartBoundUS() int64 { return cmp.Or(r.StartErrorUS, r.ClockErrorUS) }

// StopBoundUS is the same for StopSkewUS.
func (r *Record) StopBoundUS() int64 { return cmp.Or(r.StopErrorUS, r.ClockErrorUS) }

// StopExitBoundUS is the same for StopExitUS.
func (r *Record) StopExitBoundUS() int64 { return cmp.Or(r.StopExitErrorUS, r.ClockErrorUS) }

// Stopped reports whether any host was told to stop its processes. Otherwise StopSkewUS and
// StopExitUS mean nothing.
func (r *Record) Stopped() bool {
	return slices.ContainsFunc(r.Hosts, func(h HostRecord) bool { return !h.StoppedAt.IsZero() })
}

// How a host's clock was measured.
const (
	ClockByUDP    = "udp"
	ClockByBroker = "broker"
)

// A HostRecord is one host's part in a run.
type HostRecord struct {
	Host    string       `json:"host"`
	Outcome outcome.Host `json:"outcome"`
	Reason  string       `json:"reason"`
	// Facts are what was true of the host; nil if it has not told.
	Facts *facts.HostFacts `json:"facts,omitempty"`
	// Hold says how the processes were held until the release: "ptrace", "none", or empty if
	// nothing was prepared.
	Hold string `json:"hold"`
	// ClockOffsetUS is the host's clock minus the publisher's when the run
	// ended, and ClockErrorUS its error bound, both in microseconds.
	ClockOffsetUS int64 `json:"clock_offset_us"`
	ClockErrorUS  int64 `json:"clock_error_us"`
	// ClockBy is [ClockByUDP] where the clock was measured by UDP too, and ClockBrokerErrorUS
	// the error bound that it would have had without; else it is [ClockByBroker], or empty.
	ClockBy            string `json:"clock_by,omitempty"`
	ClockBrokerErrorUS int64  `json:"clock_broker_error_us,omitempty"`
	// StoppedAt is when its processes were sent TERM; zero where none were.
	StoppedAt time.Time `json:"stopped_at,omitzero"`
	// StoppedErrorUS is the error bound of that time.
	StoppedErrorUS int64 `json:"stopped_error_us,omitzero"`
	// LineErrors are the error bounds of the times of its lines.
	LineErrors []LineError `json:"line_errors,omitempty"`
	// Lines and Bytes count both streams of all its processes.
	Lines uint64 `json:"lines"`
	Bytes uint64 `json:"bytes"`
	// Swept counts the descendants that had to be killed outside their
	// process groups.
	Swept int `json:"swept"`
	// Left are the processes of the run that could not be ended, and Unseen is why it isn't
	// known whether there are any. Notes say what else is left on the host, such as a directory
	// that can't be removed, or was unusual.
	Left   []LeftProcess `json:"left,omitempty"`
	Unseen string        `json:"unseen,omitempty"`
	Notes  []string      `json:"notes,omitempty"`
	// Setup and Teardown are the commands that were run before and after the
	// processes, in that order. A host that had to give way to another run has
	// had its setup and teardown more than once.
	Setup    []StepRecord `json:"setup"`
	Teardown []StepRecord `json:"teardown"`
	// Acted are the commands that actions ran there.
	Acted []StepRecord `json:"acted,omitempty"`
	// Shipped are the files that were put into the run's directory beforehand, the first
	// [MaxShipped] of them.
	Shipped []ShippedFile `json:"shipped"`
	// Files are the paths of the collected files, below <host>/files; Collected describes each
	// of them, and Missing those that should have been collected.
	Files     []string      `json:"files"`
	Collected []FileRecord  `json:"collected"`
	Missing   []MissingFile `json:"missing"`
}

// A LeftProcess is one that could not be ended, for example because it hangs in the kernel or
// belongs to another user.
type LeftProcess struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// A LineError is the error bound of the times of a host's lines from a time on,
// until that of the next.
type LineError struct {
	From    time.Time `json:"from"`
	ErrorUS int64     `json:"error_us"`
}

// LineErrorUS is by how much the time of one of the host's lines may be wrong, in microseconds;
// 0 if that is not known.
func (h *HostRecord) LineErrorUS(at time.Time) int64 {
	for _, e := range slices.Backward(h.LineErrors) {
		if !at.Before(e.From) {
			return e.ErrorUS
		}
	}
	return 0
}

// MaxShipped is how many files a record names as shipped to a host.
const MaxShipped = 1000

// A ShippedFile is one that was put into the run's directory on a host.
type ShippedFile struct {
	Path   string `json:"path"` // in that directory, with slashes
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// A CommandRecord describes one execution of a command, whatever phase of the run it belongs
// to.
type CommandRecord struct {
	Argv    []string        `json:"argv"`
	Outcome outcome.Command `json:"outcome"`
	Reason  string          `json:"reason"`
	// ExitCode is -1 if there is none: ended by Signal, lost, not started.
	ExitCode  int       `json:"exit_code"`
	Signal    string    `json:"signal"` // such as "SIGKILL", or empty
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// StartedErrorUS and EndedErrorUS are the error bounds of these times, by what was known
	// when each was reported.
	StartedErrorUS int64 `json:"started_error_us,omitzero"`
	EndedErrorUS   int64 `json:"ended_error_us,omitzero"`
	// UserUS and SystemUS are CPU time in microseconds.
	UserUS      int64 `json:"user_us"`
	SystemUS    int64 `json:"system_us"`
	MaxRSSBytes int64 `json:"max_rss_bytes"`
	streams.Total
}

// A ProcessRecord is one process's part in a run.
type ProcessRecord struct {
	Host    string `json:"host"`
	Process string `json:"process"`
	Group   string `json:"group"`
	Index   int    `json:"index"`
	Rank    int    `json:"rank"`
	// DelayUS is how long after the release it was to start.
	DelayUS int64 `json:"delay_us"`
	PID     int   `json:"pid"` // 0 where it was never started; of its last life
	// Beat is the one on which it began.
	Beat int `json:"beat,omitempty"`
	// ReadyAt is when it was seen that it can be used, if that was looked for; ReadyErrorUS is
	// the bound of that time's error.
	ReadyAt      time.Time `json:"ready_at,omitzero"`
	ReadyErrorUS int64     `json:"ready_error_us,omitzero"`
	// Program is what it executed; nil if its host has not told.
	Program *facts.ProgramFacts `json:"program,omitempty"`
	// Lives are all of its lives, if it has had several. What is said of the process itself is
	// from the start of the first to the end of the last, how it ended is how the last did,
	// and its CPU time is that of all.
	Lives []LifeRecord `json:"lives,omitempty"`
	CommandRecord
}

// A StepRecord is one command of a host's setup or teardown, run once. Its outcome is
// succeeded, failed, timed_out or stopped.
type StepRecord struct {
	Name string `json:"name"` // such as "setup.0": that of its files, too
	CommandRecord
	Swept int `json:"swept"` // descendants that had to be ended, as in a [HostRecord]
}

// ReadRecord reads the record of the run in that directory. A run that is not
// complete gives an error that is [fs.ErrNotExist].
func ReadRecord(dir string) (Record, error) {
	path := filepath.Join(dir, RecordFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return Record{}, fmt.Errorf("read record: %w", err)
	}
	var rec Record
	if err := json.Unmarshal(data, &rec); err != nil {
		return Record{}, fmt.Errorf("read record: %s: %w", path, err)
	}
	if rec.Source == "" { // of a version in which each resume counted attempts from 1
		rec.Attempt = max(rec.Attempt, attemptOf(filepath.Base(dir)))
	}
	return rec, nil
}

// Normal returns the record as it goes into the file: with empty lists and maps instead of
// null, so that scripts can iterate over them, and times in UTC.
func (r Record) Normal() Record {
	if r.Parameters == nil {
		r.Parameters = map[string]any{}
	}
	if r.Metrics == nil {
		r.Metrics = Metrics{}
	}
	for _, t := range []*time.Time{&r.EnqueuedAt, &r.ReleasedAt, &r.EndedAt} {
		*t = utc(*t)
	}
	hosts := make([]HostRecord, len(r.Hosts))
	for i, h := range r.Hosts {
		h.Files = append([]string{}, h.Files...)
		h.Setup, h.Teardown = normalSteps(h.Setup), normalSteps(h.Teardown)
		if len(h.Acted) > 0 {
			h.Acted = normalSteps(h.Acted)
		}
		h.StoppedAt = utc(h.StoppedAt)
		h.Shipped = append([]ShippedFile{}, h.Shipped...)
		h.Collected = append([]FileRecord{}, h.Collected...)
		h.Missing = append([]MissingFile{}, h.Missing...)
		hosts[i] = h
	}
	processes := make([]ProcessRecord, len(r.Processes))
	for i, p := range r.Processes {
		p.CommandRecord = p.normal()
		p.ReadyAt = utc(p.ReadyAt)
		p.Lives = slices.Clone(p.Lives)
		for n := range p.Lives {
			p.Lives[n].StartedAt, p.Lives[n].EndedAt = utc(p.Lives[n].StartedAt), utc(p.Lives[n].EndedAt)
		}
		processes[i] = p
	}
	r.Hosts, r.Processes = hosts, processes
	r.Beats, r.Actions, r.Marks, r.Barriers = slices.Clone(r.Beats), slices.Clone(r.Actions), slices.Clone(r.Marks), slices.Clone(r.Barriers)
	r.Windows, r.Stops = slices.Clone(r.Windows), slices.Clone(r.Stops)
	r.normalCourse()
	return r
}

func normalSteps(steps []StepRecord) []StepRecord {
	normal := make([]StepRecord, len(steps))
	for i, s := range steps {
		s.CommandRecord = s.normal()
		normal[i] = s
	}
	return normal
}

func (c CommandRecord) normal() CommandRecord {
	c.Argv = append([]string{}, c.Argv...)
	c.StartedAt, c.EndedAt = utc(c.StartedAt), utc(c.EndedAt)
	return c
}

// utc is the time for JSON: one out of its range, which only a broken clock shows, is left out
// like one that was never reached.
func utc(t time.Time) time.Time {
	if t = t.UTC(); t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// complete reports whether the run in root has its record.
func complete(root *os.Root) (bool, error) {
	_, err := root.Stat(RecordFile)
	switch {
	case err == nil:
		return true, nil
	case os.IsNotExist(err):
		return false, nil
	}
	return false, fmt.Errorf("look for %s: %w", filepath.Join(root.Name(), RecordFile), err)
}
