package conduct

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// A history is everything that the hosts of a run report once they are released, and what
// has to come of it.
type history struct {
	stopped bool // by the file's rule, before anything else
	hosts   [][]message.Command
	events  []Received        // of all hosts, each in its order
	files   map[string]string // what each process wrote, by path
}

// drawHistory makes up a run that could have been, on one to three hosts.
func drawHistory(t *rapid.T) *history {
	h := &history{stopped: rapid.Bool().Draw(t, "stopped"), files: make(map[string]string)}
	for range rapid.IntRange(1, 3).Draw(t, "hosts") {
		var commands []message.Command
		for i := range rapid.IntRange(1, 3).Draw(t, "processes") {
			commands = append(commands, proc("p", i))
		}
		h.hosts = append(h.hosts, commands)
	}
	return h
}

// begin begins a run of these hosts and takes it to where all have committed and are told
// to start, and to stop too if they were.
func (h *history) begin(t *testing.T) *harness {
	l := newHarness(t)
	l.spec.Stop.OnFailure = false
	var all []*worker
	for i, commands := range h.hosts {
		all = append(all, l.worker(fmt.Sprintf("host%d", i), commands...))
	}
	l.start()
	hold(all...)
	if h.stopped {
		l.run.halt(message.StopRule, "the rule says so")
		l.input(nil)
	}
	return l
}

// drawEvents makes up what one host reports from then on, in order. Times are on its
// clock, with the release at that time.
func (h *history) drawEvents(t *rapid.T, w *worker, released time.Time) {
	add := func(e message.Event) {
		e.Time = released
		h.events = append(h.events, w.logs(Event{&e}, 100))
	}
	var started []message.StartedInfo
	for i := range w.job.Commands {
		started = append(started, message.StartedInfo{Command: i, PID: 100 + i, StartedAt: released})
	}
	add(message.Event{Kind: message.Started, Started: started})
	left := rapid.Permutation(indices(len(w.job.Commands))).Draw(t, "order of exits")
	for len(left) > 0 || rapid.Bool().Draw(t, "more output") {
		if len(left) > 0 && rapid.Bool().Draw(t, "exit") {
			e := &message.ExitedInfo{Command: left[0], StartedAt: released, EndedAt: released, UserUS: 1}
			switch rapid.IntRange(0, 2).Draw(t, "end") {
			case 0:
				e.ExitCode, e.Signal = -1, "SIGSEGV"
			case 1:
				e.ExitCode = 3
			}
			add(message.Event{Kind: message.Exited, Exited: e})
			left = left[1:]
			continue
		}
		h.events = append(h.events, w.logs(h.drawOutput(t, w), 100_000))
	}
	for i, c := range w.job.Commands {
		out, err := h.files[w.host+"/"+c.Name+".stdout"], h.files[w.host+"/"+c.Name+".stderr"]
		w.totals[i] = streams.Total{StdoutLines: lines(out), StdoutBytes: uint64(len(out)), StderrLines: lines(err), StderrBytes: uint64(len(err))}
	}
	if h.stopped {
		add(message.Event{Kind: message.Stopping, Stopping: &message.StoppingInfo{Cause: message.StopRule}})
	}
	add(message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostDone, Totals: w.totals}})
}

func (h *history) drawOutput(t *rapid.T, w *worker) Output {
	var all []message.Segment
	for range rapid.IntRange(1, 3).Draw(t, "segments") {
		s := message.Segment{
			Command: rapid.IntRange(0, len(w.job.Commands)-1).Draw(t, "process"), Stream: streams.Stream(rapid.IntRange(0, 1).Draw(t, "stream")),
			At: w.clock(), Data: []byte(rapid.SampledFrom([]string{"a", "b\n", "\n", "c\nd", "\xff\x00", "\r\n\n"}).Draw(t, "data")),
		}
		path := fmt.Sprintf("%s/%s.%s", w.host, w.job.Commands[s.Command].Name, s.Stream)
		s.Offset = uint64(len(h.files[path]))
		h.files[path] += string(s.Data)
		all = append(all, s)
	}
	return segments(all...)
}

// lines counts as a person does: a last line without newline is one.
func lines(text string) uint64 {
	n := strings.Count(text, "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	return uint64(n)
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// However what hosts send is mixed, reordered and doubled, the same comes of it.
func TestArrivalsInAnyOrderGiveTheSameResult(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHistory(rt)
		first := h.begin(t)
		for _, w := range first.hosts {
			h.drawEvents(rt, w, first.run.releaseAt.Add(hostSkew))
		}
		want := comesOf(first, h.events)
		all := h.events
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(all)-1), 0, 10).Draw(rt, "twice") {
			beat := &message.Event{Kind: message.Heartbeat, Heartbeat: &message.HeartbeatInfo{Last: all[i].Seq}}
			all = append(all, all[i], Received{Host: all[i].Host, Content: Event{beat}})
		}
		second := h.begin(t)
		if got := comesOf(second, rapid.Permutation(all).Draw(rt, "order")); got != want {
			rt.Fatalf("got\n%s, in order\n%s", got, want)
		}
		if !maps.Equal(second.stored, h.files) {
			rt.Fatalf("stored %q, want %q", second.stored, h.files)
		}
		res := second.run.Result()
		for i, p := range res.Processes {
			host := second.run.commands[i].host.name
			if out, err := h.files[host+"/"+p.Name+".stdout"], h.files[host+"/"+p.Name+".stderr"]; p.Total.Lines() != lines(out)+lines(err) || p.Total.Bytes() != uint64(len(out)+len(err)) {
				rt.Fatalf("%s on %s is said to have written %+v, not %q and %q", p.Name, host, p.Total, out, err)
			}
		}
		for i, r := range res.Hosts {
			if r.Outcome == outcome.HostLost {
				rt.Fatalf("host%d: %s", i, r.Reason)
			}
		}
	})
}

// comesOf is what comes of the arrivals, as text.
func comesOf(l *harness, arrivals []Received) string {
	for _, a := range arrivals {
		a.At = l.now
		l.input(a)
	}
	if !l.run.Over() {
		l.t.Fatal("everything has come, and the run is not over")
	}
	res := l.run.Result()
	var b strings.Builder
	fmt.Fprintln(&b, res.Outcome, res.Reason)
	for _, p := range res.Processes {
		fmt.Fprintln(&b, p.Name, p.Outcome, p.Reason, p.PID, p.StartedAt, p.EndedAt, *p.Exit, p.Total)
	}
	for _, h := range res.Hosts {
		fmt.Fprintln(&b, h.Outcome, h.Reason, h.Stops, h.Swept)
	}
	return b.String()
}
