package publisher

import (
	"bytes"
	"fmt"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/results"
)

// A step is one command of a host's setup or teardown. Where the host had to
// give way to another run, it is run more than once.
type step struct {
	experiment.Step
	teardown bool
	tally
	recorded message.Total // of its output: what is in the records
}

// A tally counts what has come of a process's or a step's output.
type tally struct {
	got  message.Total
	open [2]bool // the stream's last byte was no newline
}

// count adds to what was received of a stream. A last line without newline is
// a line.
func (t *tally) count(stream message.Stream, data []byte) {
	if len(data) == 0 {
		return
	}
	lines, size := &t.got.StdoutLines, &t.got.StdoutBytes
	if stream == message.Stderr {
		lines, size = &t.got.StderrLines, &t.got.StderrBytes
	}
	*size += uint64(len(data))
	*lines += uint64(bytes.Count(data, []byte{'\n'}))
	if t.open[stream] {
		*lines--
	}
	t.open[stream] = data[len(data)-1] != '\n'
	if t.open[stream] {
		*lines++
	}
}

// bytes is how much of a stream has come.
func (t *tally) bytes(stream message.Stream) uint64 {
	if stream == message.Stderr {
		return t.got.StderrBytes
	}
	return t.got.StdoutBytes
}

// addSteps makes the steps of every host, numbered as in its job.
func (r *run) addSteps() {
	for i, s := range r.dp.Steps() {
		h := r.byName[s.Host]
		h.steps = append(h.steps, i)
		r.steps = append(r.steps, step{Step: s, teardown: i >= len(r.dp.Setup)})
	}
}

// source finds what wrote some output, and the number that the results and the
// observer know it by: steps count on after the processes. A host counts its own.
func (r *run) source(h *host, local int) (n int, name string, t *tally) {
	if at := local - len(h.processes); at >= 0 && at < len(h.steps) {
		n = h.steps[at]
		return len(r.processes) + n, r.steps[n].Name, &r.steps[n].tally
	}
	n, p := r.process(h, local)
	if p == nil {
		return 0, "", nil
	}
	return n, p.Name, &p.tally
}

// setUp notes that a host runs its setup. That has its own time: only when it is
// over, the host has to be ready as others have to.
func (r *run) setUp(h *host) {
	h.behind = ""
	h.show(message.FeatureSetup, message.FeatureTeardown)
	h.setupTime = bound(h.job.Setup, h.job.Grace()) + r.p.config.ReadyTimeout
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

// stepped records the end of a step.
func (r *run) stepped(h *host, info *message.StepInfo) {
	at := info.Step - len(h.processes)
	if at < 0 || at >= len(h.steps) {
		r.p.slog.Warn("event about a step that was not asked for", "host", h.name, "step", info.Step)
		return
	}
	n := h.steps[at]
	s := &r.steps[n]
	record := results.StepRecord{
		Name: s.Name, Argv: s.Argv, Outcome: results.ProcessOutcome(info.Outcome), Reason: info.Reason,
		ExitCode: info.ExitCode, Signal: info.Signal,
		UserUS: info.UserUS, SystemUS: info.SystemUS, MaxRSSBytes: info.MaxRSSBytes, Swept: info.Swept,
		StdoutLines: s.got.StdoutLines - s.recorded.StdoutLines, StdoutBytes: s.got.StdoutBytes - s.recorded.StdoutBytes,
		StderrLines: s.got.StderrLines - s.recorded.StderrLines, StderrBytes: s.got.StderrBytes - s.recorded.StderrBytes,
	}
	s.recorded = s.got
	if !info.StartedAt.IsZero() {
		started, ended := r.instant(h, info.StartedAt), r.instant(h, info.EndedAt)
		record.StartedAt, record.StartedErrorUS = started.Time, started.ErrorUS()
		record.EndedAt, record.EndedErrorUS = ended.Time, ended.ErrorUS()
	}
	if len(h.setup)+len(h.teardown) >= mostStepRecords {
		return
	}
	if s.teardown {
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

// bound is the longest that steps can take.
func bound(steps []message.Step, grace time.Duration) time.Duration {
	var all time.Duration
	for i := range steps {
		all += steps[i].Timeout() + grace + stepSlack
	}
	return all
}

// slow reports a host that is setting up and should have been ready long ago: it
// answers, so it is told to stop as all others are.
func (r *run) slow(h *host) {
	h.outcome, h.reason = results.HostNotReady, fmt.Sprintf("%s was not ready within %s after its setup had begun", h.name, h.setupTime)
	r.conclude(message.StopFailure, results.RunRefused, h.reason)
}
