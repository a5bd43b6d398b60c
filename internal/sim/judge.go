package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/publisher/conduct"
)

// The checks when a run is over for its publisher, and when the world is over. The record
// is held against the ledger.

// judge looks at a run that has come to its end.
func (l *ledger) judge(c *publisherRun) {
	res := c.core.Result()
	r := c.ledger
	r.result = &res
	l.w.happened(uint64(len(res.Outcome)), uint64(len(res.Reason)))
	l.w.note("%s is %s %s", l.w.short(c.id), res.Outcome, res.Reason)
	if c.full { // there is no record that anybody could read
		if res.Outcome == outcome.RunSucceeded {
			l.violate("success is proved: %s has succeeded, and its results can't be written", l.w.short(c.id))
		}
		return
	}
	l.judgeReason(c, &res)
	l.judgeDuration(c)
	if res.Outcome == outcome.RunSucceeded {
		l.judgeSuccess(c, &res)
	}
	if res.Outcome == outcome.RunRefused && r.executed > 0 {
		l.violate("all or nothing: %s is refused, and %d processes were executed", l.w.short(c.id), r.executed)
	}
	if c.aborted && res.Outcome != outcome.RunAborted {
		l.violate("the record says what happened: %s is %s (%s), and an operator has stopped it", l.w.short(c.id), res.Outcome, res.Reason)
	}
	if want := l.w.plan.expected(c.p.plan, c.plan); !l.w.plain && want != "" && want != res.Outcome {
		l.violate("the record says what happened: %s is %s (%s), and must be %s", l.w.short(c.id), res.Outcome, res.Reason, want)
	}
	if c.plan.StopOnFailure && l.w.calm() && l.w.plan.Network.LossPercent == 0 {
		l.judgeStop(c)
	}
	if n := &l.w.plan.Network; res.Outcome == outcome.RunLost && l.w.calm() && (n.LossPercent == 0 || n.LossPercent <= 5 && c.plan.Lease >= 15*time.Second) {
		l.violate("the record says what happened: %s is lost (%s), and nothing was", l.w.short(c.id), res.Reason)
	}
	l.judgeBeats(c, &res)
	l.judgeActions(c, &res)
	l.judgeAsks(c, &res)
	for i := range c.hosts {
		l.judgeHost(c, &res, i)
	}
}

// judgeStop checks that a run which is to be stopped when a process fails was.
func (l *ledger) judgeStop(c *publisherRun) {
	failed, last := never, instant(0)
	for i := range c.ledger.hosts {
		for k := range c.ledger.hosts[i].commands {
			m := &c.ledger.hosts[i].commands[k]
			if m.script.Phase != message.PhaseRun || m.lives == 0 || !m.exited {
				continue
			}
			last = max(last, m.exit.ended)
			if m.failed() && !m.exit.stopped && !m.mayBeginAnew() {
				failed = min(failed, m.exit.ended)
			}
		}
	}
	if soon := failed + instant(time.Second); failed != never && last > soon && (c.stopSent == 0 || c.stopSent > soon) {
		l.violate("promptly: a process of %s has failed, and it is not stopped", l.w.short(c.id))
	}
}

// judgeReason checks that whoever is at fault is named.
func (l *ledger) judgeReason(c *publisherRun, res *conduct.Result) {
	if res.Outcome == outcome.RunSucceeded {
		return
	}
	names := func() bool {
		for i := range c.hosts {
			if strings.Contains(res.Reason, c.hosts[i].host.name) {
				return true
			}
		}
		return false
	}
	switch {
	case res.Reason == "":
		l.violate("the record says what happened: %s is %s, and it does not say why", l.w.short(c.id), res.Outcome)
	case res.Outcome == outcome.RunLost && !names(), res.Outcome == outcome.RunRefused && !names():
		l.violate("the record says what happened: %s is %s, and no host is named: %s", l.w.short(c.id), res.Outcome, res.Reason)
	case res.Outcome == outcome.RunFailed && strings.HasPrefix(res.Reason, "action "):
		if l.allDone(c, res) {
			l.violate("actions: %s has failed, and all was done that had to be: %s", l.w.short(c.id), res.Reason)
		}
	case res.Outcome == outcome.RunFailed && !c.full && !l.namesFailed(c, res.Reason):
		l.violate("the record says what happened: %s has failed, and none that failed is named: %s", l.w.short(c.id), res.Reason)
	}
}

// namesFailed reports whether the reason names a process that failed, or can't be ended.
func (l *ledger) namesFailed(c *publisherRun, reason string) bool {
	for i := range c.ledger.hosts {
		h := &c.ledger.hosts[i]
		for k := range h.commands {
			m := &h.commands[k]
			if m.left && strings.Contains(reason, h.host.name) || strings.Contains(reason, m.script.Name+" on "+h.host.name) && (m.hasFailed() || h.mayBeUnready(m)) {
				return true
			}
		}
	}
	return false
}

// failed reports whether the command came to an end that is none of those that are good.
func (c *ledgerCommand) failed() bool {
	return c.left || c.exited && !c.exit.acted && (c.exit.reason != "" || !slices.Contains(c.script.OKExit, outcome.Status(c.exit.code, c.exit.signal)))
}

// judgeDuration checks that nobody waited for longer than he may.
func (l *ledger) judgeDuration(c *publisherRun) {
	if took, most := time.Duration(c.endAt-c.began), l.longest(); took > most {
		l.violate("every wait ends: %s took %s, and should have been over after %s", l.w.short(c.id), took, most)
	}
}

// longest is the longest that a run may take. Waiting for other runs has no bound of
// its own: so those are added that can come before it.
func (l *ledger) longest() time.Duration {
	var all time.Duration
	for _, p := range l.w.plan.Publishers {
		for i := range p.Runs {
			all += p.Runs[i].longest()
		}
	}
	return all + time.Minute
}

// longest is the longest that a run may take by itself, as its deadlines add up:
// becoming ready, being released, the timeout, the stop, the end.
func (r *RunPlan) longest() time.Duration {
	asking := max(r.Lease, 5*time.Second)
	var setup, teardown time.Duration
	for i := range r.Parts {
		var s, t time.Duration
		for k := range r.Parts[i].Commands {
			switch c := &r.Parts[i].Commands[k]; c.Phase {
			case message.PhaseSetup:
				s += c.Timeout + r.Grace + 15*time.Second
			case message.PhaseTeardown:
				t += c.Timeout + r.Grace + 15*time.Second
			case message.PhaseRun:
			}
		}
		for k := range r.Parts[i].Collect {
			t += r.Parts[i].Collect[k].Takes
		}
		setup, teardown = max(setup, s), max(teardown, t)
	}
	return time.Duration(len(r.Beats))*(r.Grace+15*time.Second) + 2*r.ReadyTimeout + setup + 4*asking + r.Timeout + r.Grace + 2*teardown + 4*time.Minute
}

// judgeSuccess checks that everything went as it should where a run has succeeded.
func (l *ledger) judgeSuccess(c *publisherRun, res *conduct.Result) {
	for i := range res.Processes {
		if p := &res.Processes[i]; !p.StartedAt.IsZero() && p.Exit == nil {
			l.violate("success is proved: %s has succeeded, and the record has no end of %s", l.w.short(c.id), p.Name)
		}
	}
	for i := range c.ledger.hosts {
		h := &c.ledger.hosts[i]
		for k := range h.commands {
			blur := time.Duration(0) // of when it has ended
			if n := c.hosts[i].numbers[k]; n < len(res.Processes) {
				blur = 2 * res.Processes[n].EndedAt.Error
			}
			if what := l.lacking(c, h, &h.commands[k], blur); what != "" {
				l.violate("success is proved: %s has succeeded, and %s on %s %s", l.w.short(c.id), h.commands[k].script.Name, h.host.name, what)
			}
		}
		var want []string
		for k := range h.part.Collect {
			if f := &h.part.Collect[k]; !f.Broken {
				want = append(want, f.Path)
			}
		}
		if !slices.Equal(c.files[i].done, want) && !c.files[i].told {
			l.violate("nothing lost: %s has succeeded, and of %s the files %v have come, not %v", l.w.short(c.id), h.host.name, c.files[i].done, want)
		}
	}
}

// lacking says what of a command does not fit to a run that has succeeded. Where the clocks can't
// tell, by so much as blur, a process has ended after the stop.
func (l *ledger) lacking(c *publisherRun, h *ledgerHost, m *ledgerCommand, blur time.Duration) string {
	rule := c.stopped == message.StopRule
	switch {
	case m.stored[0] != m.streams[0].bytes || m.stored[1] != m.streams[1].bytes:
		return fmt.Sprintf("has written %d and %d bytes, of which %d and %d are stored", m.streams[0].bytes, m.streams[1].bytes, m.stored[0], m.stored[1])
	case m.script.Phase == message.PhaseTeardown && m.lives == 0 && !m.script.Life.Unprepared && !m.exited && m.script.Life.PrepareTakes < m.script.Timeout:
		return "was not run"
	case m.script.Phase == message.PhaseSetup && m.failed():
		return "did not succeed"
	case m.script.Phase != message.PhaseRun:
		return ""
	case m.lives == 0 && (!rule || m.script.Delay == 0 && m.script.Beat == 0):
		return "was never started"
	case m.lives == 0:
		return ""
	case m.gone || !m.exited:
		return "has no end that anybody saw"
	case m.betweenLives():
		due := m.exit.ended.add(m.script.Restart.Wait + l.slack() + time.Second)
		if m.starts == 0 && (!rule || l.w.calm() && due < c.stopSent) {
			return "was to begin anew, and did not"
		}
		return ""
	case !m.readyInTime() && (!rule || h.knewUnready(m).add(l.slack()) < c.stopSent):
		return "was not ready"
	case m.failed() && !rule:
		return "did not succeed"
	case m.failed() && !m.mayBeginAnew() && !m.exit.stopped && !m.exit.killed && m.exit.ended.add(blur) < c.stopSent:
		return "had failed before the stop"
	}
	return ""
}

// judgeHost checks what the record says of a host and its processes.
func (l *ledger) judgeHost(c *publisherRun, res *conduct.Result, i int) {
	h, hr := &c.ledger.hosts[i], &res.Hosts[i]
	if hr.Outcome == outcome.HostLost && (res.Outcome == outcome.RunSucceeded || res.Outcome == outcome.RunFailed || res.Outcome == outcome.RunTimedOut) {
		l.violate("the record says what happened: %s is lost (%s), and %s is %s (%s)", h.host.name, hr.Reason, l.w.short(c.id), res.Outcome, res.Reason)
	}
	whole := hr.Outcome == outcome.HostSucceeded || hr.Outcome == outcome.HostFailed || hr.Outcome == outcome.HostTimedOut
	if whole && !c.full && h.samples != h.sampled {
		l.violate("nothing lost: %s has taken %d samples, %d are stored, and its part in %s is said to be %s", h.host.name, h.sampled, h.samples, l.w.short(c.id), hr.Outcome)
	}
	for local, n := range c.hosts[i].numbers {
		m := &h.commands[local]
		if whole && !c.full && m.exited && (m.stored[0] != m.streams[0].bytes || m.stored[1] != m.streams[1].bytes) {
			l.violate("nothing lost: %s on %s has written %d and %d bytes, %d and %d are stored, and the host's part in %s is said to be %s",
				m.script.Name, h.host.name, m.streams[0].bytes, m.streams[1].bytes, m.stored[0], m.stored[1], l.w.short(c.id), hr.Outcome)
		}
		if m.script.Phase == message.PhaseRun {
			ran := &res.Processes[n]
			if whole && m.lives > 0 && len(ran.Earlier) != m.lives-1 {
				l.violate("the record says what happened: %s of %s on %s has %d lives, and it had %d", m.script.Name, l.w.short(c.id), h.host.name, len(ran.Earlier)+1, m.lives)
			}
			l.judgeProcess(c, h, m.asOf(len(ran.Earlier)), ran)
		}
	}
}

// judgeProcess checks what the record says of a process.
func (l *ledger) judgeProcess(c *publisherRun, h *ledgerHost, m *ledgerCommand, ran *conduct.Ran) {
	wrong := ""
	switch {
	case !c.full && (ran.Total.StdoutBytes != m.stored[0] || ran.Total.StderrBytes != m.stored[1]):
		wrong = fmt.Sprintf("has written %+v", ran.Total)
	case m.stored[0] == m.streams[0].bytes && ran.Total.StdoutLines != m.streams[0].total():
		wrong = fmt.Sprintf("has written %d lines, and it was %d", ran.Total.StdoutLines, m.streams[0].total())
	case ran.Exit != nil && ran.Exit.Left != m.left:
		wrong = "can't be ended, or can it?"
	case ran.Exit != nil && ran.Exit.Left:
	case ran.Exit != nil && !m.exited:
		wrong = "has ended, and nobody saw it"
	case ran.Exit != nil && (ran.Exit.ExitCode != m.exit.code || ran.Exit.Signal != m.exit.signal):
		wrong = fmt.Sprintf("has ended with %d %s, and it was %d %s", ran.Exit.ExitCode, ran.Exit.Signal, m.exit.code, m.exit.signal)
	case ran.Exit != nil && ran.Exit.Action != nil && !m.exit.acted:
		wrong = "is said to have been ended by an action, and was not"
	case ran.Outcome == outcome.CommandSucceeded && m.failed():
		wrong = "has succeeded, and it has not"
	case ran.Outcome == outcome.CommandFailed && !m.failed() && !h.mayBeUnready(m):
		wrong = "has failed, and it has not: " + ran.Reason
	case ran.Outcome == outcome.CommandKilled && !m.exit.killed:
		wrong = "was killed, and it was not"
	case ran.Outcome == outcome.CommandNotStarted && m.exited && m.exit.reason == "" && h.told(c):
		wrong = "was not started, and it was"
	case !ran.StartedAt.IsZero() && m.lives > 0:
		wrong = within("started", ran.StartedAt.Earliest(), ran.StartedAt.Latest(), c.clock.at(m.start))
	}
	if wrong == "" && ran.Exit != nil && m.exited && m.exit.reason == "" {
		wrong = within("ended", ran.EndedAt.Earliest(), ran.EndedAt.Latest(), c.clock.at(m.exit.ended))
	}
	if wrong != "" {
		l.violate("the record says what happened: %s of %s on %s %s", m.script.Name, l.w.short(c.id), h.host.name, wrong)
	}
}

// told reports whether the host has told its publisher how its part ended.
func (h *ledgerHost) told(c *publisherRun) bool {
	for i := range c.hosts {
		if c.hosts[i].host == h.host {
			o := h.run.result.Hosts[i].Outcome
			return o == outcome.HostSucceeded || o == outcome.HostFailed
		}
	}
	return false
}

// within says that an instant is outside of its bounds, if so.
func within(what string, from, to, at time.Time) string {
	if at.Before(from.Add(-time.Microsecond)) || at.After(to.Add(time.Microsecond)) {
		return fmt.Sprintf("%s between %s and %s, and it was at %s", what, from.Format("15:04:05.000000000"), to.Format("15:04:05.000000000"), at.Format("15:04:05.000000000"))
	}
	return ""
}

// close looks at what is left when nothing moves any more.
func (l *ledger) close() {
	for _, p := range l.w.pubs {
		for _, c := range p.runs {
			if !c.over && !p.dead {
				l.violate("every wait ends: %s is not over after %s, it is %s", l.w.short(c.id), time.Duration(l.w.e.now-c.began), c.core.Stage())
			}
		}
	}
	for _, h := range l.w.hosts {
		if h.worker != nil {
			for _, t := range h.worker.runs {
				l.violate("every wait ends: %s is not over on %s, it is %s", l.w.short(t.dir.job.Run), h.name, t.core.State())
			}
		}
		for _, s := range h.sets {
			if s.living() > 0 {
				l.violate("nothing left: processes of %s live on %s when all is over", l.w.short(s.run), h.name)
			}
		}
	}
	l.together()
}

// together checks that hosts which were told in time release a run at one instant,
// and stop it at one.
func (l *ledger) together() {
	for _, r := range l.runs {
		slack := l.slack()
		for i := range r.hosts {
			slack = max(slack, l.slackOf(&r.hosts[i]))
		}
		for k := range max(len(r.plan.Beats), 1) {
			l.togetherOn(r, k, slack)
		}
	}
}

// slack is how far apart the clocks may be taken for.
func (l *ledger) slack() time.Duration {
	n := &l.w.plan.Network
	slack := 2*(n.Delay+n.Jitter) + 5*time.Millisecond
	if n.SlowPercent > 0 {
		slack += 2 * n.Slow
	}
	return slack
}

func (l *ledger) togetherOn(r *ledgerRun, beat int, slack time.Duration) {
	var releases, stops spread
	for i := range r.hosts {
		releases.add(r.hosts[i].releases[beat])
		stops.add(r.hosts[i].stops[beat])
	}
	if d := releases.width(); d > slack {
		l.violate("together: the hosts of %s release it over %s", l.w.short(r.id), d)
	}
	if d := stops.width(); d > slack {
		l.violate("together: the hosts of %s stop it over %s", l.w.short(r.id), d)
	}
}

// A spread is from the first to the last of some instants.
type spread struct{ first, last instant }

// add counts an instant that was reached, and in time.
func (s *spread) add(t told) {
	if t.at == 0 || t.late {
		return
	}
	if s.first == 0 || t.at < s.first {
		s.first = t.at
	}
	s.last = max(s.last, t.at)
}

func (s *spread) width() time.Duration { return time.Duration(s.last - s.first) }

// outcomes are how the runs ended, one line each.
func (l *ledger) outcomes() []string {
	var all []string
	for _, r := range l.runs {
		if r.result == nil {
			all = append(all, fmt.Sprintf("%s has no end", l.w.short(r.id)))
			continue
		}
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s", l.w.short(r.id), r.result.Outcome, r.result.Reason)))
		if l.w.notes == nil {
			continue
		}
		for i := range r.hosts {
			hr := &r.result.Hosts[i]
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s: %s %s", l.w.short(r.id), r.hosts[i].host.name, hr.Outcome, hr.Reason)))
		}
	}
	return all
}
