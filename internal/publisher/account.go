package publisher

import (
	"fmt"
	"slices"
	"time"

	"downbeat/internal/message"
)

// An account is what one host has reported of a run, held against what a host
// can report: it takes the host's events in order and says what contradicts what
// came before, and at the end what is missing. A host's word that all went well
// counts only if nothing does and nothing is. It knows no clock and sends nothing.
type account struct {
	job       *message.Job
	processes []life // as the job counts them
	steps     []bool // which of them have been reported since their phase began

	setUp, tornDown bool // the setup, the teardown was said to begin, and was not given up since
	ended           bool // no process is said to be left
	// ownStop is the host's word that it stops its processes though nobody had asked for it.
	ownStop *message.StoppingInfo
}

// A life is how far a process has come.
type life uint8

const (
	unborn  life = iota
	alive        // it was reported as started
	dead         // and as exited
	unbegun      // it could not be started after all
)

func newAccount(job *message.Job) account {
	return account{job: job, processes: make([]life, len(job.Processes)), steps: make([]bool, len(job.Setup)+len(job.Teardown))}
}

// Orders are what the publisher has asked of a host so far, on the host's clock.
// A zero time means that it has not.
type orders struct {
	start, stop time.Time
	rule        bool // the stop is by the file's own rule, so that the run may have succeeded
	// from and until hold every instant of the run; zero: the host's clock is not known.
	from, until time.Time
}

// slack is how far a time may be outside of what it must be within before it
// is taken for a contradiction rather than for a clock that is a little wrong.
const slack = time.Minute

// take enters an event. It returns what is contradictory about it, or nothing.
func (a *account) take(e *message.Event, o orders) string {
	switch e.Kind {
	case message.Waiting, message.SettingUp, message.Ready:
		if e.Kind == message.Waiting && e.Waiting.Behind == a.job.Run {
			return "the run is said to wait for itself"
		}
		return a.prepare(e.Kind, o)
	case message.Committed, message.Refused:
		if a.anyBegun() {
			return fmt.Sprintf("%q comes after processes were started", e.Kind)
		}
	case message.Started:
		return a.start(e.Started, o)
	case message.Exited:
		return a.exit(e.Exited, o)
	case message.Stopping:
		if o.stop.IsZero() && a.ownStop == nil {
			a.ownStop = e.Stopping
		}
		return o.outside("the stop", e.Time)
	case message.Stepped:
		return a.step(e.Step, o)
	case message.TearingDown:
		a.tornDown = true
		clear(a.steps[len(a.job.Setup):])
	case message.Ended:
		a.ended = true
		if p := a.first(alive); p != "" {
			return fmt.Sprintf("no process is said to be left, and there is no end of %s", p)
		}
	}
	return ""
}

// prepare enters what a host can only say before it has released anything.
func (a *account) prepare(kind message.EventKind, o orders) string {
	if !o.start.IsZero() || a.anyBegun() {
		return fmt.Sprintf("%q comes after the host has said that it keeps its processes, and was told to start them", kind)
	}
	a.tornDown = false
	switch kind {
	case message.Waiting:
		a.setUp = false
	case message.SettingUp:
		a.setUp = true
		clear(a.steps)
	default:
		if i := slices.Index(a.steps[:len(a.job.Setup)], false); i >= 0 {
			return fmt.Sprintf("it is said to be ready, and %s is not said to have succeeded", a.job.Setup[i].Name)
		}
	}
	return ""
}

func (a *account) start(infos []message.StartedInfo, o orders) string {
	if o.start.IsZero() {
		return "processes are said to have started before it was told to start them"
	}
	for _, s := range infos {
		switch what := a.known(s.Process, "started"); {
		case what != "":
			return what
		case a.processes[s.Process] != unborn:
			return fmt.Sprintf("%s is said to have started twice", a.name(s.Process))
		case s.PID < 0:
			return fmt.Sprintf("the pid of %s is said to be %d", a.name(s.Process), s.PID)
		}
		if what := o.outside("the start of "+a.name(s.Process), s.StartedAt); what != "" {
			return what
		}
		if early := o.start.Sub(s.StartedAt); !o.from.IsZero() && early > time.Second {
			return fmt.Sprintf("%s is said to have started %s before the release", a.name(s.Process), early.Round(time.Millisecond))
		}
		a.processes[s.Process] = alive
	}
	return ""
}

func (a *account) exit(e *message.ExitedInfo, o orders) string {
	if what := a.known(e.Process, "exited"); what != "" {
		return what
	}
	name, was := a.name(e.Process), a.processes[e.Process]
	switch {
	case was == dead || was == unbegun:
		return fmt.Sprintf("%s is said to have exited twice", name)
	case e.Left && was == alive: // it can't be ended, and so has no status
		a.processes[e.Process] = dead
		return ""
	case e.Reason != "" && was == alive:
		return fmt.Sprintf("%s is said to have started, and then that it could not be started (%s)", name, e.Reason)
	case e.Reason != "" && o.start.IsZero():
		return fmt.Sprintf("%s is said not to have started (%s) before it was told to start it", name, e.Reason)
	case e.Reason != "":
		a.processes[e.Process] = unbegun
		return ""
	case was == unborn:
		return fmt.Sprintf("%s is said to have exited, and not to have started", name)
	}
	a.processes[e.Process] = dead
	if what := implausible(e.ExitCode, e.Signal, e.UserUS, e.SystemUS, e.MaxRSSBytes); what != "" {
		return fmt.Sprintf("%s of %s", what, name)
	}
	if e.EndedAt.Before(e.StartedAt.Add(-time.Second)) {
		return fmt.Sprintf("%s is said to have ended %s before it started", name, e.StartedAt.Sub(e.EndedAt))
	}
	if what := o.outside("the start of "+name, e.StartedAt); what != "" {
		return what
	}
	return o.outside("the end of "+name, e.EndedAt)
}

// implausible says what can't be true of how a command ended.
func implausible(code int, signal string, counts ...int64) string {
	switch {
	case code < -1 || code > 255 || code > 0 && signal != "":
		if signal == "" {
			return fmt.Sprintf("exit_code %d", code)
		}
		return fmt.Sprintf("exit_code %d with signal %.20q", code, signal)
	case code == -1 && signal == "":
		return "exit_code -1 without a signal"
	}
	for _, n := range counts {
		if n < 0 {
			return fmt.Sprintf("a negative amount (%d)", n)
		}
	}
	return ""
}

func (a *account) step(s *message.StepInfo, o orders) string {
	i := s.Step - len(a.processes)
	if i < 0 || i >= len(a.steps) {
		return fmt.Sprintf("step %d is said to have ended, which it does not have", s.Step)
	}
	setup := i < len(a.job.Setup)
	name := a.job.Steps()[i].Name
	switch {
	case setup && (!a.setUp || a.tornDown), !setup && !a.tornDown:
		return fmt.Sprintf("%s is said to have ended before it can have begun", name)
	case a.steps[i]:
		return fmt.Sprintf("%s is said to have ended twice", name)
	}
	switch s.Outcome {
	case message.StepSucceeded, message.StepFailed, message.StepTimedOut, message.StepStopped:
	default:
		return fmt.Sprintf("the outcome of %s is said to be %.20q", name, string(s.Outcome))
	}
	a.steps[i] = !setup || s.Outcome == message.StepSucceeded
	if s.StartedAt.IsZero() {
		if s.Outcome == message.StepSucceeded {
			return fmt.Sprintf("%s is said to have succeeded, and not to have begun", name)
		}
		return ""
	}
	if what := implausible(s.ExitCode, s.Signal, s.UserUS, s.SystemUS, s.MaxRSSBytes, int64(s.Swept)); what != "" {
		return fmt.Sprintf("%s of %s", what, name)
	}
	if what := o.outside("the start of "+name, s.StartedAt); what != "" {
		return what
	}
	return o.outside("the end of "+name, s.EndedAt)
}

// output enters a piece of output. What a process writes comes after its start.
func (a *account) output(source int) string {
	if source < 0 || source >= len(a.processes)+len(a.steps) {
		return fmt.Sprintf("output of process %d comes, but it has %d", source, len(a.processes))
	}
	return ""
}

// last holds the number that a heartbeat gives for the newest logged event
// against what the keepalive that it answers had said is safe here.
func (a *account) last(h *message.HeartbeatInfo) string {
	if h.Last >= h.Ack {
		return ""
	}
	return fmt.Sprintf("its log is said to end with event %d, and event %d has come from it: the log was cut off, or another worker answers for the host", h.Last, h.Ack)
}

// done judges the host's last event; logged says whether it has a number. What
// it returns is what is contradictory or missing, or nothing where the report is
// whole.
func (a *account) done(d *message.DoneInfo, logged bool, o orders) string {
	switch {
	case d.Outcome == message.HostLost:
		return "" // who says so need not prove it
	case !logged:
		return "it is said to be over outside of its log"
	case d.Outcome == message.HostStopped:
		return "" // nor who has ended it otherwise than it was to
	case d.Outcome != message.HostDone:
		return fmt.Sprintf("its outcome is said to be %.20q, which is not one that this publish knows", d.Outcome)
	case d.Swept < 0:
		return fmt.Sprintf("%d processes are said to have been swept", d.Swept)
	}
	if what := a.totals(d.Totals); what != "" {
		return what
	}
	if p := a.first(alive); p != "" {
		return "there is no end of " + p
	}
	return a.whole(d, o)
}

// whole says what a host that says it did what it was asked to has left out.
func (a *account) whole(d *message.DoneInfo, o orders) string {
	switch {
	case o.stop.IsZero() && a.ownStop != nil:
		return fmt.Sprintf("it is said to have stopped its processes (%s), which nobody had asked for, and to be done", a.ownStop.Cause)
	case o.start.IsZero() && o.stop.IsZero():
		return "it is said to be done before it was told to start"
	case len(a.job.Collect) > 0 && d.Files == nil && a.anyBegun():
		return "nothing is said of the files that it was to collect"
	}
	if (a.setUp || a.anyBegun()) && len(a.job.Teardown) > 0 {
		first := len(a.job.Setup)
		if i := slices.Index(a.steps[first:], false); !a.tornDown || i >= 0 {
			return "there is no end of " + a.job.Teardown[max(i, 0)].Name
		}
	}
	for i, p := range a.processes {
		switch {
		case p == unborn && !o.excuses(a.job.Processes[i].Delay()):
			return "there is no start of " + a.name(i)
		case p == unborn && d.Totals[i] != message.Total{}:
			return fmt.Sprintf("%s has written something, and there is no start of it", a.name(i))
		}
	}
	return ""
}

// justBefore is how long before a stop a process may have been due that it was
// stopped before it began.
const justBefore = time.Second

// excuses reports whether a process with that delay need not have started: the
// stop came first, or nothing was to start, or the run can't succeed anyhow.
func (o orders) excuses(delay time.Duration) bool {
	if o.stop.IsZero() {
		return false
	}
	return !o.rule || delay > 0 && o.start.Add(delay).After(o.stop.Add(-justBefore))
}

// refusal judges the host's word that it takes no part.
func (a *account) refusal(r *message.RefusedInfo) string {
	if len(r.Totals) == 0 && !a.setUp {
		return "" // it has run nothing, or did not even take the job
	}
	return a.totals(r.Totals)
}

// totals says what is wrong with the number of totals.
func (a *account) totals(totals []message.Total) string {
	if want := len(a.processes) + len(a.steps); len(totals) != want {
		return fmt.Sprintf("it reports totals for %d processes and steps, but has %d", len(totals), want)
	}
	return ""
}

// known says what is wrong with the number of a process.
func (a *account) known(process int, what string) string {
	if process < 0 || process >= len(a.processes) {
		return fmt.Sprintf("process %d is said to have %s, but it has %d", process, what, len(a.processes))
	}
	if a.ended {
		return fmt.Sprintf("%s is said to have %s after no process was said to be left", a.name(process), what)
	}
	return ""
}

// outside says that a time is not within the run, if so.
func (o orders) outside(what string, t time.Time) string {
	switch {
	case o.from.IsZero():
		return ""
	case t.Before(o.from.Add(-slack)), t.After(o.until.Add(slack)):
		return fmt.Sprintf("%s is said to have been at %s, which is not within the run", what, t.UTC().Format(time.RFC3339))
	}
	return ""
}

func (a *account) name(process int) string { return a.job.Processes[process].Name }

// first names the first process that has come so far and no further.
func (a *account) first(l life) string {
	if i := slices.Index(a.processes, l); i >= 0 {
		return a.name(i)
	}
	return ""
}

func (a *account) anyBegun() bool {
	return slices.ContainsFunc(a.processes, func(l life) bool { return l != unborn })
}
