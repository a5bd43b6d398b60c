package experiment

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
)

// maxJob keeps a host's job well within what a queue takes, in bytes of
// arguments and variables.
const maxJob = message.MaxSigned / 2

// maxRun bounds them over the hosts of a run.
const maxRun = 64 << 20

// A load is how much the jobs of a run are, in bytes.
type load struct {
	hosts map[string]int
	run   int
}

func (l *load) add(host string, bytes int) {
	l.hosts[host] += bytes
	l.run += bytes
}

// maxStarts bounds the processes of all combinations together.
const maxStarts = 1_000_000

// rehearse expands every combination for runs that there will never be: what
// goes wrong in the templates goes wrong here, before anything is started.
func (f *File) rehearse(r *report) error {
	busy := make(map[string]bool)
	starts := 0
	for i, parameters := range f.combinations {
		x := newExpansion(f, r, trialRun, Point{i + 1, 1, parameters, f})
		if _, err := x.expand(); err != nil {
			x.blame()
			return r.err()
		}
		for host := range x.load.hosts {
			busy[host] = true
		}
		if starts += len(x.all); starts > maxStarts {
			r.add(pos{}, "matrix", "", "the combinations would have more than %d processes together", maxStarts)
			return r.err()
		}
	}
	for _, h := range f.Hosts {
		if !busy[h.Name] {
			f.Warnings = append(f.Warnings, r.errorf(pos{}, "hosts."+h.Name, "", "no process is placed on this host: it takes no part"))
		}
	}
	return nil
}

// An expansion is the work on one datapoint: count, place, name, and then
// execute everything that depends on who is where.
type expansion struct {
	*evaluator
	all     []*placed // by rank
	load    load
	stop    StopRule
	timeout time.Duration

	collected map[string][]string // patterns by host
	shipped   map[string][]ShippedFile
}

// A placed process has its host and its numbers, and in the end its command.
type placed struct {
	Command
	host    Host
	command *command
	count   int
	data    map[string]any
}

func newExpansion(f *File, r *report, run string, p Point) *expansion {
	return &expansion{evaluator: newEvaluator(f, r, run, p), load: load{hosts: make(map[string]int)}}
}

func (x *expansion) expand() (*Datapoint, error) {
	for _, step := range []func(){x.place, x.name, x.limits, x.fill, x.collect, x.ship} {
		step()
		if err := x.err(); err != nil {
			return nil, err
		}
	}
	f := x.file
	d := &Datapoint{
		Name: f.Name, Index: x.point.Index, Repetition: x.point.Repetition, Parameters: x.point.Parameters,
		Run: x.run, Stop: x.stop, Timeout: x.timeout,
	}
	if len(x.collected) > 0 {
		d.Collect = x.collected
	}
	if len(x.shipped) > 0 {
		d.Files = x.shipped
	}
	d.Metrics, d.Require = x.metrics(), x.require()
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
	d.Setup, d.Teardown = x.expandSteps(message.PhaseSetup, f.setup, d.Hosts), x.expandSteps(message.PhaseTeardown, f.teardown, d.Hosts)
	x.checkStepNames(d)
	return d, x.err()
}

// place counts the processes and deals them out to the hosts, round robin.
func (x *expansion) place() {
	for _, c := range x.file.commands {
		count := x.count(c)
		if len(x.all)+count > MaxProcesses {
			x.add(c.whole.at, c.whole.field, "", "the run would have more than %d processes", MaxProcesses)
			return
		}
		for i := range count {
			x.put(c, x.hosts[c.on[i%len(c.on)]], i, count)
		}
	}
	x.counted = true
}

func (x *expansion) put(c *command, h Host, i, count int) {
	p := &placed{command: c, host: h, count: count}
	p.Host, p.Phase, p.Group, p.Rank, p.OKExit = h.Name, message.PhaseRun, c.group, len(x.all), slices.Clone(c.ok)
	p.Index, p.Local = i, i/len(c.on)
	if c.group == "" {
		p.Index, p.Local, p.count = c.base, c.base, c.of
	}
	x.all = append(x.all, p)
	if c.group != "" {
		x.groups[c.groupIndex] = append(x.groups[c.groupIndex], p)
	}
}

// count says how many processes a command makes; 0 if that went wrong.
func (x *expansion) count(c *command) int {
	if c.count == nil {
		return len(c.on)
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

// dataOf is what templates can ask for of a process that has no name yet.
func (x *expansion) dataOf(p *placed) map[string]any {
	data := x.data()
	maps.Copy(data, map[string]any{
		"group": p.Group, "index": p.Index, "rank": p.Rank, "local": p.Local, "count": p.count,
		"host": p.Host, "address": x.file.address(p.host),
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
		When: slices.Clone(stop.when), OnFailure: stop.onFailure,
		After: x.limit(stop.after, notZero, limitKeys, x.data()), Grace: x.limit(stop.grace, zeroToo, limitKeys, x.data()),
	}
	if x.stop.After > 0 && x.timeout > 0 {
		if err := checkAfter(x.stop.After, x.timeout); err != nil {
			x.fail(stop.after, err)
		}
	}
}

// name gives every process its name, which is unique on its host.
func (x *expansion) name() {
	taken := make(map[string]*placed, len(x.all))
	for _, p := range x.all {
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

// fill executes what is left: commands, environments, directories, delays.
func (x *expansion) fill() {
	for _, p := range x.all {
		c := p.command
		p.Argv, p.Env, p.Pty = x.argv(c, allKeys, p.data), x.environment(c, allKeys, p.data), c.pty
		if c.dir != nil {
			p.Dir, _ = x.evaluate(c.dir, allKeys, p.data)
		}
		if c.delay != nil {
			p.DelayMS = x.delay(c.delay, p.data)
		}
		if !x.account(c, p.Host, p.Dir, p.Argv, p.Env) {
			return
		}
	}
}

func (x *expansion) environment(c *command, keys []string, data map[string]any) map[string]string {
	if len(c.env) == 0 {
		return nil
	}
	env := make(map[string]string, len(c.env))
	for _, v := range c.env {
		env[v.key], _ = x.evaluate(v.value, keys, data)
	}
	return env
}

func (x *expansion) argv(c *command, keys []string, data map[string]any) []string {
	if c.line != nil {
		line, ok := x.evaluate(c.line, keys, data)
		if !ok {
			return nil
		}
		words, err := c.words(line)
		if err != nil {
			x.fail(c.line, err)
		}
		return words
	}
	words := make([]string, len(c.argv))
	for i, t := range c.argv {
		var ok bool
		if words[i], ok = x.evaluate(t, keys, data); ok && i == 0 && words[0] == "" {
			x.fail(t, errNoCommand)
		}
	}
	return words
}

func (x *expansion) delay(t *text, data map[string]any) int64 {
	s, ok := x.evaluate(t, allKeys, data)
	if !ok {
		return 0
	}
	v, err := delayOf(s, x.timeout, x.stop.After)
	if err != nil {
		x.fail(t, err)
	}
	return v.Milliseconds()
}

// account reports a run that no queue could carry.
func (x *expansion) account(c *command, host, dir string, argv []string, env map[string]string) bool {
	size, longest := len(dir)+200, 0 // 200: what is around them
	for _, s := range argv {
		size, longest = size+len(s)+3, max(longest, len(s))
	}
	for k, v := range env {
		size, longest = size+len(k)+len(v)+6, max(longest, len(k)+len(v)+1)
	}
	if longest > maxText {
		x.fail(c.whole, &textError{
			fmt.Sprintf("an argument or variable is longer than %d KiB, which is more than Linux takes", maxText>>10),
			"put long values into files",
		})
	}
	x.load.add(host, size)
	whole, hint := c.whole, "put long values into files"
	switch {
	case x.load.hosts[host] > maxJob:
		x.add(whole.at, whole.field, hint, "the commands of host %s are too much for one job: more than %d MiB", host, maxJob>>20)
	case x.load.run > maxRun:
		x.add(whole.at, whole.field, hint, "the commands are too much for one run: more than %d MiB", maxRun>>20)
	default:
		return true
	}
	return false
}
