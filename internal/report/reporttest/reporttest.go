// Package reporttest makes up results of experiments, for tests and benchmarks:
// [Experiment.Make] writes a whole directory, always the same one for the same [Experiment].
package reporttest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// Epoch is when the made-up experiments took place.
var Epoch = time.Date(2026, 11, 23, 21, 30, 0, 0, time.UTC)

// An Experiment describes an experiment. Every combination of Clients and Modes is run Repeat
// times. The zero value has one datapoint of one process.
type Experiment struct {
	Name    string
	Clients []int
	Modes   []string
	Repeat  int
	Hosts   int
	// Processes is how many each host has.
	Processes int
	// Lines is how many each process prints.
	Lines int
	// Length is that of each run.
	Length time.Duration
	// FailEvery lets one datapoint in so many fail at first; a second attempt succeeds.
	FailEvery int
	// NoMetrics leaves out all metrics; only times are measured.
	NoMetrics bool
	// Change may change a record before it is written.
	Change func(*results.Record)
}

// Full is the experiment that figures are measured with: 200 datapoints of 48 processes.
func Full() Experiment {
	return Experiment{
		Name: "locks", Clients: []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}, Modes: []string{"eventual", "linearizable", "sequential", "snapshot"},
		Repeat: 5, Hosts: 4, Processes: 12, Lines: 40, Length: 60 * time.Second,
	}
}

// Small has everything that an experiment can have, and little of each.
func Small() Experiment {
	return Experiment{
		Name: "locks", Clients: []int{1, 2, 4, 8, 16}, Modes: []string{"linearizable", "sequential"},
		Repeat: 3, Hosts: 3, Processes: 4, Lines: 30, Length: 45 * time.Second, FailEvery: 9,
	}
}

// Make writes the experiment below root and returns its directory.
func (x Experiment) Make(root string) (string, error) {
	e, err := results.Create(root, results.Meta{Name: x.Name, Time: Epoch, File: x.Name + ".yaml", Format: "yaml", Version: "test"})
	if err != nil {
		return "", err
	}
	defer e.Close()
	at := Epoch
	for n, p := range x.points() {
		failed := x.FailEvery > 0 && n%x.FailEvery == x.FailEvery/2
		if err := x.run(e, p, 1, failed, &at); err != nil {
			return "", err
		}
		if failed {
			if err := x.run(e, p, 2, false, &at); err != nil {
				return "", err
			}
		}
	}
	return e.Dir(), nil
}

// A point is one datapoint.
type point struct {
	number, repetition int
	clients            int
	mode               string
}

func (x Experiment) points() []point {
	clients, modes := x.Clients, x.Modes
	if len(clients) == 0 {
		clients = []int{0}
	}
	if len(modes) == 0 {
		modes = []string{""}
	}
	var all []point
	for repetition := range max(x.Repeat, 1) {
		for _, c := range clients {
			for _, m := range modes {
				all = append(all, point{len(all) + 1, repetition + 1, c, m})
			}
		}
	}
	return all
}

// label names the point's directory, as the experiment's file would.
func (x Experiment) label(p point) string {
	label := fmt.Sprintf("%04d", p.number)
	if len(x.Clients) > 0 {
		label += fmt.Sprintf("-clients=%d", p.clients)
	}
	if len(x.Modes) > 0 {
		label += ",mode=" + p.mode
	}
	return label
}

func (x Experiment) parameters(p point) map[string]any {
	parameters := map[string]any{}
	if len(x.Clients) > 0 {
		parameters["clients"] = p.clients
	}
	if len(x.Modes) > 0 {
		parameters["mode"] = p.mode
	}
	return parameters
}

// run writes one run, which begins at the time given and moves it on.
func (x Experiment) run(e *results.Experiment, p point, attempt int, failed bool, at *time.Time) error {
	t := &take{Experiment: x, point: p, failed: failed, random: rand.New(rand.NewPCG(uint64(p.number), uint64(attempt)))}
	record := t.record(*at, attempt)
	if x.Change != nil {
		x.Change(&record)
	}
	processes := make([]results.Process, len(record.Processes))
	for i, process := range record.Processes {
		processes[i] = results.Process{Host: process.Host, Name: process.Process}
	}
	run, err := e.NewRun(x.label(p), processes)
	if err != nil {
		return err
	}
	for i := range record.Processes {
		if err := t.write(run, i, &record); err != nil {
			return err
		}
	}
	*at = record.EndedAt.Add(2 * time.Second)
	return run.Finish(record)
}

// A take is one run while it is made up.
type take struct {
	Experiment
	point
	failed bool
	random *rand.Rand
}

func (t *take) micros(most int) time.Duration {
	return time.Duration(t.random.IntN(most)) * time.Microsecond
}

func (t *take) record(at time.Time, attempt int) results.Record {
	r := results.Record{
		Run: fmt.Sprintf("01JD5W9M4QX3T0C9V8Z7Y6%04d", t.number) + string(rune('0'+attempt)), Experiment: t.Name,
		Datapoint: t.number, Repetition: t.repetition, Attempt: attempt, Definition: "5f2c",
		Parameters: t.parameters(t.point), Outcome: outcome.RunSucceeded,
		EnqueuedAt: at, ReleasedAt: at.Add(800 * time.Millisecond),
	}
	stop := r.ReleasedAt.Add(t.Length + t.micros(3e6))
	var starts, stops []time.Time
	for h := range max(t.Hosts, 1) {
		host := t.host(h, stop)
		stops = append(stops, host.StoppedAt)
		r.ClockErrorUS = max(r.ClockErrorUS, host.ClockErrorUS)
		base := r.ReleasedAt.Add(t.micros(600))
		for i := range max(t.Processes, 1) {
			process := t.process(host.Host, h, i, base, host.StoppedAt)
			starts = append(starts, process.StartedAt)
			r.Processes = append(r.Processes, process)
		}
		r.Hosts = append(r.Hosts, host)
	}
	if t.failed {
		t.fail(&r)
	}
	r.ReleasedAt, r.StartSkewUS = spread(starts)
	_, r.StopSkewUS = spread(stops)
	r.StartErrorUS, r.StopErrorUS = 150, 140
	r.EndedAt = stop.Add(300 * time.Millisecond)
	if !t.failed && !t.NoMetrics {
		r.Metrics, r.Units = t.metrics(), map[string]string{"throughput": "op/s"}
	}
	return r
}

func spread(times []time.Time) (first time.Time, us int64) {
	first, last := times[0], times[0]
	for _, t := range times {
		if t.Before(first) {
			first = t
		}
		if t.After(last) {
			last = t
		}
	}
	return first, last.Sub(first).Microseconds()
}

var hosts = []string{"nevis", "hyperion", "lagoon", "antares", "rigel", "vega"}

func (t *take) host(n int, stop time.Time) results.HostRecord {
	name := hosts[n%len(hosts)]
	if n >= len(hosts) {
		name += fmt.Sprint(n / len(hosts))
	}
	return results.HostRecord{
		Host: name, Outcome: outcome.HostSucceeded, Hold: "ptrace",
		ClockOffsetUS: int64(t.random.IntN(4000) - 2000), ClockErrorUS: int64(80 + t.random.IntN(240)),
		StoppedAt: stop.Add(t.micros(900)), StoppedErrorUS: 70, Lines: uint64(t.Lines * max(t.Processes, 1)), Bytes: uint64(60 * t.Lines * max(t.Processes, 1)),
	}
}

func (t *take) process(host string, h, i int, base, stop time.Time) results.ProcessRecord {
	group := "replica"
	if i%2 == 1 {
		group = "client"
	}
	index := h*max(t.Processes, 1)/2 + i/2
	return results.ProcessRecord{
		Host: host, Process: fmt.Sprintf("%s.%d", group, index), Group: group, Index: index, Rank: h*max(t.Processes, 1) + i,
		PID: 4000 + t.random.IntN(20000), CommandRecord: results.CommandRecord{
			Argv:    []string{"honu", group, "-w", fmt.Sprintf("%s-%d.jsonl", group, index)},
			Outcome: outcome.CommandStopped, ExitCode: -1, Signal: "SIGTERM",
			StartedAt: base.Add(t.micros(250)), EndedAt: stop.Add(t.micros(4000)), StartedErrorUS: 75, EndedErrorUS: 80,
			UserUS: int64(t.random.IntN(2e6)), SystemUS: int64(t.random.IntN(4e5)), MaxRSSBytes: int64(9e6 + t.random.IntN(4e6)),
		},
	}
}

// fail makes the last process end early, and the others be stopped because of it.
func (t *take) fail(r *results.Record) {
	p := &r.Processes[len(r.Processes)-1]
	p.EndedAt = p.StartedAt.Add(t.Length/3 + t.micros(2e6))
	p.Outcome, p.ExitCode, p.Signal = outcome.CommandFailed, 3, ""
	p.Reason = fmt.Sprintf("exited with status 3 after %s", p.EndedAt.Sub(p.StartedAt).Round(time.Millisecond))
	r.Hosts[len(r.Hosts)-1].Outcome = outcome.HostFailed
	r.Hosts[len(r.Hosts)-1].Reason = p.Process + " " + p.Reason
	r.Outcome, r.Reason = outcome.RunFailed, fmt.Sprintf("%s on %s %s", p.Process, p.Host, p.Reason)
}

// metrics rise with the clients until the machines are busy.
func (t *take) metrics() map[string]float64 {
	factor := 1 + float64(len(t.mode)%5)/2
	c := float64(max(t.clients, 1))
	noise := 1 + 0.06*t.random.NormFloat64()
	return map[string]float64{
		"throughput": 900 * factor * c / (1 + c/40) * noise,
		"p99_ms":     (0.4 + math.Pow(c, 1.3)/20) / factor * (1 + 0.1*math.Abs(t.random.NormFloat64())),
	}
}

// write writes what a process printed.
func (t *take) write(run *results.Run, n int, r *results.Record) error {
	p := &r.Processes[n]
	length := p.EndedAt.Sub(p.StartedAt)
	var written streams.Tally
	for line := range t.Lines {
		at := p.StartedAt.Add(time.Duration((float64(line) + t.random.Float64()) / float64(t.Lines) * float64(length)))
		text := fmt.Sprintf("%s round %d: %d operations, median %.3f ms, slowest %.3f ms\n",
			p.Process, line, 100+t.random.IntN(900), t.random.Float64(), 10*t.random.Float64())
		stream := streams.Stdout
		if line%16 == 15 {
			stream, text = streams.Stderr, fmt.Sprintf("warning: retry %d after %d ms\n", line, t.random.IntN(500))
		}
		written.Add(stream, []byte(text))
		if err := run.Output(n, stream, at, []byte(text)); err != nil {
			return err
		}
	}
	if p.Outcome == outcome.CommandFailed {
		text := []byte("panic: lost the lock on /a/b while holding it\n")
		written.Add(streams.Stderr, text)
		if err := run.Output(n, streams.Stderr, p.EndedAt, text); err != nil {
			return err
		}
	}
	p.Total = written.Total()
	return nil
}
