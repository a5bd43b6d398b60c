package sim

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Shrink makes a plan that breaks a promise smaller, one thing at a time, as long
// as it breaks the same one. It carries out at most so many plans.
func Shrink(p *Plan, tries int) *Plan {
	return shrink(p, tries, func(p *Plan) []string { return Run(p).Violations })
}

func shrink(p *Plan, tries int, run func(*Plan) (violations []string)) *Plan {
	first := run(p)
	if len(first) == 0 {
		return p
	}
	s := &shrinker{run: run, best: p, promise: promise(first[0]), tries: tries}
	for s.round() {
	}
	return s.best
}

// promise is which one a violation breaks: it begins with that.
func promise(violation string) string {
	name, _, _ := strings.Cut(violation, ":")
	return name
}

type shrinker struct {
	run     func(*Plan) (violations []string)
	best    *Plan
	promise string
	tries   int
}

// try keeps a changed copy of the best plan if it still breaks the promise.
func (s *shrinker) try(change func(*Plan) bool) bool {
	if s.tries <= 0 {
		return false
	}
	p := s.best.clone()
	if !change(p) {
		return false
	}
	s.tries--
	for _, v := range s.run(p) {
		if promise(v) == s.promise {
			s.best = p
			return true
		}
	}
	return false
}

// round tries everything once, large things first, and reports whether anything
// could be left out.
func (s *shrinker) round() (smaller bool) {
	note := func(ok bool) { smaller = smaller || ok }
	each := func(n int, change func(p *Plan, i int) bool) {
		for i := n - 1; i >= 0; i-- {
			note(s.try(func(p *Plan) bool { return change(p, i) }))
		}
	}
	each(len(s.best.Publishers), dropPublisher)
	each(len(s.best.Faults), func(p *Plan, i int) bool { p.Faults = slices.Delete(p.Faults, i, i+1); return true })
	for k := range s.best.Publishers {
		each(len(s.best.Publishers[k].Runs), func(p *Plan, i int) bool { return dropRun(p, k, i) })
	}
	each(len(s.best.Hosts), dropHost)
	s.eachRun(func(at func(*Plan) *RunPlan) {
		for i := range at(s.best).Parts {
			each(len(at(s.best).Parts[i].Commands), func(p *Plan, k int) bool { return dropCommand(at(p), i, k) })
			for k := range at(s.best).Parts[i].Commands {
				for _, simpler := range simplerCommands {
					note(s.try(func(p *Plan) bool { return simpler(&at(p).Parts[i].Commands[k]) }))
				}
			}
			for _, simpler := range simplerParts {
				note(s.try(func(p *Plan) bool { return simpler(&at(p).Parts[i]) }))
			}
		}
		each(len(at(s.best).Actions), func(p *Plan, i int) bool { at(p).Actions = slices.Delete(at(p).Actions, i, i+1); return true })
		for _, simpler := range simplerRuns {
			note(s.try(func(p *Plan) bool { return simpler(at(p)) }))
		}
	})
	for _, simpler := range simplerPlans {
		note(s.try(simpler))
	}
	return smaller && s.tries > 0
}

// eachRun visits every run of the best plan, by a way to find it in a copy.
func (s *shrinker) eachRun(visit func(at func(*Plan) *RunPlan)) {
	for k := range s.best.Publishers {
		for i := range s.best.Publishers[k].Runs {
			visit(func(p *Plan) *RunPlan { return &p.Publishers[k].Runs[i] })
		}
	}
}

func (p *Plan) clone() *Plan {
	data, err := json.Marshal(p)
	if err != nil {
		panic(err) // a plan is plain
	}
	c := new(Plan)
	if err := json.Unmarshal(data, c); err != nil {
		panic(err)
	}
	return c
}

func dropPublisher(p *Plan, i int) bool {
	if len(p.Publishers) == 1 {
		return false
	}
	p.Publishers = slices.Delete(p.Publishers, i, i+1)
	p.dropWho(i, func(k FaultKind) bool { return k.ofPublisher() })
	return true
}

func dropHost(p *Plan, i int) bool {
	for k := range p.Publishers {
		for n := range p.Publishers[k].Runs {
			run := &p.Publishers[k].Runs[n]
			if m := slices.IndexFunc(run.Parts, func(part Part) bool { return part.Host == i }); m >= 0 {
				run.Parts = slices.Delete(run.Parts, m, m+1)
				run.retarget(func(t *Target) bool {
					if t.Part > m {
						t.Part--
						return true
					}
					return t.Part < m
				})
			}
			if len(run.Parts) == 0 {
				return false
			}
			for m := range run.Parts {
				if run.Parts[m].Host > i {
					run.Parts[m].Host--
				}
			}
		}
	}
	p.Hosts = slices.Delete(p.Hosts, i, i+1)
	p.dropWho(i, func(k FaultKind) bool { return k.ofHost() })
	return true
}

// dropWho takes out the faults of a machine that is gone, and renumbers the others'.
func (p *Plan) dropWho(i int, concerns func(FaultKind) bool) {
	p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { return concerns(f.Kind) && f.Who == i })
	for k := range p.Faults {
		if f := &p.Faults[k]; concerns(f.Kind) && f.Who > i {
			f.Who--
		}
	}
}

func dropRun(p *Plan, k, i int) bool {
	pub := &p.Publishers[k]
	if len(pub.Runs) == 1 {
		return false
	}
	pub.Runs = slices.Delete(pub.Runs, i, i+1)
	pub.Runs[0].Overlaps, pub.Runs[0].Retry = false, false
	p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { return f.ofRun() && f.Who == k && f.Run == i })
	for n := range p.Faults {
		if f := &p.Faults[n]; f.ofRun() && f.Who == k && f.Run > i {
			f.Run--
		}
	}
	return true
}

// dropCommand leaves a part at least one process.
func dropCommand(run *RunPlan, i, k int) bool {
	part := &run.Parts[i]
	part.Commands = slices.Delete(part.Commands, k, k+1)
	run.retarget(func(t *Target) bool {
		if t.Part == i && t.Command > k {
			t.Command--
			return true
		}
		return t.Part != i || t.Command < k
	})
	return slices.ContainsFunc(part.Commands, func(c Command) bool { return c.Phase == "run" })
}

// retarget changes what is done to what, or leaves it out. An action that is done to nothing, or
// for nothing, goes.
func (r *RunPlan) retarget(keep func(*Target) bool) {
	filter := func(all []Target) (kept []Target) {
		for _, t := range all {
			if keep(&t) {
				kept = append(kept, t)
			}
		}
		return kept
	}
	for i := range r.Actions {
		a := &r.Actions[i]
		timed := a.timed()
		a.Targets, a.Watched = filter(a.Targets), filter(a.Watched)
		if !timed && a.timed() {
			a.Targets = nil
		}
	}
	r.Actions = slices.DeleteFunc(r.Actions, func(a Action) bool { return len(a.Targets) == 0 })
}

// clearField makes a field zero, and reports whether it was not.
func clearField[T comparable](field *T) bool {
	var zero T
	was := *field
	*field = zero
	return was != zero
}

var simplerCommands = []func(*Command) bool{
	func(c *Command) bool { was := len(c.Life.Output); c.Life.Output = nil; return was > 0 },
	func(c *Command) bool { was := len(c.Life.Says); c.Life.Says = nil; return was > 0 },
	func(c *Command) bool { was := len(c.Life.Asks); c.Life.Asks = nil; return was > 0 },
	func(c *Command) bool { return clearField(&c.Stop) },
	func(c *Command) bool { return clearField(&c.Delay) },
	func(c *Command) bool { return clearField(&c.Ready) },
	func(c *Command) bool { return clearField(&c.Restart) },
	func(c *Command) bool { return clearField(&c.Life.Forks) },
	func(c *Command) bool { return clearField(&c.Life.PrepareTakes) },
	func(c *Command) bool { return clearField(&c.Life.TermTakes) },
	func(c *Command) bool { return clearField(&c.Life.IgnoresTerm) },
	func(c *Command) bool { return clearField(&c.Life.Unkillable) },
	func(c *Command) bool { return clearField(&c.Life.Code) },
	func(c *Command) bool { return clearField(&c.Life.Signal) },
	func(c *Command) bool {
		was := c.Life.Runs
		c.Life.Runs = was.Round(time.Second)
		return c.Life.Runs != was && c.Life.Runs > 0
	},
}

var simplerParts = []func(*Part) bool{
	func(p *Part) bool { was := len(p.Collect); p.Collect = nil; return was > 0 },
	func(p *Part) bool { was := len(p.Ships); p.Ships = nil; return was > 0 },
	func(p *Part) bool { return clearField(&p.ClearTakes) },
}

var simplerRuns = []func(*RunPlan) bool{
	func(r *RunPlan) bool { return clearField(&r.StopAfter) },
	func(r *RunPlan) bool { was := len(r.StopWhen); r.StopWhen = nil; return was > 0 },
	func(r *RunPlan) bool { return clearField(&r.FullAfter) },
	func(r *RunPlan) bool { return clearField(&r.LastBeatFirst) },
	func(r *RunPlan) bool { return clearField(&r.Direct) },
	func(r *RunPlan) bool { was := len(r.Actions); r.Actions = nil; return was > 0 },
	func(r *RunPlan) bool { return clearField(&r.Overlaps) },
	func(r *RunPlan) bool { return clearField(&r.Retry) },
	func(r *RunPlan) bool { was := r.Window; r.Window = 8 << 20; return was != r.Window },
}

var simplerPlans = []func(*Plan) bool{
	func(p *Plan) bool { return clearField(&p.IdleSteps) },
	func(p *Plan) bool { return clearField(&p.Network.LossPercent) },
	func(p *Plan) bool { return clearField(&p.Network.TwicePercent) },
	func(p *Plan) bool { return clearField(&p.Network.SlowPercent) },
	func(p *Plan) bool { return clearField(&p.Network.Jitter) },
	func(p *Plan) bool { was := p.Network.Ordered; p.Network.Ordered = true; return !was },
	func(p *Plan) bool {
		was := p.Network.Delay
		p.Network.Delay = time.Millisecond
		return was != time.Millisecond
	},
	func(p *Plan) bool {
		changed := false
		for i := range p.Hosts {
			changed = clearField(&p.Hosts[i].Offset) || changed
			changed = clearField(&p.Hosts[i].Drift) || changed
		}
		for i := range p.Publishers {
			changed = clearField(&p.Publishers[i].Offset) || changed
			changed = clearField(&p.Publishers[i].Drift) || changed
		}
		return changed
	},
}

// ofPublisher reports whether the fault is one of a publisher's machine, ofHost
// whether it is one of a host's; else it is the broker's.
func (k FaultKind) ofPublisher() bool {
	return k == PublisherKilled || k == PublisherCutOff || k == Interrupted || k == Cancelled
}

func (k FaultKind) ofHost() bool {
	return !k.ofPublisher() && k != BrokerRestarted && k != BrokerEmptied
}

func (f *Fault) ofRun() bool { return f.Kind == Interrupted || f.Kind == Cancelled }
