package conduct

import (
	"testing"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/streams"
)

// A worker is one host: it says what the test tells it to, and answers keepalives as long
// as it is not muted.
type worker struct {
	l     *harness
	t     *testing.T
	index int
	host  string
	job   *message.Job
	jobs  int // how often it was sent its job

	told      uint64 // what it was told is safe
	unflushed bool   // something of it was stored that is not on the disk

	muted    bool
	claim    func(last uint64) uint64 // what heartbeats say instead of the last number
	seq      uint64
	log      []Received // every event by number, from 1
	totals   []streams.Total
	acked    uint64
	resends  []uint64 // what keepalives with Resend acknowledge
	kept     int      // keepalives
	controls []message.Control
	last     message.ControlKind // that was expected
	commit   *message.Probe      // the answer to the latest commit's
	shipped  []message.WantInfo

	direct      bool          // it answers when its clock is asked for directly
	directTakes time.Duration // how long that takes
	pieces      int
	blocks      [][]byte
	closed      []CloseFiles
}

// worker adds a host with these commands.
func (l *harness) worker(host string, commands ...message.Command) *worker {
	w := &worker{l: l, t: l.t, index: len(l.hosts), host: host, job: &message.Job{
		Run: l.spec.Run, Host: host, Commands: commands, WindowBytes: 1 << 20, LeaseMS: l.spec.Lease.Milliseconds(),
	}}
	w.totals = make([]streams.Total, len(commands))
	l.hosts = append(l.hosts, w)
	return w
}

// proc and step are a process, and a command of the setup or the teardown.
func proc(group string, index int) message.Command {
	return message.Command{Name: message.ProcessName(group, index), Phase: message.PhaseRun, Group: group, Index: index, Argv: []string{"./" + group}, OKExit: []int{0}}
}

func step(phase message.Phase, index int) message.Command {
	return message.Command{Name: message.ProcessName(string(phase), index), Phase: phase, Argv: []string{"./" + string(phase)}, OKExit: []int{0}, TimeoutMS: 1000}
}

// clock shows the host's time.
func (w *worker) clock() time.Time { return w.l.now.Add(hostSkew) }

// control takes a control.
func (w *worker) control(c message.Control) {
	if c.Probe != nil {
		probe := *c.Probe
		probe.TakenAt, probe.AnswerAt = w.clock(), w.clock()
		c.Probe = &probe
	}
	if c.Kind != message.Keepalive {
		if c.Kind == message.Commit {
			w.commit = c.Probe
		}
		w.controls = append(w.controls, c)
		return
	}
	w.kept++
	w.acked = max(w.acked, c.Ack)
	if c.Resend {
		w.resends = append(w.resends, c.Ack)
	}
	if w.muted || c.Probe == nil {
		return
	}
	last := w.seq
	if w.claim != nil {
		last = w.claim(last)
	}
	e := message.Event{Kind: message.Heartbeat, Host: w.host, Time: w.clock(), Heartbeat: &message.HeartbeatInfo{Last: last, Ack: c.Ack, Probe: c.Probe}}
	w.l.later(oneWay, func() { w.unlogged(e) })
}

// listening is where hosts of these tests say that they can be asked.
var listening = &message.ClockInfo{Addresses: []string{"10.0.0.1:7171"}}

// directWay is what a datagram takes.
const directWay = 10 * time.Microsecond

// exchanges are those that were made with the host just now, if it answers.
func (w *worker) exchanges(times int) []clock.Sample {
	var samples []clock.Sample
	for i := range times {
		if at := w.l.now.Add(time.Duration(i-times) * 2 * directWay); w.direct {
			taken := at.Add(directWay + hostSkew)
			samples = append(samples, clock.Sample{Sent: at, Taken: taken, Answered: taken, Received: at.Add(2 * directWay)})
		}
	}
	return samples
}

// unlogged sends an event without a number.
func (w *worker) unlogged(e message.Event) {
	w.t.Helper()
	if e.Time.IsZero() {
		e.Time = w.clock()
	}
	w.l.input(Received{Host: w.index, At: w.l.now, Size: 100, Content: Event{&e}})
}

// logs gives content its number without sending it.
func (w *worker) logs(c Content, size int) Received {
	w.seq++
	if e, ok := c.(Event); ok {
		e.Host, e.Seq = w.host, w.seq
		if e.Time.IsZero() {
			e.Time = w.clock()
		}
	}
	a := Received{Host: w.index, Seq: w.seq, Size: size, Sum: uint64(len(w.log)) + 1, Content: c}
	w.log = append(w.log, a)
	return a
}

// sends has a message come now.
func (w *worker) sends(a Received) {
	w.t.Helper()
	a.At = w.l.now
	w.l.input(a)
}

// event logs an event and sends it.
func (w *worker) event(e message.Event) {
	w.t.Helper()
	w.sends(w.logs(Event{&e}, 100))
}

// resend sends everything after a number again.
func (w *worker) resend(after uint64) {
	w.t.Helper()
	for _, a := range w.log[after:] {
		w.sends(a)
	}
}

// expect lets time pass until the next control comes, which must be of that kind. The one
// before may come again first: publishers ask again for what is slow to come.
func (w *worker) expect(kind message.ControlKind) message.Control {
	w.t.Helper()
	for until := w.l.now.Add(time.Minute); ; {
		for len(w.controls) == 0 {
			if !w.l.happen(until) {
				w.t.Fatalf("%s gets no %s", w.host, kind)
			}
		}
		c := w.controls[0]
		w.controls = w.controls[1:]
		if c.Kind == kind {
			w.last = kind
			return c
		}
		if c.Kind != w.last {
			w.t.Fatalf("%s gets a %s (%s), want a %s", w.host, c.Kind, c.Reason, kind)
		}
	}
}

// expectNothing makes sure that the host is asked for nothing within some seconds.
func (w *worker) expectNothing() {
	w.t.Helper()
	w.l.advance(3 * time.Second)
	for _, c := range w.controls {
		if c.Kind != w.last {
			w.t.Fatalf("%s gets a %s (%s), want nothing", w.host, c.Kind, c.Reason)
		}
	}
	w.controls = nil
}

// obey carries a stop out: every process given ends by TERM.
func (w *worker) obey(processes ...int) message.Control {
	w.t.Helper()
	stop := w.expect(message.Stop)
	w.event(message.Event{Kind: message.Stopping, Time: stop.At, Stopping: &message.StoppingInfo{Cause: stop.Cause}})
	for _, i := range processes {
		w.exited(message.ExitedInfo{Command: i, ExitCode: -1, Signal: "SIGTERM", Stopped: true, StartedAt: stop.At, EndedAt: stop.At})
	}
	w.done(message.HostDone)
	return stop
}
