package publisher

import (
	"fmt"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// A step is one command of a host's setup or teardown. Where the host had to
// give way to another run, it is run more than once.
type step struct {
	experiment.Command
	tally    message.Tally
	recorded message.Total // of its output: what is in the records
}

// addSteps makes the steps of every host, numbered as in its job.
func (r *run) addSteps() {
	for i, c := range r.dp.Commands()[len(r.dp.Processes):] {
		h := r.byName[c.Host]
		h.steps = append(h.steps, i)
		r.steps = append(r.steps, step{Command: c})
	}
}

// source finds what wrote some output, and the number that the results and the
// observer know it by, which is its position in Datapoint.Commands.
func (r *run) source(h *host, local int) (n int, name string, t *message.Tally) {
	if at := local - len(h.processes); at >= 0 && at < len(h.steps) {
		n = h.steps[at]
		return len(r.processes) + n, r.steps[n].Name, &r.steps[n].tally
	}
	if local < 0 || local >= len(h.processes) {
		return 0, "", nil
	}
	n, p := r.process(h, local)
	return n, p.Name, &p.tally
}

// setUp notes that a host runs its setup. That has its own time: only when it is
// over, the host has to be ready as others have to.
func (r *run) setUp(h *host) {
	h.behind = ""
	h.show(message.FeatureSetup, message.FeatureTeardown)
	h.setupTime = bound(&h.job, message.PhaseSetup) + r.p.config.ReadyTimeout
	h.readyBy = time.Now().Add(h.setupTime)
	r.advance(h, SettingUp, "")
}

// tearDown notes that a host runs its teardown. Before it has released anything
// that means that it can't go on, for now or for good.
func (r *run) tearDown(h *host) {
	if h.phase >= Started {
		r.advance(h, TearingDown, "")
		return
	}
	h.readyBy = time.Time{}
	if r.stage == committing {
		r.stage, r.repeatAt = gathering, time.Time{}
	}
	r.advance(h, Withdrawing, "")
}

// stepped records the end of a command of a setup or teardown.
func (r *run) stepped(h *host, n int, info *message.ExitedInfo) {
	s := &r.steps[n]
	word, reason := outcome.Judge(info.Exit(), h.job.Circumstances(&s.Command.Command))
	now := s.tally.Total()
	wrote := now.Since(s.recorded)
	s.recorded = now
	record := results.StepRecord{Name: s.Name, Swept: info.Swept, CommandRecord: results.CommandRecord{
		Argv: s.Argv, Outcome: word, Reason: reason, ExitCode: info.ExitCode, Signal: info.Signal,
		UserUS: info.UserUS, SystemUS: info.SystemUS, MaxRSSBytes: info.MaxRSSBytes,
		StdoutLines: wrote.StdoutLines, StdoutBytes: wrote.StdoutBytes, StderrLines: wrote.StderrLines, StderrBytes: wrote.StderrBytes,
	}}
	if !info.StartedAt.IsZero() {
		started, ended := r.instant(h, info.StartedAt), r.instant(h, info.EndedAt)
		record.StartedAt, record.StartedErrorUS = started.Time, started.ErrorUS()
		record.EndedAt, record.EndedErrorUS = ended.Time, ended.ErrorUS()
	}
	if len(h.setup)+len(h.teardown) >= mostStepRecords {
		return
	}
	if s.Phase == message.PhaseTeardown {
		h.teardown = append(h.teardown, record)
	} else {
		h.setup = append(h.setup, record)
	}
	r.spec.Observer.Step(len(r.processes)+n, record)
}

// mostStepRecords bounds what is kept of a host that runs its steps again and again.
const mostStepRecords = 10_000

// stepSlack is added to a step's time and grace: what it has left behind needs
// a moment, and so do its last words.
const stepSlack = 15 * time.Second

// bound is the longest that a job's setup or teardown can take.
func bound(job *message.Job, phase message.Phase) time.Duration {
	var all time.Duration
	for _, c := range job.In(phase) {
		all += c.Timeout() + job.Grace() + stepSlack
	}
	return all
}

// slow reports a host that is setting up and should have been ready long ago: it
// answers, so it is told to stop as all others are.
func (r *run) slow(h *host) {
	h.outcome, h.reason = outcome.HostNotReady, fmt.Sprintf("%s was not ready within %s after its setup had begun", h.name, h.setupTime)
	r.conclude(message.StopFailure, outcome.RunRefused, h.reason)
}
