package experiment

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
)

// maxStarts bounds the processes of all combinations together.
const maxStarts = 1_000_000

// rehearse makes a trial expansion of every combination, so that templates fail
// here, before anything is started.
func (f *File) rehearse(r *report) error {
	busy := make(map[string]bool)
	starts := 0
	for i, parameters := range f.combinations {
		x := newExpansion(f, r, trialRun, Point{Index: i + 1, Repetition: 1, Parameters: parameters, file: f})
		if _, err := x.expand(); err == nil {
			x.checkPrograms()
		}
		if x.err() != nil {
			x.blame()
			return r.err()
		}
		f.warn(x)
		for host := range x.load.hosts {
			busy[host] = true
		}
		if starts += len(x.all); starts > maxStarts {
			r.add(pos{}, "matrix", "", "the combinations would have more than %d processes together", maxStarts)
			return r.err()
		}
	}
	for _, h := range f.Hosts {
		if !busy[h.Name] && !f.mayPick(h.Name) {
			f.Warnings = append(f.Warnings, r.errorf(pos{}, "hosts."+h.Name, "", "no process is placed on this host: it takes no part"))
		}
	}
	return nil
}

// warn takes over an expansion's warnings, each of which is given once.
func (f *File) warn(x *expansion) {
	for _, w := range x.warnings {
		if !slices.ContainsFunc(f.Warnings, func(old *Error) bool { return old.Line == w.Line && old.Column == w.Column && old.Field == w.Field }) {
			if len(x.point.Parameters) > 0 {
				w.Message += fmt.Sprintf(" (with %s)", x.point)
			}
			f.Warnings = append(f.Warnings, w)
		}
	}
}

// warnOf adds a warning about a text.
func (x *expansion) warnOf(t *text, hint, format string, args ...any) {
	x.warnings = append(x.warnings, x.errorf(t.at, t.field, hint, format, args...))
}

// An expansion makes one datapoint: it counts, places and names the processes, and
// then executes everything that depends on where they are.
type expansion struct {
	*evaluator
	all     []*placed // by rank
	load    load
	stop    StopRule
	timeout time.Duration

	beats    []Beat
	beatOf   map[string]int    // by group
	earliest []time.Duration   // when each beat can come, after the first
	ports    map[string]string // who listens where
	done     map[int]resolved  // to whom each action is done

	// warnings are about what is allowed in this datapoint but probably not meant.
	warnings []*Error
	picked   map[string][]string

	collected map[string][]string // patterns by host
	shipped   map[string][]ShippedFile
}

// A placed process has its host and its numbers, and once it is filled, its
// command.
type placed struct {
	Command
	host    Host
	command *command
	count   int
	data    map[string]any
}

func newExpansion(f *File, r *report, run string, p Point) *expansion {
	return &expansion{evaluator: newEvaluator(f, r, run, p), load: load{hosts: make(map[string]int)}, picked: make(map[string][]string), ports: make(map[string]string)}
}

func (x *expansion) expand() (*Datapoint, error) {
	for _, step := range []func(){x.place, x.name, x.limits, x.beat, x.fill, x.collect, x.ship, x.checkReadyFiles} {
		step()
		if err := x.err(); err != nil {
			return nil, err
		}
	}
	f := x.file
	d := &Datapoint{
		Name: f.Name, Index: x.point.Index, Repetition: x.point.Repetition, Parameters: x.point.Parameters,
		Run: x.run, Stop: x.stop, Timeout: x.timeout, Beats: x.beats, Sample: f.sample,
	}
	if len(x.picked) > 0 {
		d.Picked = x.picked
	}
	if len(x.collected) > 0 {
		d.Collect = x.collected
	}
	if len(x.shipped) > 0 {
		d.Files = x.shipped
	}
	d.Measures = x.measures()
	busy := make(map[string]bool)
	for _, p := range x.all {
		busy[p.Host] = true
		d.Processes = append(d.Processes, p.Command)
	}
	for _, h := range f.Hosts {
		if busy[h.Name] {
			d.Hosts = append(d.Hosts, Host{h.Name, f.address(h)})
		}
	}
	d.Setup, d.Teardown = x.expandPhase(message.PhaseSetup, f.setup, d.Hosts), x.expandPhase(message.PhaseTeardown, f.teardown, d.Hosts)
	x.act(d)
	x.checkPhaseNames(d)
	return d, x.err()
}

// place counts the processes and deals them out to the hosts, round robin.
func (x *expansion) place() {
	placing := &placing{x.evaluator, make(map[*command]int), make(map[*command][]string)}
	for _, c := range x.file.commands {
		placing.counts[c] = x.count(c)
	}
	for _, c := range x.file.commands {
		on, count := placing.on(c), placing.count(c)
		if c.place.pick != nil && len(on) > 0 {
			x.picked[c.group] = on
		}
		if len(on) == 0 {
			continue // there is an error
		}
		if len(x.all)+count > MaxProcesses {
			x.add(c.whole.at, c.whole.field, "", "the run would have more than %d processes", MaxProcesses)
			return
		}
		for i := range count {
			x.put(c, x.hosts[on[i%len(on)]], i, i/len(on), count)
		}
	}
	x.counted = true
	if len(x.all) == 0 && len(x.errors) == 0 {
		at := x.file.commands[0]
		where := at.whole
		if at.count != nil {
			where = at.count
		}
		x.fail(where, &textError{"there is no process to run: every group is empty", "give one of them a count above 0"})
	}
}

func (x *expansion) put(c *command, h Host, i, local, count int) {
	p := &placed{command: c, host: h, count: count}
	p.Host, p.Phase, p.Group, p.Rank = h.Name, message.PhaseRun, c.group, len(x.all)
	p.Index, p.Local = i, local
	if c.group == "" {
		p.Index, p.Local, p.count = c.base, c.base, c.of
	}
	x.all = append(x.all, p)
	if c.group != "" {
		x.groups[c.groupIndex] = append(x.groups[c.groupIndex], p)
	}
}

// count says how many processes a command makes; -1: one on each host.
func (x *expansion) count(c *command) int {
	if c.count == nil {
		return -1
	}
	data := x.data()
	data["group"] = c.group
	s, ok := x.evaluate(c.count, countKeys, data)
	if !ok {
		return 0
	}
	n, err := parseCount(s)
	if err != nil {
		x.fail(c.count, err)
	}
	return n
}

// dataOf holds the keys that templates can use for a process without a name yet.
func (x *expansion) dataOf(p *placed) map[string]any {
	data := x.dataOn(p.Host, x.file.address(p.host))
	maps.Copy(data, map[string]any{
		"group": p.Group, "index": p.Index, "rank": p.Rank, "local": p.Local, "count": p.count,
	})
	return data
}

// ship says which files go to which host.
func (x *expansion) ship() {
	s := &shipping{evaluator: x.evaluator, load: &x.load, busy: make(map[string]bool), shipped: make(map[string][]ShippedFile)}
	for _, p := range x.all {
		s.busy[p.Host] = true
	}
	s.ship()
	x.shipped = s.shipped
}

// limits says when the run ends.
func (x *expansion) limits() {
	stop := x.file.stop
	x.timeout = x.limit(x.file.timeout, notZero, limitKeys, x.data())
	x.stop = StopRule{
		When: x.occupied(stop.when), OnFailure: stop.onFailure, LastBeatFirst: stop.order == lastBeatFirst,
		After: x.limit(stop.after, notZero, limitKeys, x.data()), Grace: x.limit(stop.grace, zeroToo, limitKeys, x.data()),
	}
	if len(stop.when) > 0 && len(x.stop.When) == 0 && stop.after == nil {
		x.warnOf(&text{at: stop.at, field: "stop.when"}, "set stop.after to end such a run", "all these groups are empty, so nothing stops the other processes before the timeout")
	}
	if x.stop.After > 0 && x.timeout > 0 {
		if err := checkAfter(x.stop.After, x.timeout); err != nil {
			x.fail(stop.after, err)
		}
	}
}

// occupied are those of the groups that have processes.
func (x *expansion) occupied(groups []string) (names []string) {
	for _, name := range groups {
		if len(x.group(name)) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// group gives the processes of a group, in the order of their indexes.
func (x *expansion) group(name string) []*placed {
	if c := x.file.commandOf(name); c != nil {
		return x.groups[c.groupIndex]
	}
	return nil
}

// name gives every process its name, which is unique on its host.
func (x *expansion) name() {
	taken := make(map[string]*placed, len(x.all))
	defer func() { x.self = nil }()
	for _, p := range x.all {
		x.self = p
		p.data = x.dataOf(p)
		at := p.command.whole
		p.Name = message.ProcessName(p.Group, p.Index)
		if t := p.command.name; t != nil {
			var ok bool
			if p.Name, ok = x.evaluate(t, nameKeys, p.data); !ok {
				continue
			}
			at = t
		}
		p.data["name"] = p.Name
		x.checkName(at, p, taken)
		x.byName[p.Name] = append(x.byName[p.Name], p)
	}
	x.named = true
}

func (x *expansion) checkName(at *text, p *placed, taken map[string]*placed) {
	if err := message.CheckName(p.Name); err != nil {
		x.fail(at, &textError{fmt.Sprintf("process name: %v", err), ""})
		return
	}
	key := p.Host + "/" + strings.ToLower(p.Name)
	if other := taken[key]; other != nil {
		message := fmt.Sprintf("two processes on host %s are called %q", p.Host, p.Name)
		if other.Name != p.Name {
			message = fmt.Sprintf("two processes on host %s are called %q and %q, which differ in case alone", p.Host, other.Name, p.Name)
		}
		x.fail(at, &textError{message, "put {{.index}} into the name"})
	}
	taken[key] = p
}
