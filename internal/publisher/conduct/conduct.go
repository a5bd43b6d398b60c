// Package conduct is a run as its publisher sees it: a machine that knows no
// goroutine, clock, socket or file. What happens goes into [Run.Step] as an [Input],
// with the time, and what is to be done comes out as a list of [Effect]. [Run.Next] says
// when Step wants to be called though nothing has happened.
//
// A run is read from [New] to [Run.Over] in this order: stage.go has the stages of a run
// and what leads from one to the next, phase.go the same of a host. inbox.go puts what a
// host sends in order, and receive.go takes it in; contact.go keeps in touch with a host, and direct.go measures its clock without the broker.
// prepare.go, commands.go, lives.go and files.go are what a host tells of; ask.go has what
// a stage asks of the hosts, deadline.go every deadline. beats.go has the releases after
// the first, and readiness.go what they wait for; actions.go has what is done to processes,
// hub.go and asked.go what these ask of each other. stop.go ends a run and end.go a host's
// part in it; outcome.go says how it ended and why, and result.go gives that out.
// account.go holds what a host reports against what a host can report.
//
// All times are on the run's own clock, but those in events, which are on the clock of
// the host that sent them.
package conduct

import (
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
)

// A Spec is the run to be made.
type Spec struct {
	Run   string // its id
	Hosts []HostSpec
	// Beats are what begins together; none: all processes do. The numbers of the jobs'
	// commands count in it.
	Beats []Beat
	// Actions are in the order of their numbers.
	Actions []Action
	Stop    StopRule
	// Timeout is how long after its release the run is stopped, and has failed; zero: never.
	Timeout time.Duration
	// ReadyTimeout is how long a host may take to become ready, without its setup and
	// without waiting for another run.
	ReadyTimeout time.Duration
	// Lease is how long a host may be silent.
	Lease time.Duration
	// CompleteWithin is how long, after TERM and grace, a host may take to report the rest
	// without any progress; zero: a minute.
	CompleteWithin time.Duration
	// Direct: clocks can be measured without the broker, where hosts answer; see [Measure].
	Direct bool
	// Gated has the hosts prepare and commit, and no release agreed on before [GateOpened]
	// has come.
	Gated bool
}

// A HostSpec is one host's part in the run.
type HostSpec struct {
	Job *message.Job // as it is sent; it must not change any more
	// Numbers are those by which the caller knows the job's commands. They count the
	// commands of all hosts, those of [message.PhaseRun] first, without a gap.
	Numbers []int
}

// A StopRule says when a run that has been released is stopped.
type StopRule struct {
	When      []string      // once every process of these groups has ended
	After     time.Duration // at this time after the release of the last beat; zero: never
	Grace     time.Duration // from TERM to KILL
	OnFailure bool          // as soon as a process fails
	Order     StopOrder
}

// defaultCompleteWithin is CompleteWithin where it is not given.
const defaultCompleteWithin = time.Minute

// A Run is one run. It belongs to its caller: its methods must not be called
// concurrently.
type Run struct {
	spec     Spec
	hosts    []host
	commands []command // by number
	beats    []beat
	groups   map[string]*group // that a beat waits for
	actions  []*action
	hub      hub
	now      time.Time // of this Step
	out      effects
	next     time.Time // when Step is wanted
	due      time.Time // the next of the run's own deadlines, as of the last Step

	stage   Stage
	at      [Completed + 1]int // how many hosts stand at each phase
	pending int                // hosts with an event that can be applied at once
	gate    bool               // it is open
	freed   bool               // it was told that the hosts are free
	notices int                // how many have been given of hosts that don't answer

	enqueuedAt   time.Time // when the jobs were sent
	committingAt time.Time // when the hosts were last asked to commit, and
	committedAt  time.Time // when the last of them had
	releaseAt    time.Time // the agreed instant; zero: there is none yet
	declinedAt   time.Time // when the first host that can't take part was known
	barred       string    // which beat can't begin, if the run is stopped for that

	rule     rule
	ending   ending
	unpacked []byte // the batch of files being taken
}

// New begins a run: the jobs are sent with the effects of the first Step, which is due
// at once.
func New(spec Spec, now time.Time) *Run {
	if spec.CompleteWithin == 0 {
		spec.CompleteWithin = defaultCompleteWithin
	}
	r := &Run{
		spec: spec, now: now, next: now, enqueuedAt: now, gate: !spec.Gated, hosts: make([]host, len(spec.Hosts)), rule: rule{StopRule: spec.Stop},
		ending: ending{grace: spec.Stop.Grace},
	}
	n := 0
	for _, s := range spec.Hosts {
		n += len(s.Numbers)
	}
	r.commands = make([]command, n)
	for i := range r.hosts {
		h := &r.hosts[i]
		*h = newHost(i, &r.spec, r.commands, now)
		for local, n := range h.numbers {
			c := &h.job.Commands[local]
			r.commands[n] = command{Ran: Ran{Command: c}, host: h}
			r.rule.count(c, 1)
		}
		r.out.put(SendJob{Host: i})
		r.out.put(HostMoved{Host: i, Phase: Asked})
	}
	r.at[Asked] = len(r.hosts)
	r.newBeats()
	r.newActions()
	return r
}

// Step takes in what has happened, or, where in is nil, that time has passed. The effects
// are to be carried out in their order, before the next Step, which may use their memory
// again. What is urgent comes first.
//
// At most one event is applied at a time, so that what comes of its effects can be known
// before the next: [Run.Next] is not after now as long as there are more.
func (r *Run) Step(now time.Time, in Input) []Effect {
	if now.After(r.now) {
		r.now = now
	}
	switch {
	case in != nil:
		r.take(in)
	case r.pending > 0:
		r.takePending()
	}
	r.meetDeadlines()
	r.advance()
	r.answer()
	r.askAll()
	r.plan()
	return r.out.flush()
}

// Next is the latest time at which Step must be called, with nil if nothing else happens
// before. It is zero for a run that is over.
func (r *Run) Next() time.Time { return r.next }

// Over reports whether nothing more is expected of any host.
func (r *Run) Over() bool { return r.stage == Over }

// Stage is where the run stands.
func (r *Run) Stage() Stage { return r.stage }

// Clock is what is known of a host's clock, as of the last Step.
func (r *Run) Clock(host int) *clock.Offset { return &r.hosts[host].contact.clock }

// take takes an input in.
func (r *Run) take(in Input) {
	switch in := in.(type) {
	case Received:
		r.receive(&r.hosts[in.Host], in)
	case Unsendable:
		unsendable(r, &r.hosts[in.Host], in)
	case Inquired:
		inquired(r, &r.hosts[in.Host], in)
	case Measured:
		r.measured(&r.hosts[in.Host], in.Samples)
	case NotShipped:
		notShipped(r, &r.hosts[in.Host], in.Why)
	case NotKept:
		r.hosts[in.Host].files.takeBack(in.Bytes)
	case NotStored:
		r.conclude(message.StopFailure, notStored(in.Why))
	case Cancelled:
		r.conclude(message.StopAbort, cancelled(in.Reason))
	case Interrupted:
		r.conclude(message.StopAbort, interrupted(in.Reason))
	case GateOpened:
		r.gate = true
	case Reconnected:
		sendJobsAgain(r)
	}
}

// all reports whether every host has come at least to that phase.
func (r *Run) all(phase Phase) bool {
	for _, n := range r.at[:phase] {
		if n > 0 {
			return false
		}
	}
	return true
}

// move takes a host to a phase, and tells what a person may want to know of that.
func (r *Run) move(h *host, to Phase, detail string) {
	r.at[h.phase]--
	r.at[to]++
	h.phase = to
	h.touch()
	r.out.put(HostMoved{Host: h.index, Phase: to, Detail: detail})
}
