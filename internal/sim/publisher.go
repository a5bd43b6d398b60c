package sim

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
)

// A publisher is one publish: the shell around the rules of its runs, as the
// publisher package is.
type publisher struct {
	w       *world
	number  int
	name    string
	id      string // its part of its runs' ids
	plan    *Publisher
	clock   machineClock
	station *station
	runs    []*conductor // those that have begun
	effects int
	dead    bool
	idle    random
	label   string // of the next run, for people; empty: its number
}

// A conductor is a run at its publisher.
type conductor struct {
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
	mail     []conduct.Input
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
}

// A fileTake is what has come of a host's files.
type fileTake struct {
	open  string
	bytes uint64
	done  []string
	told  bool // that some are missing, and why
}

func newPublisher(w *world, number int, plan *Publisher) *publisher {
	p := &publisher{w: w, number: number, plan: plan, name: fmt.Sprintf("publisher%d", number+1), id: crockford(uint64(number)+77, 10)}
	p.idle.state = mix(w.plan.Seed + uint64(number) + 9)
	p.station = w.net.add(p.name)
	p.station.deliver = p.take
	if plan != nil {
		p.clock = machineClock{drift: int64(plan.Drift), offset: plan.Offset}
		w.e.after(plan.Begins, func() { p.begin(0) })
	}
	return p
}

// begin makes the run of that number.
func (p *publisher) begin(number int) {
	if p.dead || number >= len(p.plan.Runs) || len(p.runs) > number {
		return
	}
	plan := &p.plan.Runs[number]
	now := p.w.e.now
	id := crockford(uint64(p.clock.wall(now).UnixMilli()), 10) + p.id + crockford(uint64(number+1), 6)
	c := &conductor{p: p, w: p.w, number: number, plan: plan, id: id, clock: p.clock.forRun(), wakeAt: never, began: now}
	p.runs = append(p.runs, c)
	p.w.names[id] = cmp.Or(p.label, fmt.Sprintf("run%d.%d", p.number+1, number+1))
	c.ledger = p.w.ledger.open(id, plan)
	since := id
	if plan.Retry && number > 0 {
		since = p.runs[number-1].since()
	}
	spec := c.spec(since)
	c.files = make([]fileTake, len(c.hosts))
	c.heldBack = plan.Overlaps && number > 0 && !p.runs[number-1].over
	spec.Gated, c.ledger.gated = c.heldBack, c.heldBack
	if p.w.notes != nil {
		p.w.note("%s: begins %s", p.name, p.w.short(id))
	}
	c.core = conduct.New(spec, c.now())
	c.step(nil)
}

func (c *conductor) since() string { return c.hosts[0].job.Since }

// leave ends a publisher that has made all its runs: its queue is deleted.
func (p *publisher) leave() {
	for _, c := range p.runs {
		if !c.over {
			return
		}
	}
	if !p.dead && len(p.runs) == len(p.plan.Runs) {
		p.station.gone = true
	}
}

// spec is the run as the rules are given it.
func (c *conductor) spec(since string) conduct.Spec {
	plan := c.plan
	spec := conduct.Spec{
		Run: c.id, Timeout: plan.Timeout, ReadyTimeout: plan.ReadyTimeout, Lease: plan.Lease,
		Stop: conduct.StopRule{When: plan.StopWhen, After: plan.StopAfter, Grace: plan.Grace, OnFailure: plan.StopOnFailure},
	}
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
	return spec
}

func (c *conductor) job(part *Part, host *host, since string) *message.Job {
	job := &message.Job{
		Run: c.id, Host: host.name, ReplyTo: "sim.events." + c.p.id, Since: since, Experiment: "sim", Datapoint: c.number + 1,
		LeaseMS: c.plan.Lease.Milliseconds(), WindowBytes: int64(c.plan.Window), GraceMS: c.plan.Grace.Milliseconds(),
		Commands: make([]message.Command, 0, len(part.Commands)),
	}
	for k := range part.Commands {
		script := &part.Commands[k]
		job.Commands = append(job.Commands, message.Command{
			Name: script.Name, Phase: script.Phase, Group: script.Group, Argv: argv, OKExit: script.OKExit,
			DelayMS: script.Delay.Milliseconds(), TimeoutMS: script.Timeout.Milliseconds(),
		})
	}
	if len(part.Collect) > 0 {
		job.Collect = []string{"file*"}
	}
	for k := range part.Ships {
		f := &part.Ships[k]
		job.Files = append(job.Files, message.File{Path: f.Path, Mode: 0o600, Bytes: int64(f.Bytes), SHA256: fmt.Sprintf("%064x", mix(uint64(f.Bytes)))})
	}
	job.Needs = job.Uses()
	return job
}

var argv = []string{"played"}

func (c *conductor) now() time.Time { return c.clock.at(c.w.e.now) }

// post has the rules told of something, after what they have asked for is done.
func (c *conductor) post(in conduct.Input) {
	c.mail = append(c.mail, in)
	if !c.soon {
		c.soon = true
		c.w.e.at(c.w.e.now, c.drain)
	}
}

func (c *conductor) drain() {
	c.soon = false
	if len(c.mail) > 0 {
		first := c.mail[0]
		c.mail = c.mail[1:]
		c.step(first)
	}
}

// step has the rules take what became of their last step, and then another one.
func (c *conductor) step(in conduct.Input) {
	for len(c.mail) > 0 {
		first := c.mail[0]
		c.mail = c.mail[1:]
		c.take(first)
	}
	c.take(in)
}

// take has the rules take a step, and carries out what they ask for.
func (c *conductor) take(in conduct.Input) {
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
		c.w.e.after(time.Duration(c.p.idle.below(5_000_000)), func() { c.step(nil) })
	}
}

// schedule has the rules called when they want to be.
func (c *conductor) schedule() {
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
	c.w.e.at(at, func() {
		if c.wakeAt == at {
			c.wakeAt = never
			c.step(nil)
		}
	})
}

// do carries one effect out.
func (c *conductor) do(e conduct.Effect) {
	switch e := e.(type) {
	case conduct.SendJob:
		c.sendJob(e.Host)
	case conduct.Send:
		c.send(e.Host, e.Control)
	case conduct.Inquire:
		c.w.e.after(time.Millisecond, func() {
			c.step(conduct.Inquired{Host: e.Host, Late: e.Late, Why: c.hosts[e.Host].host.name + " does not answer"})
		})
	case conduct.Ship:
		c.ship(e.Host, e.Want)
	case conduct.Store:
		c.store(e.Host, e.Pieces)
	case conduct.StoreFiles:
		c.storeFiles(e.Host, e.Pieces)
	case conduct.CloseFiles:
		c.files[e.Host].open = ""
		c.files[e.Host].told = e.Missing != ""
	case conduct.Flush:
		c.flush()
	case conduct.HostMoved:
		if c.w.notes != nil {
			c.w.note("%s: %s: %s is %s %s", c.p.name, c.w.short(c.id), c.hosts[e.Host].host.name, e.Phase, cmp.Or(c.w.short(e.Detail), e.Detail))
		}
	case conduct.Started, conduct.Exited:
	case conduct.StopBegun:
		c.stopped, c.stopSent = e.Cause, c.w.e.now
		if c.w.notes != nil {
			c.w.note("%s: stops %s (%s: %s)", c.p.name, c.w.short(c.id), e.Cause, e.Reason)
		}
	case conduct.HostsFree:
		c.freed = true
		c.p.freed(c.number)
	case conduct.Warn:
		if c.w.notes != nil {
			c.w.note("%s: warning %d of %s: %s", c.p.name, e.What, c.w.short(c.id), e.Detail)
		}
	}
}

func (c *conductor) sendJob(host int) {
	o := &c.hosts[host]
	p := &parcel{
		kind: jobParcel, from: c.p.station, to: o.host.station, run: c.id, host: o.host.name, job: o.job, size: 2000, persistent: true,
		expires: c.w.e.now.add(c.plan.ReadyTimeout + time.Minute), valid: o.expires,
	}
	if !c.w.net.send(p) {
		c.post(conduct.Unsendable{Host: host, Reason: "no worker has ever served host " + o.host.name})
	}
}

func (c *conductor) send(host int, control message.Control) {
	o := &c.hosts[host]
	if len(c.p.station.held) > 64*len(c.hosts) { // the outbox is full
		return
	}
	o.serial++
	if control.Probe != nil {
		probe := *control.Probe
		probe.SentAt = c.now()
		control.Probe = &probe
	}
	if c.w.notes != nil && !c.w.plain {
		c.w.note("%s: sends %s %s", c.p.name, o.host.name, c.w.control(&control))
	}
	c.w.net.send(&parcel{
		kind: controlParcel, from: c.p.station, to: o.host.station, run: c.id, host: o.host.name, control: &control, serial: o.serial, size: 300,
		expires: c.w.e.now.add(c.plan.Lease), valid: c.now().Add(10 * time.Minute),
	})
}

// ship sends a host a file that it lacks.
func (c *conductor) ship(host int, want message.WantInfo) {
	o := &c.hosts[host]
	part := &c.plan.Parts[host]
	for i := range o.job.Files {
		if o.job.Files[i].SHA256 != want.SHA256 {
			continue
		}
		if part.Ships[i].Gone {
			c.post(conduct.NotShipped{Host: host, Why: part.Ships[i].Path + ": no such file or directory"})
			return
		}
		c.w.net.send(&parcel{kind: chunkParcel, from: c.p.station, to: o.host.station, run: c.id, host: o.host.name, chunk: &chunk{want.SHA256}, size: part.Ships[i].Bytes})
		return
	}
	c.w.ledger.violate("nothing invented: a file is shipped to %s that its job does not name", o.host.name)
}

// A chunk is the content of a shipped file.
type chunk struct{ sum string }

// store puts output into the results.
func (c *conductor) store(host int, pieces []conduct.Piece) {
	for i := range pieces {
		c.pieces++
		if c.plan.FullAfter > 0 && c.pieces > c.plan.FullAfter {
			c.broken()
			return
		}
		p := &pieces[i]
		c.w.ledger.stored(&c.ledger.hosts[host], c.local(host, p.Command), p.Stream, p.Data)
	}
}

// local is the number by which a host knows a command.
func (c *conductor) local(host, command int) int { return slices.Index(c.hosts[host].numbers, command) }

// broken tells the rules, once, that the results take no more.
func (c *conductor) broken() {
	c.full = true
	if !c.told {
		c.told = true
		c.post(conduct.NotStored{Why: "no space left on device"})
	}
}

func (c *conductor) flush() {
	if c.full {
		c.broken()
	}
}

func (c *conductor) storeFiles(host int, pieces iter.Seq[message.Piece]) {
	f := &c.files[host]
	for p := range pieces {
		switch p.Kind {
		case message.FileBegin:
			f.open, f.bytes = p.Path, 0
		case message.FileData:
			f.bytes += uint64(len(p.Data))
		case message.FileEnd:
			if f.bytes != p.Size {
				c.w.ledger.violate("nothing lost: %s of %s has %d bytes in the results, and %d on its host", f.open, c.hosts[host].host.name, f.bytes, p.Size)
			}
			f.done = append(f.done, f.open)
			f.open = ""
		case message.FileMissing:
			f.open = ""
		case message.FilesAnew:
			*f = fileTake{}
		}
	}
}

// take takes a message from the publisher's queue.
func (p *publisher) take(parcel *parcel) {
	i := slices.IndexFunc(p.runs, func(c *conductor) bool { return c.id == parcel.run })
	if i < 0 || p.runs[i].over {
		return
	}
	c := p.runs[i]
	host := slices.IndexFunc(c.hosts, func(o outbox) bool { return o.host.name == parcel.host })
	r := parcel.record
	in := conduct.Received{Host: host, Seq: parcel.seq, At: c.now(), Size: r.size, Sum: r.sum}
	switch {
	case r.event != nil:
		in.Content = conduct.Event{Event: r.event}
	case r.output != nil:
		in.Content = conduct.Output{Segments: slices.Values(r.output)}
	default:
		in.Content = conduct.Files{Unpack: func(buf []byte) (iter.Seq[message.Piece], []byte, error) { return slices.Values(r.files), buf, nil }}
	}
	c.step(in)
}

// reconnected tells the runs that the broker was away.
func (p *publisher) reconnected() {
	for _, c := range p.runs {
		c.post(conduct.Reconnected{})
	}
}

// freed begins the next run behind its gate, if it is one that may overlap.
func (p *publisher) freed(number int) {
	if next := number + 1; next < len(p.plan.Runs) && p.plan.Runs[next].Overlaps {
		p.w.e.after(time.Millisecond, func() { p.begin(next) })
	}
}

// end closes a run that is over.
func (c *conductor) end() {
	c.over, c.endAt = true, c.w.e.now
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

// struck lets the faults happen that strike after the effect just carried out.
func (p *publisher) struck() {
	for i := range p.w.plan.Faults {
		f := &p.w.plan.Faults[i]
		if f.Effect == p.effects && f.Kind.ofPublisher() && f.Who == p.number {
			p.w.strike(f)
		}
	}
}

func (p *publisher) strike(f *Fault) {
	switch f.Kind {
	case PublisherKilled:
		p.dead = true
		p.w.net.crash(p.station)
	case PublisherCutOff:
		p.w.net.cutOff(p.station, true, true, f.Lasts)
	case Interrupted, Cancelled:
		if f.Run >= len(p.runs) {
			return
		}
		c := p.runs[f.Run]
		c.aborted = c.aborted || !c.over && c.core.Stage() < conduct.Stopping
		if f.Kind == Interrupted {
			p.runs[f.Run].post(conduct.Interrupted{Reason: "interrupted"})
		} else {
			p.runs[f.Run].post(conduct.Cancelled{Reason: "by a colleague"})
		}
	default:
	}
}
