package sim

import (
	"time"

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
)

// A publisherRun is a run at its publisher.
type publisherRun struct {
	p      *publisher
	w      *world
	number int
	plan   *RunPlan
	id     string
	core   *conduct.Run
	clock  runClock
	ledger *ledgerRun
	hosts  []outbox

	wakeAt   instant
	waking   call // of wake
	mail     mail[conduct.Input]
	soon     bool
	began    instant
	over     bool
	endAt    instant
	pieces   int        // of output that were stored
	full     bool       // the results take no more
	told     bool       // and the rules know
	aborted  bool       // an operator has stopped it before anything else had
	freed    bool       // no process of it is left, the rules say
	files    []fileTake // of each host
	heldBack bool       // it began behind a gate
	stopped  message.StopCause
	stopSent instant
}

// An outbox is what is sent to one host.
type outbox struct {
	host    *host
	job     *message.Job
	numbers []int
	expires time.Time
	serial  uint64
	// measured: its clock is being measured directly; firstAsked is when that began first, and
	// answered: something, or nothing, has come of that.
	measured   bool
	firstAsked instant
	answered   bool
}

// A fileTake is what has come of a host's files.
type fileTake struct {
	open  string
	bytes uint64
	done  []string
	told  bool // that some are missing, and why
}

func (c *publisherRun) since() string { return c.hosts[0].job.Since }

// spec is the run as the rules are given it.
func (c *publisherRun) spec(since string) conduct.Spec {
	plan := c.plan
	spec := conduct.Spec{
		Run: c.id, Direct: plan.Direct, Timeout: plan.Timeout, ReadyTimeout: plan.ReadyTimeout, Lease: plan.Lease,
		Stop: conduct.StopRule{When: plan.StopWhen, After: plan.StopAfter, Grace: plan.Grace, OnFailure: plan.StopOnFailure},
	}
	plan.inTime(&spec)
	processes, steps := 0, 0
	for i := range plan.Parts {
		for k := range plan.Parts[i].Commands {
			if plan.Parts[i].Commands[k].Phase == message.PhaseRun {
				processes++
			}
		}
	}
	rank := 0
	for i := range plan.Parts {
		part := &plan.Parts[i]
		host := c.w.hosts[part.Host]
		job := c.job(part, host, since)
		hs := conduct.HostSpec{Job: job}
		for k := range job.Commands {
			if job.Commands[k].Phase == message.PhaseRun {
				job.Commands[k].Rank = rank
				hs.Numbers = append(hs.Numbers, rank)
				rank++
			} else {
				hs.Numbers = append(hs.Numbers, processes+steps)
				steps++
			}
		}
		spec.Hosts = append(spec.Hosts, hs)
		valid := c.p.clock.wall(c.w.e.now).Add(plan.ReadyTimeout + time.Minute)
		c.hosts = append(c.hosts, outbox{host: host, job: job, numbers: hs.Numbers, expires: valid})
	}
	for i := range plan.Actions {
		spec.Actions = append(spec.Actions, plan.Actions[i].action(i, spec.Hosts))
	}
	return spec
}

func (c *publisherRun) job(part *Part, host *host, since string) *message.Job {
	job := &message.Job{
		Run: c.id, Host: host.name, ReplyTo: "sim.events." + c.p.id, Since: since, Experiment: "sim", Datapoint: c.number + 1,
		LeaseMS: c.plan.Lease.Milliseconds(), WindowBytes: int64(c.plan.Window), GraceMS: c.plan.Grace.Milliseconds(),
		Commands: make([]message.Command, 0, len(part.Commands)),
	}
	for k := range part.Commands {
		script := &part.Commands[k]
		job.Commands = append(job.Commands, message.Command{
			Name: script.Name, Phase: script.Phase, Group: script.Group, Argv: argv, OKExit: script.OKExit, Beat: script.Beat, Ready: script.Ready.readiness(), Restart: script.Restart.restart(), Stop: script.Stop.message(),
			DelayMS: script.Delay.Milliseconds(), TimeoutMS: script.Timeout.Milliseconds(),
		})
	}
	if !c.w.plain && c.number%2 == 1 {
		job.SampleMS = sampleEvery.Milliseconds()
	}
	c.plan.addActions(part, job)
	job.Sync = part.asks()
	if len(part.Collect) > 0 {
		job.Collect = []string{"file*"}
	}
	for k := range part.Ships {
		f := &part.Ships[k]
		job.Files = append(job.Files, message.File{Path: f.Path, Mode: 0o600, Bytes: int64(f.Bytes), SHA256: c.w.hash(f.Bytes)})
	}
	job.Needs, job.Facts = job.Uses(), !c.w.plain
	return job
}

var argv = []string{"played"}

func (c *publisherRun) now() time.Time { return c.clock.at(c.w.e.now) }

// post has the rules told of something, after what they have asked for is done.
func (c *publisherRun) post(in conduct.Input) {
	c.mail.put(in)
	if !c.soon {
		c.soon = true
		c.w.e.at(c.w.e.now, c.drain)
	}
}

func (c *publisherRun) drain() {
	c.soon = false
	if !c.mail.empty() {
		c.step(c.mail.take())
	}
}

// step has the rules take what became of their last step, and then another one.
func (c *publisherRun) step(in conduct.Input) {
	for !c.mail.empty() {
		c.take(c.mail.take())
	}
	c.take(in)
}

// take has the rules take a step, and carries out what they ask for.
func (c *publisherRun) take(in conduct.Input) {
	if c.over || c.p.dead {
		return
	}
	for _, e := range c.core.Step(c.now(), in) {
		c.do(e)
		c.p.effects++
		c.p.struck()
		if c.p.dead {
			return
		}
	}
	if c.core.Over() {
		c.end()
		return
	}
	c.schedule()
	if c.p.idle.percent(c.w.plan.IdleSteps) {
		c.w.e.after(time.Duration(c.p.idle.below(5_000_000)), c.idle)
	}
}

// idle has the rules take a step when they have not asked for one, which changes nothing.
func (c *publisherRun) idle() {
	if c.over || c.p.dead || !c.core.Next().After(c.now()) {
		return
	}
	if effects := c.core.Step(c.now(), nil); len(effects) > 0 {
		c.w.ledger.violate("a step with nothing to do: %s does %T", c.p.name, effects[0])
	}
}

// schedule has the rules called when they want to be.
func (c *publisherRun) schedule() {
	next := c.core.Next()
	if next.IsZero() {
		c.w.ledger.violate("no wait without a deadline: %s wants never to be called again, and is not over", c.w.short(c.id))
		return
	}
	at := max(c.clock.local(next), c.w.e.now)
	if at >= c.wakeAt {
		return
	}
	c.wakeAt = at
	c.w.e.plan(at, c.waking)
}

// wake has the rules called if it is now that they want to be.
func (c *publisherRun) wake() {
	if c.wakeAt == c.w.e.now {
		c.wakeAt = never
		c.step(nil)
	}
}

// end closes a run that is over.
func (c *publisherRun) end() {
	c.over, c.endAt = true, c.w.e.now
	for !c.mail.empty() { // what became of the last effects counts
		if in, ok := c.mail.take().(conduct.NotStored); ok {
			c.core.Step(c.now(), in)
		}
	}
	if c.w.notes != nil {
		c.w.note("%s: %s is over", c.p.name, c.w.short(c.id))
	}
	c.w.ledger.judge(c)
	next := c.number + 1
	c.w.e.after(10*time.Millisecond, func() { // its record is made
		if len(c.p.runs) > next {
			c.p.runs[next].ledger.gated = false
			c.p.runs[next].post(conduct.GateOpened{})
		}
		c.p.begin(next)
		c.p.leave()
	})
}
