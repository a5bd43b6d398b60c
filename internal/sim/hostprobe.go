package sim

import (
	"slices"

	"downbeat/internal/worker/course"
)

// A probe looks whether a life of a process can be used, until it can, or the rules want to
// know what was found.
type probe struct {
	life int
	over bool
}

// lookEvery is how often a probe looks.
const lookEvery = 20_000_000

func (t *hostRun) probe(e course.Probe) {
	p := &probe{life: e.Life}
	if t.probes == nil {
		t.probes = make(map[int]*probe)
	}
	t.probes[e.Command] = p
	t.look(p, e.Command)
}

// look looks now, and again until something is known.
func (t *hostRun) look(p *probe, command int) {
	if p.over {
		return
	}
	i := slices.IndexFunc(t.set.members, func(m member) bool { return m.command == command })
	if m := &t.set.members[i]; m.alive && m.ready {
		p.over = true
		t.post(course.Probed{Command: command, Life: p.life, At: t.now()})
		return
	}
	t.after(lookEvery, func() { t.look(p, command) })
}

func (t *hostRun) endProbe(command int) {
	if p := t.probes[command]; p != nil && !p.over {
		p.over = true
		t.post(course.Probed{Command: command, Life: p.life, At: t.now(), Err: "connection refused"})
	}
}
