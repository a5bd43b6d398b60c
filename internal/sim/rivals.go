package sim

import "time"

// makeRivals gives a plan two publishers that want the same hosts at the same time. The first
// has one run on all hosts. The runs of the second are older, as its clock is behind, come
// soon after one another, and are over at once: so the first has to let go of its hosts in any
// of its steps, and gets some back while it does not know yet what has become of the others.
func makeRivals(r *random, p *Plan) {
	n := &p.Network
	n.Ordered, n.SlowPercent, n.Slow = r.oneIn(4), r.between(10, 50), r.within(20*time.Millisecond, pick(r, 100*time.Millisecond, time.Second))
	for len(p.Hosts) < 2 {
		p.Hosts = append(p.Hosts, Host{Name: hostNames[len(p.Hosts)]})
	}
	size := Size{Processes: 2, Full: true} // on every host
	younger := Publisher{Offset: 30 * time.Second, Begins: r.within(0, 10*time.Millisecond), Runs: []RunPlan{generateRun(r, p, size)}}
	older := Publisher{Begins: younger.Begins + r.within(0, 100*time.Millisecond)}
	for range r.between(2, 6) {
		run := generateRun(r, p, size)
		run.hurry()
		if r.oneIn(2) { // it is refused
			run.Parts[r.below(len(run.Parts))].Commands[0].Life.Unprepared = true
		}
		older.Runs = append(older.Runs, run)
	}
	p.Publishers = []Publisher{younger, older}
}

// hurry has a run do nothing that takes time.
func (r *RunPlan) hurry() {
	r.StopWhen, r.StopAfter = nil, 0
	for i := range r.Parts {
		part := &r.Parts[i]
		part.Collect, part.Ships = nil, nil
		for k := range part.Commands {
			c := &part.Commands[k]
			c.Delay, c.Life.PrepareTakes, c.Life.Runs, c.Life.Output = 0, 0, time.Millisecond, nil
		}
	}
}
