package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// ticksPerRun is the resolution of output in the timeline: more ticks than a screen has pixels
// would be one solid bar.
const ticksPerRun = 1000

// A detail is what the page draws a run's timeline from. Times are microseconds
// since the run's base, on the publisher's clock; null where there is none.
type detail struct {
	base      time.Time
	span      time.Duration   // until the last thing that happened
	TickUS    int64           `json:"tick_us"` // width of a tick
	SpanUS    int64           `json:"span_us"`
	Base      string          `json:"base"`
	Hosts     []hostDetail    `json:"hosts"`
	Processes []processDetail `json:"processes"`
	// Steps are the commands of setups, actions and teardowns, each as it was run last.
	Steps []processDetail `json:"steps,omitempty"`
	// Moments are what else happened, and has a line of its own.
	Moments []moment       `json:"moments,omitempty"`
	Windows []windowDetail `json:"windows,omitempty"`
	// Series are the metrics over the run's time; SeriesProblem is why they can't be read.
	Series        []seriesDetail `json:"series,omitempty"`
	SeriesProblem string         `json:"series_problem,omitempty"`
}

type hostDetail struct {
	Host    string `json:"host"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	Hold    string `json:"hold,omitempty"`
	Offset  int64  `json:"offset"`
	Error   int64  `json:"error"`
	// By is how its clock was compared.
	By      string `json:"by,omitempty"`
	Stopped *int64 `json:"stopped,omitempty"`
	// StoppedError is the bound of that time.
	StoppedError int64  `json:"stopped_error,omitempty"`
	Lines        uint64 `json:"lines"`
	Bytes        uint64 `json:"bytes"`
	Swept        int    `json:"swept,omitempty"`

	Files []string `json:"files,omitempty"`
	// Missing says of files, the first few, why they were not collected.
	Missing []string `json:"missing,omitempty"`
}

type processDetail struct {
	Host    string   `json:"host"`
	Process string   `json:"process"`
	PID     int      `json:"pid"`
	Argv    []string `json:"argv"`
	Outcome string   `json:"outcome"`
	Reason  string   `json:"reason,omitempty"`
	Exit    int      `json:"exit"`
	Signal  string   `json:"signal,omitempty"`
	Delay   int64    `json:"delay,omitempty"`
	Beat    int      `json:"beat,omitempty"`
	Start   *int64   `json:"start,omitempty"`
	End     *int64   `json:"end,omitempty"`
	// Ready is when it was seen that it can be used; Lives are its lives, if it had several.
	Ready *int64       `json:"ready,omitempty"`
	Lives []lifeDetail `json:"lives,omitempty"`
	// StartError and EndError are the bounds of these times.
	StartError int64 `json:"start_error,omitempty"`
	EndError   int64 `json:"end_error,omitempty"`
	CPU        int64 `json:"cpu"` // user and system together
	RSS        int64 `json:"rss"`
	// Lines and bytes of standard output and of standard error.
	Lines [2]uint64 `json:"lines"`
	Bytes [2]uint64 `json:"bytes"`
	// Out and Err are the ticks in which something was read, each as the distance
	// to the one before.
	Out []int `json:"out,omitempty"`
	Err []int `json:"err,omitempty"`
}

func newDetail(r results.Record) *detail {
	d := &detail{base: r.ReleasedAt, Hosts: []hostDetail{}, Processes: []processDetail{}}
	if d.base.IsZero() {
		d.base = r.EnqueuedAt
	}
	d.Base = d.base.UTC().Format(time.RFC3339Nano)
	d.span = max(r.EndedAt.Sub(d.base), time.Microsecond)
	errors := map[string]int64{} // of the hosts' clocks, where an earlier version kept no others
	for _, h := range r.Hosts {
		errors[h.Host] = h.ClockErrorUS
		d.Hosts = append(d.Hosts, hostDetail{
			Host: h.Host, Outcome: string(h.Outcome), Reason: h.Reason, Hold: h.Hold, Offset: h.ClockOffsetUS, Error: h.ClockErrorUS, By: h.ClockBy,
			Stopped: d.since(h.StoppedAt), StoppedError: cmp.Or(h.StoppedErrorUS, h.ClockErrorUS), Lines: h.Lines, Bytes: h.Bytes, Swept: h.Swept, Files: h.Files, Missing: missing(h),
		})
		d.addSteps(h.Host, slices.Concat(h.Setup, h.Acted, h.Teardown))
	}
	for _, p := range r.Processes {
		d.Processes = append(d.Processes, processDetail{
			Host: p.Host, Process: p.Process, PID: p.PID, Argv: p.Argv, Outcome: string(p.Outcome), Reason: p.Reason,
			Exit: p.ExitCode, Signal: p.Signal, Delay: p.DelayUS, Beat: p.Beat, Start: d.since(p.StartedAt), End: d.since(p.EndedAt),
			Ready: d.since(p.ReadyAt), Lives: d.lives(&p),
			StartError: cmp.Or(p.StartedErrorUS, errors[p.Host]), EndError: cmp.Or(p.EndedErrorUS, errors[p.Host]),
			CPU: p.UserUS + p.SystemUS, RSS: p.MaxRSSBytes,
			Lines: [2]uint64{p.StdoutLines, p.StderrLines}, Bytes: [2]uint64{p.StdoutBytes, p.StderrBytes},
		})
		if !p.EndedAt.IsZero() {
			d.span = max(d.span, p.EndedAt.Sub(d.base))
		}
	}
	d.Moments, d.Windows = d.moments(&r), d.windows(&r)
	d.SpanUS = d.span.Microseconds()
	d.TickUS = max(d.SpanUS/ticksPerRun, 1)
	return d
}

// missing says why files were not collected from the host.
func missing(h results.HostRecord) []string {
	const most = 10
	var list []string
	for i, m := range h.Missing {
		if i == most {
			return append(list, fmt.Sprintf("and %d more; see run.json", len(h.Missing)-most))
		}
		list = append(list, strings.TrimPrefix(m.Path+": "+m.Reason, ": "))
	}
	return list
}

// addSteps adds the commands of a host's setup, actions and teardown. A host that had to give
// way to another run has run them more than once.
func (d *detail) addSteps(host string, steps []results.StepRecord) {
	for i, s := range steps {
		if slices.ContainsFunc(steps[i+1:], func(later results.StepRecord) bool { return later.Name == s.Name }) {
			continue
		}
		d.Steps = append(d.Steps, processDetail{
			Host: host, Process: s.Name, Argv: s.Argv, Outcome: string(s.Outcome), Reason: s.Reason,
			Exit: s.ExitCode, Signal: s.Signal, Start: d.since(s.StartedAt), End: d.since(s.EndedAt),
			StartError: s.StartedErrorUS, EndError: s.EndedErrorUS,
			CPU: s.UserUS + s.SystemUS, RSS: s.MaxRSSBytes,
			Lines: [2]uint64{s.StdoutLines, s.StderrLines}, Bytes: [2]uint64{s.StdoutBytes, s.StderrBytes},
		})
	}
}

func (d *detail) since(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	us := t.Sub(d.base).Microseconds()
	return &us
}

// A ticker notes in which ticks of a run a process wrote.
type ticker struct {
	base  time.Time
	width time.Duration
	seen  [2][ticksPerRun + 2]bool
}

func newTicker(d *detail) *ticker {
	return &ticker{base: d.base, width: time.Duration(d.TickUS) * time.Microsecond}
}

func (t *ticker) add(at time.Time, stream streams.Stream) {
	n := int(max(at.Sub(t.base)/t.width, 0))
	t.seen[stream][min(n, ticksPerRun+1)] = true
}

func (t *ticker) deltas(stream streams.Stream) []int {
	var deltas []int
	last := 0
	for n, seen := range t.seen[stream] {
		if seen {
			deltas = append(deltas, n-last)
			last = n
		}
	}
	return deltas
}
