package publisher

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/clock"
	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// A history is everything that the hosts of a run report, and what has to come
// of it.
type history struct {
	dp      *experiment.Datapoint
	stopped bool                 // by the file's rule, before anything else
	events  map[string][]arrival // of each host, in order
	files   map[string]string    // what each process wrote, by path
}

// epoch is a time on the hosts' clocks.
var epoch = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

// drawHistory makes up a run that could have been, on one to three hosts.
func drawHistory(t *rapid.T, l *lab) *history {
	var processes []experiment.Command
	for host := range rapid.IntRange(1, 3).Draw(t, "hosts") {
		for i := range rapid.IntRange(1, 3).Draw(t, "processes") {
			processes = append(processes, proc(fmt.Sprintf("host%d", host), "p", i))
		}
	}
	h := &history{
		dp: l.datapoint(processes...), stopped: rapid.Bool().Draw(t, "stopped"),
		events: make(map[string][]arrival), files: make(map[string]string),
	}
	h.dp.Stop.OnFailure = false
	for _, job := range h.dp.Jobs() {
		h.drawHost(t, &job)
	}
	return h
}

// drawHost makes up what one host reports, in order.
func (h *history) drawHost(t *rapid.T, job *message.Job) {
	totals := make([]message.Total, len(job.Commands))
	add := func(e message.Event) {
		e.Run, e.Host, e.Time = job.Run, job.Host, epoch
		h.events[job.Host] = append(h.events[job.Host], arrival{host: job.Host, seq: uint64(len(h.events[job.Host]) + 1), event: &e, size: 100})
	}
	var started []message.StartedInfo
	for i := range job.Commands {
		started = append(started, message.StartedInfo{Command: i, PID: 100 + i, StartedAt: epoch})
	}
	add(message.Event{Kind: message.Started, Started: started})
	if h.stopped {
		add(message.Event{Kind: message.Stopping, Stopping: &message.StoppingInfo{Cause: message.StopRule}})
	}
	left := rapid.Permutation(indices(len(job.Commands))).Draw(t, "order of exits")
	for len(left) > 0 || rapid.Bool().Draw(t, "more output") {
		if len(left) > 0 && rapid.Bool().Draw(t, "exit") {
			add(message.Event{Kind: message.Exited, Exited: h.drawExit(t, left[0])})
			left = left[1:]
			continue
		}
		o := h.drawOutput(t, job)
		o.Seq = uint64(len(h.events[job.Host]) + 1)
		h.events[job.Host] = append(h.events[job.Host], arrival{host: job.Host, seq: o.Seq, output: o, size: 256 << 10})
	}
	for i, p := range job.Commands {
		out, err := h.files[path(job.Host, p.Name, message.Stdout)], h.files[path(job.Host, p.Name, message.Stderr)]
		totals[i] = message.Total{
			StdoutLines: lines(out), StdoutBytes: uint64(len(out)), StderrLines: lines(err), StderrBytes: uint64(len(err)),
		}
	}
	add(message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostDone, Totals: totals}})
}

func (h *history) drawExit(t *rapid.T, process int) *message.ExitedInfo {
	e := &message.ExitedInfo{Command: process, StartedAt: epoch, EndedAt: epoch.Add(time.Second), UserUS: 1}
	switch rapid.IntRange(0, 3).Draw(t, "end") {
	case 0:
		e.ExitCode, e.Signal = -1, "SIGSEGV"
	case 1:
		e.ExitCode = 3
	case 2:
		e.Stopped, e.Killed = h.stopped, h.stopped
	}
	return e
}

func (h *history) drawOutput(t *rapid.T, job *message.Job) *message.Output {
	var b message.Batch
	b.Reset(job.Run, job.Host, 1, epoch)
	for range rapid.IntRange(1, 3).Draw(t, "segments") {
		s := message.Segment{
			Command: rapid.IntRange(0, len(job.Commands)-1).Draw(t, "process"),
			Stream:  message.Stream(rapid.IntRange(0, 1).Draw(t, "stream")),
			At:      epoch, Data: []byte(rapid.SampledFrom([]string{"a", "b\n", "\n", "c\nd", "\xff\x00", "\r\n\n"}).Draw(t, "data")),
		}
		file := path(job.Host, job.Commands[s.Command].Name, s.Stream)
		s.Offset = uint64(len(h.files[file]))
		h.files[file] += string(s.Data)
		b.Add(s)
	}
	o, err := message.DecodeOutput(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func path(host, process string, stream message.Stream) string {
	if stream == message.Stderr {
		return host + "/" + process + ".err"
	}
	return host + "/" + process + ".out"
}

// lines counts as a person does: a last line without newline is one.
func lines(text string) (n uint64) {
	for i, c := range []byte(text) {
		if c == '\n' || i == len(text)-1 {
			n++
		}
	}
	return n
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// inOrder gives one host's arrivals after the other's, each as it was sent.
func (h *history) inOrder() []arrival {
	var all []arrival
	for _, host := range slices.Sorted(maps.Keys(h.events)) {
		all = append(all, h.events[host]...)
	}
	return all
}

// scrambled gives them in any order, some more than once, among heartbeats.
func (h *history) scrambled(t *rapid.T) []arrival {
	all := h.inOrder()
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(all)-1), 0, 10).Draw(t, "twice") {
		all = append(all, all[i])
		all = append(all, arrival{host: all[i].host, event: &message.Event{
			Kind: message.Heartbeat, Heartbeat: &message.HeartbeatInfo{Last: all[i].seq},
		}})
	}
	return rapid.Permutation(all).Draw(t, "order")
}

// gather lets a run, released already, take these arrivals, and returns its record and
// the files with something in them.
func (h *history) gather(t *rapid.T, l *lab, arrivals []arrival) (results.Record, map[string]string) {
	dir, err := os.MkdirTemp("", "gather")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a test that fails has said so already
	out := newResults(t, dir, h.dp)
	if err := out.CreateFiles(); err != nil {
		t.Fatal(err)
	}
	r, err := l.p.newRun(Spec{Datapoint: h.dp, Results: out, Observer: &watcher{}})
	if err != nil {
		t.Fatal(err)
	}
	r.stage, r.releaseAt = running, epoch
	for _, host := range r.hosts {
		host.phase = Committed
		host.clock.Add(clock.Sample{Sent: epoch, Taken: epoch, Answered: epoch, Received: epoch})
	}
	if h.stopped {
		r.halt(message.StopRule, "the rule says so")
		r.stopAt = epoch
	}
	for _, a := range arrivals {
		r.arrive(a)
	}
	if !r.allOver() {
		t.Fatal("everything has come, and the run is not over")
	}
	record := r.record()
	record.EnqueuedAt, record.EndedAt = time.Time{}, time.Time{}
	if err := out.Abandon(); err != nil { // it writes all but the record
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, p := range h.dp.Processes {
		for _, stream := range []message.Stream{message.Stdout, message.Stderr} {
			name := path(p.Host, p.Name, stream)
			if data, err := os.ReadFile(filepath.Join(out.Dir(), name)); err == nil && len(data) > 0 {
				files[name] = string(data)
			}
		}
	}
	return record, files
}

func TestReadyHostsClockIsMeasured(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	dp := l.datapoint(proc("alpha", "a", 0))
	r, err := l.p.newRun(Spec{Datapoint: dp, Observer: &watcher{}, Results: newResults(t, t.TempDir(), dp)})
	check(t, err)
	defer func() { check(t, r.spec.Results.Abandon()) }()
	r.arrive(arrival{host: "alpha", seq: 1, at: time.Now(), event: &message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{}}})
	if c := within(t, r.hosts[0].outbox.controls, "nothing is sent"); c.Kind != message.Keepalive || c.Probe == nil {
		t.Errorf("a %s is sent with probe %v, want a keepalive with one", c.Kind, c.Probe)
	}
}

func TestCommitMeasuresTheHostsClock(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	r, err := l.p.newRun(Spec{Datapoint: l.datapoint(proc("alpha", "a", 0)), Observer: &watcher{}})
	check(t, err)
	r.stage, r.hosts[0].phase = committing, Ready
	r.repeat(time.Now())
	if c := within(t, r.hosts[0].outbox.controls, "nothing is sent"); c.Kind != message.Commit || c.Probe == nil {
		t.Errorf("a %s is sent with probe %v, want a commit with one", c.Kind, c.Probe)
	}
	sent := r.clock.Now()
	probe := &message.Probe{SentAt: sent, TakenAt: sent.Add(hostSkew), AnswerAt: sent.Add(hostSkew)}
	r.arrive(arrival{host: "alpha", seq: 1, at: time.Now(), event: &message.Event{Kind: message.Committed, Committed: &message.CommittedInfo{Probe: probe}}})
	if c := &r.hosts[0].clock; c.Samples() != 1 || (c.Value()-hostSkew).Abs() > c.Error() {
		t.Errorf("the clock is known from %d exchanges to be %s ahead, give or take %s, want one and %s", c.Samples(), c.Value(), c.Error(), hostSkew)
	}
}

// The release is set as far ahead as the commits suggest.
func TestReleaseIsSetAheadByWhatTheCommitsTook(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	for took, want := range map[time.Duration]time.Duration{
		time.Millisecond: 12 * time.Millisecond, 40 * time.Millisecond: 80 * time.Millisecond, time.Minute: 2 * time.Second,
	} {
		r, err := l.p.newRun(Spec{Datapoint: l.datapoint(proc("alpha", "a", 0)), Observer: &watcher{}})
		check(t, err)
		now := time.Now()
		r.committingAt, r.committedAt = now, now.Add(took)
		opened := now.Add(time.Hour) // the gate
		r.release(opened)
		if ahead := r.clock.Local(r.releaseAt).Sub(opened); ahead != want {
			t.Errorf("the last host had committed after %s, and the release is %s ahead, want %s", took, ahead, want)
		}
	}
}

// However arrivals of several hosts are mixed, reordered and doubled, the same
// comes of them.
func TestArrivalsInAnyOrderGiveTheSameResults(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t, l)
		want, _ := h.gather(t, l, h.inOrder())
		got, files := h.gather(t, l, h.scrambled(t))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("record:\n%+v, in order\n%+v", got, want)
		}
		if !maps.Equal(files, h.files) {
			t.Fatalf("files %q, want %q", files, h.files)
		}
		for _, p := range got.Processes {
			out, err := h.files[path(p.Host, p.Process, message.Stdout)], h.files[path(p.Host, p.Process, message.Stderr)]
			if p.StdoutLines != lines(out) || p.StdoutBytes != uint64(len(out)) || p.StderrLines != lines(err) || p.StderrBytes != uint64(len(err)) {
				t.Fatalf("%s on %s is said to have written %+v, not %q and %q", p.Process, p.Host, p, out, err)
			}
		}
		for _, host := range got.Hosts {
			if host.Outcome == outcome.HostLost {
				t.Fatalf("%s: %s", host.Host, host.Reason)
			}
		}
	})
}
