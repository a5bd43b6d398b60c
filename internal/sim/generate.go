package sim

import (
	"fmt"
	"strconv"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

// hostNames are what machines are called.
var hostNames = []string{"alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"}

// A Size bounds what a plan is made of.
type Size struct {
	Hosts, Processes int // at most, Processes of a host
	Runs             int // of a publisher
	Publishers       int
	Faults           int
	// Full: as many as that, not at most.
	Full bool
}

// Usual is the size of plans of a campaign, Heavy that of those by which its
// speed is measured.
var (
	Usual = Size{Hosts: 4, Processes: 12, Runs: 2, Publishers: 2, Faults: 3}
	Heavy = Size{Hosts: 4, Processes: 12, Runs: 1, Publishers: 1, Faults: 2, Full: true}
)

func (s *Size) upTo(r *random, n int) int {
	if s.Full {
		return n
	}
	return r.between(1, n)
}

// Generate makes the plan of a seed.
func Generate(seed uint64, size Size) *Plan {
	r := &random{state: mix(seed)}
	p := &Plan{Seed: seed, Network: generateNetwork(r)}
	for i := range size.upTo(r, size.Hosts) {
		p.Hosts = append(p.Hosts, Host{
			Name: hostNames[i], Offset: r.within(-2*time.Hour, 2*time.Hour) / time.Duration(pick(r, 3600, 3600, 1_000_000)),
			Drift: r.between(-100, 100), Unserved: r.oneIn(150), Cached: r.oneIn(2),
		})
		if r.oneIn(80) { // so wrong that jobs look expired, or are from the future
			p.Hosts[i].Offset *= 1000
		}
	}
	if r.oneIn(3) {
		p.IdleSteps = r.between(1, 30)
	}
	for i := range size.upTo(r, size.Publishers) {
		p.Publishers = append(p.Publishers, generatePublisher(r, p, size))
		if i > 0 && r.oneIn(2) { // they get into each other's way in all their steps
			p.Publishers[i].Begins = max(0, p.Publishers[0].Begins+r.within(-50*time.Millisecond, 50*time.Millisecond))
		}
	}
	faults := size.Faults
	if !size.Full {
		faults = r.between(0, size.Faults)
	}
	switch kind := r.below(16); {
	case size.Full:
	case kind < 2: // one of which it can be said how it must end
		p.Publishers, p.Publishers[0].Runs = p.Publishers[:1], p.Publishers[0].Runs[:1]
		p.Network.LossPercent, p.Network.SlowPercent, faults = min(p.Network.LossPercent, 5), 0, 0
	case kind == 2:
		makeRivals(r, p)
		faults = min(faults, 1)
	}
	for range faults {
		p.Faults = append(p.Faults, generateFault(r, p))
	}
	return p
}

// generateNetwork makes one that is quick and quiet in most plans, so that what else goes wrong is seen.
func generateNetwork(r *random) Network {
	n := Network{Seed: r.next(), Delay: r.within(100*time.Microsecond, 2*time.Millisecond), Jitter: r.within(0, pick(r, time.Millisecond, time.Millisecond, 50*time.Millisecond)), Ordered: r.oneIn(2)}
	if r.oneIn(3) {
		n.SlowPercent, n.Slow = r.between(1, 10), r.within(10*time.Millisecond, pick(r, 100*time.Millisecond, 3*time.Second, 20*time.Second))
	}
	if r.oneIn(3) {
		n.TwicePercent = r.between(1, 30)
	}
	if r.oneIn(4) {
		n.LossPercent = r.between(1, 15)
	}
	return n
}

func generatePublisher(r *random, p *Plan, size Size) Publisher {
	pub := Publisher{Offset: r.within(-time.Minute, time.Minute), Drift: r.between(-100, 100), Begins: r.within(0, time.Second)}
	for i := range size.upTo(r, size.Runs) {
		run := generateRun(r, p, size)
		run.Overlaps = i > 0 && r.oneIn(2)
		run.Retry = i > 0 && !run.Overlaps && r.oneIn(3)
		pub.Runs = append(pub.Runs, run)
	}
	return pub
}

func generateRun(r *random, p *Plan, size Size) RunPlan {
	run := RunPlan{
		Lease: r.within(5*time.Second, 30*time.Second), ReadyTimeout: r.within(5*time.Second, 40*time.Second), Timeout: r.within(20*time.Second, 90*time.Second),
		Grace: r.within(0, 10*time.Second), StopOnFailure: !r.oneIn(4), Window: pick(r, 1<<10, 4<<10, 64<<10, 512<<10, 8<<20),
	}
	if r.oneIn(3) {
		run.StopAfter = r.within(time.Second, 60*time.Second)
	}
	if r.oneIn(2) {
		run.StopWhen = []string{"client"}
	}
	if r.oneIn(40) {
		run.FullAfter = r.between(1, 20)
	}
	troubled := r.oneIn(3) // a run in which commands do what they should not
	for i := range p.Hosts {
		if len(p.Hosts) > 1 && !size.Full && r.oneIn(4) && (len(run.Parts) > 0 || i < len(p.Hosts)-1) {
			continue
		}
		run.Parts = append(run.Parts, generatePart(r, &run, i, size, troubled))
	}
	return run
}

// The statuses of processes, besides those that follow a stop.
var okZero, okStopped = []int{0}, []int{0, 143}

// mostSteps is how many commands a host's setup and teardown have together.
const mostSteps = 4

func generatePart(r *random, run *RunPlan, host int, size Size, troubled bool) Part {
	part := Part{Host: host, ClearTakes: r.within(0, 5*time.Millisecond)}
	processes := size.upTo(r, size.Processes)
	part.Commands = make([]Command, 0, processes+mostSteps)
	for i := range processes {
		c := Command{Group: pick(r, "server", "client"), Phase: message.PhaseRun, OKExit: okZero}
		c.Name = c.Group + "." + strconv.Itoa(i)
		if r.oneIn(8) {
			c.Delay = r.within(0, 10*time.Second)
		}
		if r.oneIn(8) {
			c.OKExit = okStopped
		}
		c.Life = generateLife(r, c.Group == "server" && len(run.StopWhen) > 0, troubled)
		part.Commands = append(part.Commands, c)
	}
	stepped := r.oneIn(4)
	for _, phase := range []message.Phase{message.PhaseSetup, message.PhaseTeardown} {
		if !stepped || r.oneIn(3) {
			continue
		}
		for i := range r.between(1, mostSteps/2) {
			c := Command{Name: string(phase) + "." + strconv.Itoa(i), Phase: phase, OKExit: okZero, Timeout: r.within(5*time.Second, 10*time.Second), Life: generateLife(r, false, troubled)}
			c.Life.Runs = min(max(c.Life.Runs, time.Millisecond), r.within(time.Millisecond, 4*time.Second))
			if troubled && r.oneIn(6) {
				c.Life.Runs = 0 // it hangs
			}
			if troubled && r.oneIn(6) {
				c.Timeout = r.within(time.Second, 5*time.Second)
			}
			part.Commands = append(part.Commands, c)
		}
	}
	if r.oneIn(4) {
		for i := range r.between(1, 3) {
			part.Collect = append(part.Collect, Collected{Path: fmt.Sprintf("file%d", i), Bytes: r.below(pick(r, 10, 1000, 200_000)), Broken: r.oneIn(20), Takes: r.within(0, pick(r, 20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond, 2*time.Second))})
			if r.oneIn(60) { // it hangs
				part.Collect[i].Takes = r.within(20*time.Second, 3*time.Minute)
			}
		}
	}
	if r.oneIn(6) {
		part.Ships = append(part.Ships, Shipped{Path: "shipped", Bytes: r.between(1, largestFile), Gone: troubled && r.oneIn(8)})
	}
	return part
}

// generateLife is a command's life; a server goes on until it is told to end.
func generateLife(r *random, server, troubled bool) Life {
	life := Life{PrepareTakes: r.within(0, 20*time.Millisecond), Runs: r.within(time.Millisecond, 20*time.Second), TermCode: -1}
	if r.oneIn(3) {
		life.TermCode, life.TermTakes = pick(r, 0, 0, 0, 1, 143), r.within(0, 2*time.Second)
	}
	if server || r.oneIn(30) {
		life.Runs = 0
	}
	pieces := r.below(4)
	life.Output = make([]Written, 0, pieces)
	for range pieces {
		life.Output = append(life.Output, Written{After: r.within(0, max(life.Runs, 2*time.Second)), Bytes: r.between(1, pick(r, 60, 60, 2000, textPeriod)), Stream: pick(r, streams.Stderr, streams.Stdout, streams.Stdout, streams.Stdout)})
	}
	if !troubled {
		return life
	}
	switch r.below(60) {
	case 0:
		life.Unprepared = r.oneIn(4)
	case 1:
		life.Unstarted = true
	case 2, 3, 4:
		life.Code = r.between(1, 255)
	case 5:
		life.Signal = pick(r, "SIGSEGV", "SIGKILL", "SIGTERM")
	case 6, 7, 8:
		life.IgnoresTerm = true
	case 9, 10, 11:
		life.Forks = r.between(1, 3)
	case 12:
		life.PrepareTakes = r.within(0, 50*time.Second)
	case 13:
		life.Unkillable = r.oneIn(4)
	}
	return life
}

func generateFault(r *random, p *Plan) Fault {
	f := Fault{Kind: FaultKind(r.below(int(faultKinds))), At: r.within(0, pick(r, 100*time.Millisecond, 5*time.Second, 60*time.Second)), Keeps: r.between(0, 100), Guard: r.oneIn(2)}
	f.Lasts = r.within(time.Millisecond, pick(r, 500*time.Millisecond, 10*time.Second, 60*time.Second))
	switch f.Kind {
	case PublisherKilled, PublisherCutOff, Interrupted, Cancelled:
		f.Who = r.below(len(p.Publishers))
		f.Run = r.below(len(p.Publishers[f.Who].Runs))
	case BrokerRestarted, BrokerEmptied:
		f.Lasts = min(f.Lasts, 20*time.Second)
	default:
		f.Who = r.below(len(p.Hosts))
	}
	switch f.Kind {
	case WorkerKilled, HostDown, PublisherKilled, WorkerLeaves:
		if r.oneIn(8) {
			f.Lasts = Forever
		}
		if r.oneIn(2) { // in the middle of what a step has asked for
			f.Effect = r.between(1, pick(r, 20, 200))
		}
	case WallClockStepped:
		f.By = r.within(-24*time.Hour, 24*time.Hour)
	case Stalled:
		f.Lasts = min(f.Lasts, 15*time.Second)
	default:
	}
	return f
}
