package sim

import (
	"fmt"
	"strings"
	"time"
)

// A world is a plan that is being carried out.
type world struct {
	e       engine
	plan    *Plan
	net     network
	hosts   []*host
	pubs    []*publisher
	ledger  *ledger
	pids    int
	names   map[string]string // of runs, for people
	notes   *strings.Builder  // nil: nobody reads them
	digest  uint64            // of all that happened
	idle    random
	records uint64
	paper   slab[record]
	plain   bool // of a scenario: what is of no interest to people is not noted
	// conversation is what has arrived, or got lost, in a scenario.
	conversation []Message
}

// A Report is what came of a plan.
type Report struct {
	// Violations are the promises that were broken; each begins with which.
	Violations []string
	// Trace is what happened, where it was asked for.
	Trace string
	// Digest stands for the whole of what happened, the trace's words aside.
	Digest uint64
	// Outcomes are how the runs ended, in the order of the plan.
	Outcomes []string
}

// Run carries out a plan.
func Run(p *Plan) Report { return run(p, nil) }

// Explain carries out a plan and tells what happened, a line for each thing.
func Explain(p *Plan) Report { return run(p, new(strings.Builder)) }

// longest is how much true time a world is given before whoever is not over is
// taken for one who never will be.
const longest = instant(30 * time.Minute)

// mostEvents is how much may happen in a world.
const mostEvents = 3_000_000

func run(p *Plan, notes *strings.Builder) Report {
	w := newWorld(p, notes)
	w.arrange()
	for !w.over() && w.e.next(longest) {
		if w.e.count > mostEvents {
			w.ledger.violate("every wait ends: the world does not come to rest")
			break
		}
	}
	w.ledger.close()
	report := Report{Violations: w.ledger.violations, Digest: w.digest, Outcomes: w.ledger.outcomes()}
	if notes != nil {
		report.Trace = notes.String()
	}
	return report
}

// newWorld makes the world of a plan, in which nothing has happened yet.
func newWorld(p *Plan, notes *strings.Builder) *world {
	w := &world{plan: p, names: make(map[string]string), notes: notes}
	w.net = network{e: &w.e, plan: &p.Network, spy: w.see}
	w.idle.state = mix(p.Seed + 5)
	w.ledger = newLedger(w)
	for i := range p.Hosts {
		w.hosts = append(w.hosts, newHost(w, i, &p.Hosts[i]))
	}
	for i := range p.Publishers {
		w.pubs = append(w.pubs, newPublisher(w, i, &p.Publishers[i]))
	}
	return w
}

// over reports whether every publisher has made its runs, or is dead, and no
// worker has one any more.
func (w *world) over() bool {
	for _, p := range w.pubs {
		if !p.dead && !p.station.gone {
			return false
		}
	}
	for _, h := range w.hosts {
		if h.worker == nil && len(h.disk.runs) > 0 && h.returns {
			return false
		}
		if h.worker != nil && len(h.worker.runs) > 0 {
			return false
		}
	}
	return true
}

// see takes note of a message that arrives.
func (w *world) see(p *parcel) {
	w.happened(uint64(p.kind), uint64(p.from.number)<<32+uint64(p.to.number), p.serial<<32+p.seq)
	if w.plain {
		w.hear(p, false)
	}
	if w.notes != nil && (!w.plain || !p.routine()) {
		w.note("%s <- %s: %s", p.to.name, p.from.name, w.parcel(p))
	}
}

// publisherOf is whose run that is.
func (w *world) publisherOf(run string) *publisher {
	for _, p := range w.pubs {
		if run[10:20] == p.id {
			return p
		}
	}
	return nil
}

// crockford writes a number in so many of the characters of run ids.
func crockford(n uint64, length int) string {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	id := make([]byte, length)
	for i := length - 1; i >= 0; i-- {
		id[i] = digits[n%32]
		n /= 32
	}
	return string(id)
}

// note tells of something, where somebody reads it.
func (w *world) note(format string, args ...any) {
	if w.notes == nil {
		return
	}
	line, at := strings.TrimSpace(fmt.Sprintf(format, args...)), time.Duration(w.e.now).Seconds()
	if w.plain {
		fmt.Fprintf(w.notes, "%7.3f  %s\n", at, line)
		return
	}
	fmt.Fprintf(w.notes, "%11.6f  %s\n", at, line)
}

// happened adds something to the digest.
func (w *world) happened(numbers ...uint64) {
	w.digest = mix(w.digest ^ uint64(w.e.now))
	for _, n := range numbers {
		w.digest = mix(w.digest + n)
	}
}

// calm reports whether nothing goes wrong that the plan does not say of its commands. What
// happens in a scenario its plan does not know.
func (w *world) calm() bool { return !w.plain && w.plan.calm() }

// short is what people call a run.
func (w *world) short(run string) string { return w.names[run] }
