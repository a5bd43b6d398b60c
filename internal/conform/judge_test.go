package conform

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

const (
	testNamespace = "test"
	testPublisher = "7QF3JZ8K2M"
	testRun       = "01M8G1SPM8" + testPublisher + "AAAAAA"
)

var (
	testStart = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	testKey   = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	stranger  = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
)

// An item is a message of a conversation before it is encoded.
type item struct {
	from  Party
	queue string
	// One of these.
	event   *message.Event
	output  []message.Segment
	pieces  []message.Piece
	job     *message.Job
	control *message.Control
	chunk   *message.Chunk
	raw     func([]byte) []byte // changes what is encoded, of any of them

	run, host  string
	seq        uint64 // of output and pieces
	serial     uint64
	key        ed25519.PrivateKey
	expires    time.Duration
	namespace  string
	version    int
	unroutable bool
}

func (m *item) encode(t *testing.T) Message {
	t.Helper()
	var body []byte
	var err error
	address := message.Address{Namespace: m.namespace, Host: m.host, Run: m.run, Serial: m.serial, Expires: time.Now().Add(m.expires)}
	switch {
	case m.event != nil:
		e := *m.event
		e.Version = m.version
		body, err = e.Encode()
	case m.output != nil:
		var b message.Batch
		b.Reset(m.run, m.host, m.seq, testStart)
		for _, s := range m.output {
			b.Add(s)
		}
		body = b.Bytes()
	case m.pieces != nil:
		var p message.Pieces
		for _, piece := range m.pieces {
			p.Add(piece)
		}
		body = p.Pack().Append(nil, m.run, m.host, m.seq)
	case m.chunk != nil:
		body = m.chunk.Encode()
	case m.job != nil:
		address.Purpose = message.PurposeJob
		body, err = message.Seal(address, m.job, m.key)
	case m.control != nil:
		address.Purpose = message.PurposeControl
		body, err = message.Seal(address, m.control, m.key)
	}
	testkit.Check(t, err)
	if m.raw != nil {
		body = m.raw(body)
	}
	return Message{At: time.Now(), From: m.from, Queue: m.queue, Body: bytes.Clone(body), Unroutable: m.unroutable}
}

// A talk is a conversation, in the order of time.
type talk []*item

func (c talk) trace(t *testing.T, key ed25519.PublicKey) []seen {
	t.Helper()
	var all []Message
	for _, m := range c {
		all = append(all, m.encode(t))
	}
	return look(all, key)
}

// says appends an event of a host; seq 0: it is unlogged.
func (c *talk) says(from Party, host string, seq uint64, e message.Event) *item {
	e.Run, e.Host, e.Seq, e.Time = testRun, host, seq, testStart
	m := &item{from: from, queue: message.EventsQueue(testNamespace, testPublisher), event: &e, run: testRun, host: host, version: message.Version}
	*c = append(*c, m)
	return m
}

func (c *talk) writes(from Party, host string, seq uint64, segments ...message.Segment) {
	*c = append(*c, &item{from: from, queue: message.EventsQueue(testNamespace, testPublisher), output: segments, run: testRun, host: host, seq: seq})
}

func (c *talk) sends(from Party, host string, seq uint64, pieces ...message.Piece) {
	*c = append(*c, &item{from: from, queue: message.EventsQueue(testNamespace, testPublisher), pieces: pieces, run: testRun, host: host, seq: seq})
}

func (c *talk) hands(from Party, j message.Job) {
	j.ReplyTo, j.Since, j.LeaseMS, j.GraceMS = message.EventsQueue(testNamespace, testPublisher), testRun, 1000, 1000
	if j.WindowBytes == 0 {
		j.WindowBytes = 1 << 20
	}
	host := j.Host
	*c = append(*c, &item{
		from: from, queue: message.JobsQueue(testNamespace, host), job: &j, run: testRun, host: host, key: testKey, namespace: testNamespace, expires: time.Hour,
	})
}

func (c *talk) orders(from Party, host string, serial uint64, order message.Control) {
	*c = append(*c, &item{
		from: from, queue: message.ControlQueue(testNamespace, host), control: &order, run: testRun, host: host, serial: serial, key: testKey,
		namespace: testNamespace, expires: 10 * time.Minute,
	})
}

func command(name string, phase message.Phase) message.Command {
	c := message.Command{Name: name, Phase: phase, Argv: []string{"true"}, OKExit: []int{0}}
	if phase != message.PhaseRun {
		c.TimeoutMS = 1000
	}
	return c
}

func exited(command int) message.Event {
	return message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{Command: command, StartedAt: testStart, EndedAt: testStart.Add(time.Second)}}
}

func started(commands ...int) message.Event {
	e := message.Event{Kind: message.Started}
	for _, c := range commands {
		e.Started = append(e.Started, message.StartedInfo{Command: c, PID: 100 + c, StartedAt: testStart})
	}
	return e
}

func heartbeat(last, ack uint64, sent time.Time) message.Event {
	p := &message.Probe{SentAt: sent, TakenAt: testStart, AnswerAt: testStart}
	return message.Event{Kind: message.Heartbeat, Heartbeat: &message.HeartbeatInfo{Last: last, Ack: ack, Probe: p}}
}

func keepalive(ack uint64, sent time.Time) message.Control {
	return message.Control{Kind: message.Keepalive, Ack: ack, Probe: &message.Probe{SentAt: sent}}
}

// plainWorker is a run of two processes as a good worker does it.
func plainWorker() talk {
	var c talk
	c.hands(Peer, message.Job{Host: "alpha", Commands: []message.Command{command("a", message.PhaseRun), command("b", message.PhaseRun)}})
	c.says(Subject, "alpha", 1, message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "none", Version: "1", Features: message.Features()}})
	c.orders(Peer, "alpha", 1, keepalive(0, testStart.Add(-time.Second)))
	c.says(Subject, "alpha", 0, heartbeat(1, 0, testStart.Add(-time.Second)))
	c.orders(Peer, "alpha", 2, message.Control{Kind: message.Commit})
	c.says(Subject, "alpha", 2, message.Event{Kind: message.Committed})
	c.orders(Peer, "alpha", 3, message.Control{Kind: message.Start, At: testStart})
	c.says(Subject, "alpha", 3, started(0, 1))
	c.writes(Subject, "alpha", 4, message.Segment{Command: 0, At: testStart, Data: []byte("hi\nthere")})
	c.says(Subject, "alpha", 5, exited(0))
	c.says(Subject, "alpha", 6, exited(1))
	done := message.DoneInfo{Outcome: message.HostDone, Totals: []streams.Total{{StdoutLines: 2, StdoutBytes: 8}, {}}}
	c.says(Subject, "alpha", 7, message.Event{Kind: message.Done, Done: &done})
	c.orders(Peer, "alpha", 4, keepalive(7, testStart))
	c.says(Subject, "alpha", 0, heartbeat(7, 7, testStart))
	return c
}

// fullWorker is a run with a setup, a teardown and a file that is collected.
func fullWorker() talk {
	var c talk
	c.hands(Peer, message.Job{
		Host: "alpha", Collect: []string{"*.txt"}, Needs: []message.Feature{message.FeatureSetup, message.FeatureTeardown, message.FeatureCollect},
		Commands: []message.Command{command("a", message.PhaseRun), command("s", message.PhaseSetup), command("t", message.PhaseTeardown)},
	})
	c.says(Subject, "alpha", 1, message.Event{Kind: message.SettingUp})
	c.says(Subject, "alpha", 2, started(1))
	c.says(Subject, "alpha", 3, exited(1))
	c.says(Subject, "alpha", 4, message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "none", Version: "1", Features: message.Features()}})
	c.orders(Peer, "alpha", 1, message.Control{Kind: message.Commit})
	c.says(Subject, "alpha", 5, message.Event{Kind: message.Committed})
	c.orders(Peer, "alpha", 2, message.Control{Kind: message.Start, At: testStart})
	c.says(Subject, "alpha", 6, started(0))
	c.says(Subject, "alpha", 7, exited(0))
	c.says(Subject, "alpha", 8, message.Event{Kind: message.TearingDown})
	c.says(Subject, "alpha", 9, started(2))
	c.says(Subject, "alpha", 10, exited(2))
	c.says(Subject, "alpha", 11, message.Event{Kind: message.Ended})
	c.sends(Subject, "alpha", 12,
		message.Piece{Kind: message.FileBegin, Path: "a.txt", Mode: 0o644, ModTime: testStart},
		message.Piece{Kind: message.FileData, Data: []byte("content")},
		message.Piece{Kind: message.FileEnd, Size: 7, Sum: sha256.Sum256([]byte("content"))},
	)
	done := message.DoneInfo{Outcome: message.HostDone, Totals: make([]streams.Total, 3), Files: &message.FileTotals{Files: 1, Bytes: 7}}
	c.says(Subject, "alpha", 13, message.Event{Kind: message.Done, Done: &done})
	return c
}

// timedWorker is a run of two beats with a restart, an action, and something that is asked.
func timedWorker() talk {
	var c talk
	first, second, third := command("a", message.PhaseRun), command("b", message.PhaseRun), command("c", message.PhaseAction)
	second.Beat = 1
	first.Restart = &message.Restart{On: message.RestartOnFailure, AtMost: 1}
	job := message.Job{
		Host: "alpha", Commands: []message.Command{first, second, third}, Sync: true,
		Actions: []message.Action{{Do: message.ActRun, Commands: []int{2}}},
	}
	job.Needs = job.Uses()
	c.hands(Peer, job)
	c.says(Subject, "alpha", 1, message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "none", Version: "1", Features: message.Features()}})
	c.orders(Peer, "alpha", 1, message.Control{Kind: message.Commit})
	c.says(Subject, "alpha", 2, message.Event{Kind: message.Committed})
	c.orders(Peer, "alpha", 2, message.Control{Kind: message.Start, At: testStart})
	c.says(Subject, "alpha", 3, message.Event{Kind: message.Armed, Armed: &message.ArmedInfo{At: testStart}})
	c.says(Subject, "alpha", 4, started(0, 2))
	c.says(Subject, "alpha", 5, exited(2))
	again := exited(0)
	again.Exited.Again = true
	c.says(Subject, "alpha", 6, again)
	next := started(0)
	next.Started[0].Life = 1
	c.says(Subject, "alpha", 7, next)
	asked := message.Event{Kind: message.Asked, Asked: &message.AskedInfo{ID: 1, What: message.AskMark, Name: "m"}}
	c.says(Subject, "alpha", 8, asked)
	c.says(Subject, "alpha", 0, asked)
	last := exited(0)
	last.Exited.Life = 1
	c.says(Subject, "alpha", 9, last)
	c.orders(Peer, "alpha", 3, message.Control{Kind: message.Start, Beat: 1, At: testStart})
	c.says(Subject, "alpha", 10, message.Event{Kind: message.Armed, Armed: &message.ArmedInfo{Beat: 1, At: testStart}})
	c.says(Subject, "alpha", 11, started(1))
	c.says(Subject, "alpha", 12, exited(1))
	c.says(Subject, "alpha", 13, message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostDone, Totals: make([]streams.Total, 3)}})
	return c
}

// twoHosts is a run on two hosts as a good publisher does it.
func twoHosts() talk {
	var c talk
	hosts := []string{"alpha", "bravo"}
	each := func(f func(i int, host string)) {
		for i, host := range hosts {
			f(i, host)
		}
	}
	ready := message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "none", Version: "1", Features: message.Features()}}
	each(func(_ int, host string) {
		c.hands(Subject, message.Job{Host: host, Commands: []message.Command{command("a", message.PhaseRun)}})
	})
	each(func(_ int, host string) { c.says(Peer, host, 1, ready) })
	each(func(_ int, host string) { c.orders(Subject, host, 1, message.Control{Kind: message.Commit}) })
	each(func(_ int, host string) { c.says(Peer, host, 2, message.Event{Kind: message.Committed}) })
	each(func(i int, host string) {
		at := testStart.Add(time.Duration(i) * time.Minute) // by bravo's clock
		c.orders(Subject, host, 2, message.Control{Kind: message.Start, At: at})
	})
	each(func(_ int, host string) { c.says(Peer, host, 3, started(0)) })
	each(func(_ int, host string) { c.orders(Subject, host, 3, keepalive(3, testStart)) })
	each(func(_ int, host string) { c.says(Peer, host, 4, exited(0)) })
	each(func(_ int, host string) {
		c.says(Peer, host, 5, message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostDone, Totals: make([]streams.Total, 1)}})
	})
	each(func(_ int, host string) { c.orders(Subject, host, 4, keepalive(5, testStart)) })
	return c
}

func judgeTwo(t *testing.T, c talk) []Violation {
	t.Helper()
	skew := map[string]time.Duration{"bravo": time.Minute}
	return judgePublisher(c.trace(t, testKey.Public().(ed25519.PublicKey)), testNamespace, skew, time.Second)
}

func judgeOne(t *testing.T, c talk) []Violation {
	t.Helper()
	return judgeWorker(c.trace(t, nil), testNamespace, "alpha")
}

// A conversation that keeps to the rules breaks none.
func TestGoodConversationsPass(t *testing.T) {
	t.Parallel()
	for name, found := range map[string][]Violation{
		"plain worker": judgeOne(t, plainWorker()), "worker with everything": judgeOne(t, fullWorker()), "worker in time": judgeOne(t, timedWorker()), "publisher": judgeTwo(t, twoHosts()),
	} {
		if len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// A worker may send everything again, and as often as it likes.
func TestWhatIsSentAgainIsNoMistake(t *testing.T) {
	t.Parallel()
	c := plainWorker()
	if found := judgeOne(t, append(c, slices.Clone(c)...)); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// A ready that a host sends again after it has committed does not take the commit back.
func TestReadyThatComesAgainTakesNoCommitBack(t *testing.T) {
	t.Parallel()
	c := twoHosts()
	start := slices.Index(c, c.ordered(message.Start, "alpha"))
	if found := judgeTwo(t, slices.Insert(slices.Clone(c), start, c.find(message.Ready))); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// find gives the first message that is an event of that kind.
func (c talk) find(k message.EventKind) *item {
	for _, m := range c {
		if m.event != nil && m.event.Kind == k {
			return m
		}
	}
	return nil
}

// ordered gives the first control of that kind for the host.
func (c talk) ordered(k message.ControlKind, host string) *item {
	for _, m := range c {
		if m.control != nil && m.control.Kind == k && m.host == host {
			return m
		}
	}
	return nil
}

// without takes a message out.
func (c talk) without(one *item) talk {
	return slices.DeleteFunc(slices.Clone(c), func(m *item) bool { return m == one })
}

// swap exchanges the places and the numbers of two events.
func (c talk) swap(a, b *item) {
	i, j := slices.Index(c, a), slices.Index(c, b)
	c[i], c[j] = c[j], c[i]
	a.event.Seq, b.event.Seq = b.event.Seq, a.event.Seq
}

// lacking takes a field out of the content of an event.
func lacking(kind, field string) func([]byte) []byte {
	return func(body []byte) []byte {
		var e map[string]any
		_ = json.Unmarshal(body, &e)
		delete(e[kind].(map[string]any), field)
		body, _ = json.Marshal(e)
		return body
	}
}
