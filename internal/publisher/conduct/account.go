package conduct

import (
	"fmt"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// An account is what one host has reported of a run, held against what a host
// can report: it takes the host's events in order and says what contradicts what
// came before, and at the end what is missing. A host's word that all went well
// counts only if nothing does and nothing is. It knows no clock and sends nothing.
type account struct {
	job *message.Job
	// lives are those of the job's commands; of a setup and teardown since they began last.
	lives []life
	anew  []anew // of the processes
	begun int    // processes that anything is known of
	armed []bool // by beat: it has said that it knows the instant
	// called are the actions that it was told to carry out, in whatever turn; told in which;
	// carriedOut those that it has.
	called, told, carriedOut map[calledAct]bool
	asked                    uint64 // the last of what its processes have asked for

	setUp, tornDown bool // the setup, the teardown was said to begin, and was not given up since
	ended           bool // no process is said to be left
	// ownStop is the host's word that it stops its processes though nobody had asked for it.
	ownStop *message.StoppingInfo
}

// A life is how far a command has come.
type life uint8

const (
	unborn    life = iota
	alive          // it was reported as started
	dead           // and as exited
	succeeded      // and that it did what it was to; of a setup alone
	unbegun        // it could not be started after all, or was stopped before
)

func newAccount(job *message.Job) account {
	return account{job: job, lives: make([]life, len(job.Commands)), anew: make([]anew, len(job.Commands)), armed: make([]bool, job.Beats())}
}

// forget has the commands of a phase not begun yet.
func (a *account) forget(phase message.Phase) {
	for n := range a.job.In(phase) {
		a.lives[n] = unborn
	}
}

// hasTornDown reports whether the teardown is over.
func (a *account) hasTornDown() bool {
	for n := range a.job.In(message.PhaseTeardown) {
		if a.lives[n] < dead {
			return false
		}
	}
	return a.tornDown
}

// enter notes how far a command has come.
func (a *account) enter(command int, l life) {
	if a.lives[command] == unborn && a.job.Commands[command].Phase == message.PhaseRun {
		a.begun++
	}
	a.lives[command] = l
}

// Orders are what the publisher has asked of a host so far. A zero time means that it has
// not. All times are on the run's clock.
type orders struct {
	clock       *clock.Offset // the host's
	start, stop time.Time
	beats       []beat    // start is that of the first
	sent        time.Time // when the stop was sent first
	rule        bool      // the stop is by the file's own rule, so that the run may have succeeded
	began, now  time.Time // no instant of the run is outside of them
}

// slack is how far a time may be outside of what it must be within before it
// is taken for a contradiction rather than for a clock that is a little wrong.
const slack = time.Minute

// take enters an event. It returns what is contradictory about it, or nothing.
func (a *account) take(e *message.Event, o *orders) string {
	switch e.Kind {
	case message.Waiting, message.SettingUp, message.Ready:
		if e.Kind == message.Waiting && e.Waiting.Behind == a.job.Run {
			return "the run is said to wait for itself"
		}
		return a.prepare(e.Kind, o)
	case message.Committed, message.Refused:
		if a.begun > 0 {
			return fmt.Sprintf("%q comes after processes were started", e.Kind)
		}
	case message.Started:
		return a.start(e.Started, o)
	case message.Exited:
		return a.exit(e.Exited, o)
	case message.Stopping:
		if a.ownStop == nil && (o.stop.IsZero() || e.Time.Before(o.clock.Theirs(o.sent))) {
			a.ownStop = e.Stopping
		}
		return o.outside("the stop", "", e.Time)
	case message.TearingDown:
		a.tornDown = true
		a.forget(message.PhaseTeardown)
	case message.Ended:
		a.ended = true
		if p := a.first(message.PhaseRun, alive); p != "" {
			return fmt.Sprintf("no process is said to be left, and there is no end of %s", p)
		}
	case message.Armed:
		return a.arm(e.Armed, o)
	case message.ProcessReady:
		return a.ready(e.ProcessReady)
	case message.Acted:
		return a.act(e, o)
	case message.Seen:
		return a.see(e.Seen)
	case message.Asked:
		return a.ask(e.Asked)
	case message.Facts: // nothing contradicts them
	case message.Done, message.Want, message.Heartbeat, message.Here, message.Cancelled: // see done; these have no number
	}
	return ""
}

// prepare enters what a host can only say before it has released anything.
func (a *account) prepare(kind message.EventKind, o *orders) string {
	if !o.start.IsZero() || a.begun > 0 {
		return fmt.Sprintf("%q comes after the host has said that it keeps its processes, and was told to start them", kind)
	}
	a.tornDown = false
	switch kind {
	case message.Waiting:
		a.setUp = false
	case message.SettingUp:
		a.setUp = true
		a.forget(message.PhaseSetup)
		a.forget(message.PhaseTeardown)
	default:
		for n, c := range a.job.In(message.PhaseSetup) {
			if a.lives[n] != succeeded {
				return fmt.Sprintf("it is said to be ready, and %s is not said to have succeeded", c.Name)
			}
		}
	}
	return ""
}

func (a *account) start(infos []message.StartedInfo, o *orders) string {
	for _, s := range infos {
		if what := a.startOne(s, o); what != "" {
			return what
		}
	}
	return ""
}

func (a *account) startOne(s message.StartedInfo, o *orders) string {
	if what := a.known(s.Command, "started"); what != "" {
		return what
	}
	c := &a.job.Commands[s.Command]
	switch {
	case c.Phase == message.PhaseRun && o.begin(c.Beat).IsZero():
		return "processes are said to have started before it was told to start them"
	case !a.due(c.Phase):
		return fmt.Sprintf("%s is said to have started before it can have begun", c.Name)
	case s.Life != a.anew[s.Command].life || a.lives[s.Command] != unborn:
		if what := a.beginAnew(s.Command, s.Life); what != "" {
			return what
		}
	}
	switch {
	case s.PID < 0:
		return fmt.Sprintf("the pid of %s is said to be %d", c.Name, s.PID)
	}
	if what := o.outside("the start of ", c.Name, s.StartedAt); what != "" {
		return what
	}
	if early := o.early(c.Beat, s.StartedAt); c.Phase == message.PhaseRun && early > time.Second {
		return fmt.Sprintf("%s is said to have started %s before the release", c.Name, early.Round(time.Millisecond))
	}
	a.enter(s.Command, alive)
	return ""
}

// due reports whether a command of that phase can be under way.
func (a *account) due(phase message.Phase) bool {
	switch phase {
	case message.PhaseSetup:
		return a.setUp && !a.tornDown
	case message.PhaseTeardown:
		return a.tornDown
	case message.PhaseRun, message.PhaseAction:
	}
	return true
}

func (a *account) exit(e *message.ExitedInfo, o *orders) string {
	if what := a.known(e.Command, "exited"); what != "" {
		return what
	}
	c, was := &a.job.Commands[e.Command], a.lives[e.Command]
	if e.Life == a.anew[e.Command].life+1 && e.Reason != "" {
		if what := a.beginAnew(e.Command, e.Life); what != "" {
			return what
		}
		was = unborn
	}
	switch {
	case e.Life != a.anew[e.Command].life:
		return fmt.Sprintf("the end of life %d of %s is told, which is in life %d", e.Life, c.Name, a.anew[e.Command].life)
	case e.Again && !a.returns(e.Command):
		return fmt.Sprintf("%s is said to begin anew, which nothing asks for", c.Name)
	case !a.due(c.Phase):
		return fmt.Sprintf("%s is said to have exited before it can have begun", c.Name)
	case was >= dead:
		return fmt.Sprintf("%s is said to have exited twice", c.Name)
	case e.TimedOut && c.TimeoutMS == 0:
		return fmt.Sprintf("the time of %s is said to have been over, and it has none of its own", c.Name)
	}
	a.anew[e.Command].again = e.Again
	switch {
	case e.Left && was == alive: // it can't be ended, and so has no status
		a.enter(e.Command, dead)
		return ""
	case e.Reason != "" && was == alive:
		return fmt.Sprintf("%s is said to have started, and then that it could not be started (%s)", c.Name, e.Reason)
	case c.Phase == message.PhaseRun && e.Reason != "" && o.begin(c.Beat).IsZero():
		return fmt.Sprintf("%s is said not to have started (%s) before it was told to start it", c.Name, e.Reason)
	case e.Reason != "", c.Phase != message.PhaseRun && was == unborn && (e.Stopped || e.TimedOut):
		a.enter(e.Command, unbegun)
		return ""
	case was == unborn:
		return fmt.Sprintf("%s is said to have exited, and not to have started", c.Name)
	}
	a.enter(e.Command, dead)
	if what := implausible(e); what != "" {
		return fmt.Sprintf("%s of %s", what, c.Name)
	}
	if e.EndedAt.Before(e.StartedAt.Add(-time.Second)) {
		return fmt.Sprintf("%s is said to have ended %s before it started", c.Name, e.StartedAt.Sub(e.EndedAt))
	}
	if what := o.outside("the start of ", c.Name, e.StartedAt); what != "" {
		return what
	}
	if c.Phase == message.PhaseSetup {
		if word, _ := outcome.Judge(e.Exit(), a.job.Circumstances(c)); word == outcome.CommandSucceeded {
			a.enter(e.Command, succeeded)
		}
	}
	return o.outside("the end of ", c.Name, e.EndedAt)
}

// implausible says what can't be true of how a command ended.
func implausible(e *message.ExitedInfo) string {
	switch {
	case e.ExitCode < -1 || e.ExitCode > 255 || e.ExitCode > 0 && e.Signal != "":
		if e.Signal == "" {
			return fmt.Sprintf("exit_code %d", e.ExitCode)
		}
		return fmt.Sprintf("exit_code %d with signal %.20q", e.ExitCode, e.Signal)
	case e.ExitCode == -1 && e.Signal == "":
		return "exit_code -1 without a signal"
	}
	for _, n := range []int64{e.UserUS, e.SystemUS, e.MaxRSSBytes, int64(e.Swept)} {
		if n < 0 {
			return fmt.Sprintf("a negative amount (%d)", n)
		}
	}
	return ""
}

// done judges the host's last event; logged says whether it has a number. What
// it returns is what is contradictory or missing, or nothing where the report is
// whole.
func (a *account) done(d *message.DoneInfo, logged bool, o *orders) string {
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
	for _, phase := range []message.Phase{message.PhaseRun, message.PhaseAction} {
		if p := a.first(phase, alive); p != "" {
			return "there is no end of " + p
		}
	}
	return a.whole(d, o)
}

// whole says what a host that says it did what it was asked to has left out.
func (a *account) whole(d *message.DoneInfo, o *orders) string {
	switch {
	case o.stop.IsZero() && a.ownStop != nil:
		return fmt.Sprintf("it is said to have stopped its processes (%s), which nobody had asked for, and to be done", a.ownStop.Cause)
	case o.start.IsZero() && o.stop.IsZero():
		return "it is said to be done before it was told to start"
	case len(a.job.Collect) > 0 && d.Files == nil && a.begun > 0:
		return "nothing is said of the files that it was to collect"
	}
	if a.setUp || a.begun > 0 {
		for n, c := range a.job.In(message.PhaseTeardown) {
			if !a.tornDown || a.lives[n] < dead {
				return "there is no end of " + c.Name
			}
		}
	}
	for n, c := range a.job.In(message.PhaseRun) {
		switch {
		case a.lives[n] != unborn:
		case !o.excuses(c):
			return "there is no start of " + c.Name
		case d.Totals[n] != streams.Total{}:
			return fmt.Sprintf("%s has written something, and there is no start of it", c.Name)
		}
	}
	return ""
}

// justBefore is how long before a stop a process may have been due that it was
// stopped before it began.
const justBefore = time.Second

// excuses reports whether a process need not have started: the stop came first, or nothing
// was to start, or the run can't succeed anyhow.
func (o *orders) excuses(c *message.Command) bool {
	if o.stop.IsZero() {
		return false
	}
	begin := o.begin(c.Beat)
	if !o.rule || begin.IsZero() {
		return true
	}
	return (c.Delay() > 0 || c.Beat > 0) && o.clock.Theirs(begin).Add(c.Delay()).After(o.clock.Theirs(o.stop).Add(-justBefore))
}

// begin is when the host was told that a beat is released; zero: it was not.
func (o *orders) begin(beat int) time.Time {
	switch {
	case beat == 0:
		return o.start
	case beat >= len(o.beats):
		return time.Time{}
	}
	return o.beats[beat].at
}

// refusal judges the host's word that it takes no part.
func (a *account) refusal(r *message.RefusedInfo) string {
	if len(r.Totals) == 0 && !a.setUp {
		return "" // it has run nothing, or did not even take the job
	}
	return a.totals(r.Totals)
}

// totals says what is wrong with the number of totals.
func (a *account) totals(totals []streams.Total) string {
	if len(totals) != len(a.lives) {
		return fmt.Sprintf("it reports totals for %d commands, but has %d", len(totals), len(a.lives))
	}
	return ""
}

// known says what is wrong with the number of a command.
func (a *account) known(command int, what string) string {
	if command < 0 || command >= len(a.lives) {
		return fmt.Sprintf("command %d is said to have %s, but it has %d", command, what, len(a.lives))
	}
	if a.ended {
		return fmt.Sprintf("%s is said to have %s after no process was said to be left", a.job.Commands[command].Name, what)
	}
	return ""
}

// outside says that a time on the host's clock is not within the run, if so. What is known of
// the clock by the newest exchange will do, as there is so much slack.
func (o *orders) outside(what, of string, t time.Time) string {
	if o.clock.Samples() == 0 {
		return ""
	}
	ours, margin := t.Add(-o.clock.Value()), slack+o.clock.Error()
	if ours.Before(o.began.Add(-margin)) || ours.After(o.now.Add(margin)) {
		return fmt.Sprintf("%s%s is said to have been at %s, which is not within the run", what, of, t.UTC().Format(time.RFC3339))
	}
	return ""
}

// early is how long before the release of a beat a time on the host's clock is, as far as is
// known.
func (o *orders) early(beat int, t time.Time) time.Duration {
	if o.clock.Samples() == 0 {
		return 0
	}
	return o.clock.Theirs(o.begin(beat)).Sub(t)
}

// first names the first command of a phase that has come so far and no further.
func (a *account) first(phase message.Phase, l life) string {
	for n, c := range a.job.In(phase) {
		if a.lives[n] == l {
			return c.Name
		}
	}
	return ""
}
