package conduct

import (
	"container/heap"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// epoch is when the runs of these tests begin, in virtual time.
var epoch = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

const (
	hostSkew = 5 * time.Second      // by how much the hosts' clocks are ahead
	oneWay   = 1 * time.Millisecond // what a message takes
	patience = 20 * time.Second     // the ready timeout
)

// testRun is the id of the run of these tests, ownRun another of the same publisher and
// otherRun one of another publisher.
const (
	testRun  = "01JD5W9M4QX3T0C9V8Z7Y6R5PK"
	ownRun   = "01JD5W9M4PX3T0C9V8Z7AAAAAA"
	otherRun = "01JD5W9M4PQQQQQQQQQQAAAAAA"
)

// A lab is a run in virtual time, with hosts that say what the test tells them to.
type lab struct {
	t    *testing.T
	spec Spec
	run  *Run
	now  time.Time

	hosts   []*worker
	coming  agenda // what happens later
	effects []Effect
	told    map[string][]Phase // of each host
	details map[string]string
	stored  map[string]string // what was written, by host/command.stream
	causes  []message.StopCause
	exited  int
	steps   []int
	warned  []Warning
	freed   []outcome.Run
	known   string // what is known of hosts that don't answer
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return &lab{
		t: t, now: epoch, told: make(map[string][]Phase), details: make(map[string]string), stored: make(map[string]string),
		known: "no worker is connected",
		spec: Spec{
			Run: testRun, Timeout: time.Hour, ReadyTimeout: patience, Lease: patience / 2,
			Stop: StopRule{Grace: 7 * time.Second, OnFailure: true},
		},
	}
}

// proc and step are a process, and a command of the setup or the teardown.
func proc(group string, index int) message.Command {
	return message.Command{Name: message.ProcessName(group, index), Phase: message.PhaseRun, Group: group, Index: index, Argv: []string{"./" + group}, OKExit: []int{0}}
}

func step(phase message.Phase, index int) message.Command {
	return message.Command{Name: message.ProcessName(string(phase), index), Phase: phase, Argv: []string{"./" + string(phase)}, OKExit: []int{0}, TimeoutMS: 1000}
}

// worker adds a host with these commands.
func (l *lab) worker(host string, commands ...message.Command) *worker {
	w := &worker{l: l, t: l.t, index: len(l.hosts), host: host, job: &message.Job{
		Run: l.spec.Run, Host: host, Commands: commands, WindowBytes: 1 << 20, LeaseMS: l.spec.Lease.Milliseconds(),
	}}
	w.totals = make([]streams.Total, len(commands))
	l.hosts = append(l.hosts, w)
	return w
}

// start begins the run.
func (l *lab) start() {
	l.t.Helper()
	processes, rest := 0, 0 // numbers, those of the rest after all processes'
	for _, w := range l.hosts {
		rest += w.job.Count(message.PhaseRun)
	}
	for _, w := range l.hosts {
		w.job.GraceMS, w.job.Needs = l.spec.Stop.Grace.Milliseconds(), w.job.Uses()
		var numbers []int
		for i := range w.job.Commands {
			if w.job.Commands[i].Phase == message.PhaseRun {
				numbers = append(numbers, processes)
				processes++
			} else {
				numbers = append(numbers, rest)
				rest++
			}
		}
		l.spec.Hosts = append(l.spec.Hosts, HostSpec{Job: w.job, Numbers: numbers})
	}
	l.run = New(l.spec, l.now)
	l.input(nil)
}

// input has the run take it now.
func (l *lab) input(in Input) {
	l.t.Helper()
	for _, e := range l.run.Step(l.now, in) {
		l.carryOut(e)
	}
	l.check()
	for n := 0; !l.run.Over() && !l.run.Next().IsZero() && !l.run.Next().After(l.now); n++ {
		if n == 10_000 {
			l.t.Fatal("Step is wanted again and again, and does nothing")
		}
		for _, e := range l.run.Step(l.now, nil) {
			l.carryOut(e)
		}
		l.check()
	}
}

// check makes sure that what the run keeps count of is so.
func (l *lab) check() {
	l.t.Helper()
	var at [Completed + 1]int
	pending := 0
	for i := range l.run.hosts {
		h := &l.run.hosts[i]
		at[h.phase]++
		if h.pending {
			pending++
		}
		if left := len(slices.DeleteFunc(slices.Clone(h.numbers), func(n int) bool {
			return l.run.commands[n].Phase != message.PhaseRun || l.run.commands[n].ended()
		})); left != h.left {
			l.t.Fatalf("%s has %d processes left, and it is noted that %d", h.name, left, h.left)
		}
		if has := h.inbox.has() && !h.over(); has != h.pending {
			l.t.Fatalf("%s has its next event: %v, and it is noted that %v", h.name, has, h.pending)
		}
		if due := dueOf(l.run, h); !due.Equal(h.due) && l.run.stage != Over {
			l.t.Fatalf("%s has a deadline at %s, and %s is noted", h.name, due.Sub(epoch), h.due.Sub(epoch))
		}
	}
	left, waited := 0, 0
	for i := range l.run.commands {
		if c := &l.run.commands[i]; c.Phase == message.PhaseRun && !c.ended() {
			left++
			if l.run.rule.waits(c.Group) {
				waited++
			}
		}
	}
	if at != l.run.at || pending != l.run.pending || left != l.run.rule.left || waited != l.run.rule.waited {
		l.t.Fatalf("hosts at each phase %v, %d with an event, %d processes left, %d waited for; noted are %v, %d, %d, %d",
			at, pending, left, waited, l.run.at, l.run.pending, l.run.rule.left, l.run.rule.waited)
	}
}

// carryOut does what an effect says.
func (l *lab) carryOut(e Effect) {
	l.effects = append(l.effects, e)
	switch e := e.(type) {
	case SendJob:
		l.hosts[e.Host].jobs++
	case Send:
		w := l.hosts[e.Host]
		c := *e.Control
		if c.Ack > w.told && w.unflushed {
			l.t.Fatalf("%s is told that event %d is safe before it is on the disk", w.host, c.Ack)
		}
		w.told = max(w.told, c.Ack)
		if c.Probe != nil {
			probe := *c.Probe
			probe.SentAt = l.now
			c.Probe = &probe
		}
		l.later(oneWay, func() { w.control(c) })
	case Inquire:
		l.later(oneWay, func() { l.input(Inquired{Host: e.Host, Late: e.Late, Why: l.known}) })
	case Ship:
		l.hosts[e.Host].shipped = append(l.hosts[e.Host].shipped, e.Want)
	case Store:
		l.hosts[e.Host].unflushed = true
		for _, p := range e.Pieces {
			l.stored[fmt.Sprintf("%s/%s.%s", l.hosts[e.Host].host, l.run.commands[p.Command].Name, p.Stream)] += string(p.Data)
		}
	case StoreFiles:
		l.hosts[e.Host].unflushed = true
		for range e.Pieces {
			l.hosts[e.Host].pieces++
		}
	case CloseFiles:
		l.hosts[e.Host].closed = append(l.hosts[e.Host].closed, e)
	case HostMoved:
		host := l.hosts[e.Host].host
		l.told[host] = append(l.told[host], e.Phase)
		l.details[host] = e.Detail
	case Started:
	case Flush:
		for _, w := range l.hosts {
			w.unflushed = false
		}
	case Exited:
		if e.Ran.Phase == message.PhaseRun {
			l.exited++
		} else {
			l.steps = append(l.steps, e.Command)
		}
	case StopBegun:
		l.causes = append(l.causes, e.Cause)
	case HostsFree:
		l.freed = append(l.freed, e.Outcome)
	case Warn:
		l.warned = append(l.warned, e.What)
	}
}

// An agenda is what happens later, in its order.
type agenda []appointment

type appointment struct {
	at time.Time
	n  int
	do func()
}

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].n < a[j].n
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(appointment)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func (l *lab) later(after time.Duration, do func()) {
	heap.Push(&l.coming, appointment{l.now.Add(after), len(l.effects), do})
}

// advance lets time pass.
func (l *lab) advance(d time.Duration) {
	l.t.Helper()
	until := l.now.Add(d)
	for l.happen(until) {
		continue
	}
	l.now = until
}

// happen has the next thing happen, if that is before that time.
func (l *lab) happen(until time.Time) bool {
	l.t.Helper()
	next := l.run.Next()
	if len(l.coming) > 0 && (next.IsZero() || !l.coming[0].at.After(next)) {
		if l.coming[0].at.After(until) {
			return false
		}
		a := heap.Pop(&l.coming).(appointment)
		l.now = a.at
		a.do()
		return true
	}
	if next.IsZero() || next.After(until) {
		return false
	}
	if next.After(l.now) {
		l.now = next
	}
	l.input(nil)
	return true
}

// end lets time pass until the run is over, and gives what it came to.
func (l *lab) end() Result {
	l.t.Helper()
	for until := l.now.Add(time.Hour); !l.run.Over(); {
		if !l.happen(until) {
			l.t.Fatalf("the run does not end: it is %s", l.run.Stage())
		}
	}
	return l.run.Result()
}

// hostOf picks a host's result.
func (l *lab) hostOf(res Result, host string) HostResult {
	l.t.Helper()
	return res.Hosts[slices.IndexFunc(l.hosts, func(w *worker) bool { return w.host == host })]
}

// wants makes sure that the run came to that, for a reason that contains the text.
func (l *lab) wants(res Result, word outcome.Run, reason string) {
	l.t.Helper()
	if res.Outcome != word || !strings.Contains(res.Reason, reason) || reason == "" && res.Reason != "" {
		l.t.Errorf("outcome %s (%s), want %s (%s)", res.Outcome, res.Reason, word, reason)
	}
}

// A worker is one host: it says what the test tells it to, and answers keepalives as long
// as it is not muted.
type worker struct {
	l     *lab
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
	pieces   int
	closed   []CloseFiles
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

func (w *worker) ready() {
	w.t.Helper()
	w.event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "ptrace", Version: "v9", Features: message.Features()}})
}

func (w *worker) waiting(behind string) {
	w.t.Helper()
	w.last = "" // whatever it was, nobody may ask for it now
	w.event(message.Event{Kind: message.Waiting, Waiting: &message.WaitingInfo{Behind: behind}})
}

func (w *worker) settingUp() { w.t.Helper(); w.event(message.Event{Kind: message.SettingUp}) }
func (w *worker) tearingDown() {
	w.t.Helper()
	w.event(message.Event{Kind: message.TearingDown})
}

func (w *worker) committed() {
	w.t.Helper()
	w.event(message.Event{Kind: message.Committed, Committed: &message.CommittedInfo{Probe: w.commit}})
}

// started reports that all processes began at that time on the host's clock.
func (w *worker) started(at time.Time) {
	w.t.Helper()
	var infos []message.StartedInfo
	for i := range w.job.In(message.PhaseRun) {
		infos = append(infos, message.StartedInfo{Command: i, PID: 100 + i, StartedAt: at})
	}
	w.event(message.Event{Kind: message.Started, Started: infos})
}

// begins reports that a command began now.
func (w *worker) begins(command int) {
	w.t.Helper()
	w.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: command, PID: 100 + command, StartedAt: w.clock()}}})
}

// step reports that a command of the setup or the teardown began, and its end.
func (w *worker) step(command, code int) {
	w.t.Helper()
	w.begins(command)
	w.exited(message.ExitedInfo{Command: command, ExitCode: code, StartedAt: w.clock(), EndedAt: w.clock(), UserUS: 3})
}

func (w *worker) exited(info message.ExitedInfo) {
	w.t.Helper()
	w.event(message.Event{Kind: message.Exited, Exited: &info})
}

func (w *worker) exit(command, code int) {
	w.t.Helper()
	w.exited(message.ExitedInfo{Command: command, ExitCode: code, StartedAt: w.clock(), EndedAt: w.clock()})
}

// ends reports the end of these processes, which is right.
func (w *worker) ends(commands ...int) {
	w.t.Helper()
	for _, i := range commands {
		w.exit(i, 0)
	}
}

// end is how command 0 ended, changed.
func (w *worker) end(change func(*message.ExitedInfo)) {
	w.t.Helper()
	info := message.ExitedInfo{StartedAt: w.clock(), EndedAt: w.clock()}
	change(&info)
	w.exited(info)
}

// fails reports that process 0 exited with status 1 at that time on the host's clock.
func (w *worker) fails(at time.Time) {
	w.t.Helper()
	w.exited(message.ExitedInfo{ExitCode: 1, StartedAt: at.Add(-time.Second), EndedAt: at})
}

// output sends one piece of one stream.
func (w *worker) output(command int, stream streams.Stream, text string) {
	w.t.Helper()
	w.sends(w.logsOutput(command, stream, text))
}

// logsOutput gives a piece of output its number without sending it.
func (w *worker) logsOutput(command int, stream streams.Stream, text string) Received {
	return w.logs(w.writes(command, stream, text), 100+len(text))
}

// writes counts a piece of output. Lines are counted as newlines: a last line without one
// is for the totals at the end.
func (w *worker) writes(command int, stream streams.Stream, text string) Output {
	total := &w.totals[command]
	sum, lines := &total.StdoutBytes, &total.StdoutLines
	if stream == streams.Stderr {
		sum, lines = &total.StderrBytes, &total.StderrLines
	}
	s := message.Segment{Command: command, Stream: stream, At: w.clock(), Offset: *sum, Line: *lines, Data: []byte(text)}
	*sum += uint64(len(text))
	*lines += uint64(strings.Count(text, "\n"))
	return segments(s)
}

func segments(all ...message.Segment) Output { return Output{Segments: slices.Values(all)} }

// files sends a batch of files.
func (w *worker) files(pieces ...message.Piece) {
	w.t.Helper()
	w.sends(w.logs(packed(pieces), 100))
}

func packed(pieces []message.Piece) Files {
	return Files{Unpack: func([]byte) (iter.Seq[message.Piece], []byte, error) { return slices.Values(pieces), nil, nil }}
}

// file is the pieces of a whole file.
func file(path, content string) []message.Piece {
	return []message.Piece{
		{Kind: message.FileBegin, Path: path}, {Kind: message.FileData, Data: []byte(content)}, {Kind: message.FileEnd, Size: uint64(len(content))},
	}
}

// stops reports that the host stops by itself.
func (w *worker) stops() {
	w.t.Helper()
	w.event(message.Event{Kind: message.Stopping, Stopping: &message.StoppingInfo{Cause: message.StopLease, Reason: "the lease is over"}})
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

// done closes the account with what was really sent; says, changed.
func (w *worker) done(word string) {
	w.t.Helper()
	w.says(func(d *message.DoneInfo) { d.Outcome = word })
}

func (w *worker) says(change func(*message.DoneInfo)) {
	w.t.Helper()
	d := &message.DoneInfo{Outcome: message.HostDone, Totals: slices.Clone(w.totals)}
	change(d)
	w.event(message.Event{Kind: message.Done, Done: d})
}

// accounts closes the account, files included.
func (w *worker) accounts(files message.FileTotals) {
	w.t.Helper()
	w.says(func(d *message.DoneInfo) { d.Files = &files })
}

// refusing says that the host takes no part, with what it has written so far.
func (w *worker) refusing(reason string, problems ...message.Problem) {
	w.t.Helper()
	w.event(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: reason, Problems: problems, Totals: w.totals}})
}

// offer takes the hosts to where they have been asked to commit.
func offer(workers ...*worker) {
	for _, w := range workers {
		w.t.Helper()
		w.ready()
	}
	for _, w := range workers {
		w.expect(message.Commit)
	}
}

// hold takes the hosts to where they keep their processes for the run.
func hold(workers ...*worker) {
	offer(workers...)
	for _, w := range workers {
		w.t.Helper()
		w.committed()
	}
}

// release takes the hosts to where their processes run, and returns the last start.
func release(workers ...*worker) message.Control {
	hold(workers...)
	var start message.Control
	for _, w := range workers {
		w.t.Helper()
		start = w.expect(message.Start)
		w.started(start.At)
	}
	return start
}

// alone takes a run of one process, a.0 on alpha, to where it runs.
func alone(t *testing.T, change ...func(*Spec)) (*lab, *worker) {
	t.Helper()
	l := newLab(t)
	for _, c := range change {
		c(&l.spec)
	}
	alpha := l.worker("alpha", proc("a", 0))
	l.start()
	release(alpha)
	return l, alpha
}

// pair begins a run of one process on alpha and one on bravo.
func pair(t *testing.T, change ...func(*Spec)) (l *lab, alpha, bravo *worker) {
	t.Helper()
	l = newLab(t)
	for _, c := range change {
		c(&l.spec)
	}
	alpha, bravo = l.worker("alpha", proc("a", 0)), l.worker("bravo", proc("b", 0))
	l.start()
	return l, alpha, bravo
}

func lease(d time.Duration) func(*Spec) { return func(s *Spec) { s.Lease = d } }
