package conform

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"downbeat/internal/message"
)

// judgeWorker holds a conversation with a worker against the rules. Between the
// messages of a run on a host the order of arrival says little: what is said in a log
// is judged in the order of its numbers.
func judgeWorker(trace []seen, namespace, host string) []Violation {
	j := workerJudge{namespace: namespace, host: host, runs: make(map[string]*hostRun)}
	for i := range trace {
		if s := &trace[i]; s.From == Peer {
			j.sent(s)
		} else {
			j.received(s)
		}
	}
	for _, r := range j.order {
		j.readLog(r)
	}
	return j.found
}

// A workerJudge is the state of judgeWorker.
type workerJudge struct {
	namespace, host string
	runs            map[string]*hostRun
	order           []*hostRun
	probes          []time.Time // those of hellos
	nonces          []string
	found           []Violation
}

// A hostRun is what is known of a run on the host.
type hostRun struct {
	id  string
	job *message.Job // nil: it was sent none that can be read
	// As the kit has said so far, and where in the trace.
	probes []time.Time
	acks   []uint64 // from the first; the newest that count is the largest
	asked  map[message.ControlKind][]asked

	log    map[uint64]*seen // what came first of each number
	last   uint64           // the number of the last event; 0: it has not come
	newest uint64
	heard  uint64 // the largest that a heartbeat named
	named  int    // by that message
}

// asked is a control that the kit has sent.
type asked struct {
	index int
	at    time.Time
	beat  int // of a start
}

func (j *workerJudge) fail(s *seen, rule Rule, format string, args ...any) {
	at := -1
	if s != nil {
		at = s.index
	}
	j.found = append(j.found, Violation{rule, fmt.Sprintf(format, args...), at})
}

func (j *workerJudge) run(id string) *hostRun {
	r := j.runs[id]
	if r == nil {
		r = &hostRun{id: id, acks: []uint64{0}, asked: make(map[message.ControlKind][]asked), log: make(map[uint64]*seen)}
		j.runs[id] = r
		j.order = append(j.order, r)
	}
	return r
}

// sent notes what the kit has said.
func (j *workerJudge) sent(s *seen) {
	if s.payload == nil || s.err != nil && s.job == nil && s.control == nil {
		if run, _ := message.ReplyAddress(s.Body, j.namespace); run != "" {
			j.run(run) // it may be refused
		}
		return
	}
	c := s.control
	if s.payload.Run == "" {
		if c != nil {
			j.nonces = append(j.nonces, c.Nonce)
			if c.Probe != nil {
				j.probes = append(j.probes, c.Probe.SentAt)
			}
		}
		return
	}
	r := j.run(s.payload.Run)
	if s.job != nil && r.job == nil {
		r.job = s.job
	}
	if c == nil {
		return
	}
	r.asked[c.Kind] = append(r.asked[c.Kind], asked{s.index, c.At, c.Beat})
	if !slices.Contains(r.acks, c.Ack) { // the broker may deliver an older one after a newer one
		r.acks = append(r.acks, c.Ack)
	}
	if c.Probe != nil {
		r.probes = append(r.probes, c.Probe.SentAt)
	}
}

// received judges a message of the worker's as it comes.
func (j *workerJudge) received(s *seen) {
	where, _ := destination(j.namespace, s.Queue)
	if where == toDead {
		if s.Header["reason"] == "" || s.Header["source"] == "" {
			j.fail(s, RuleForm, "a dead letter without the headers reason and source")
		}
		return
	}
	if where != toEvents {
		return // it stands in the queue of a host, and is not an event
	}
	switch {
	case s.err != nil && s.event == nil:
		j.fail(s, ruleOf(s.err), "%v", s.err)
		return
	case s.head.Version != message.Version:
		j.fail(s, RuleVersion, "it is of version %d", s.head.Version)
		return
	case s.head.Envelope, s.chunk != nil:
		j.fail(s, RuleForm, "a worker sends events, no envelopes and no chunks")
		return
	case s.head.Host != j.host:
		j.fail(s, RuleAddress, "it is said to be of host %q, and this is %q", s.head.Host, j.host)
		return
	}
	if s.err != nil {
		j.fail(s, ruleOf(s.err), "%v", s.err)
	}
	if s.event != nil && s.event.Kind == message.Here {
		j.here(s)
		return
	}
	r := j.runs[s.head.Run]
	if r == nil {
		j.fail(s, RuleAddress, "it is said to be of run %q, of which no job was sent", s.head.Run)
		return
	}
	if publisher, err := message.PublisherOf(r.id); err == nil && s.Queue != message.EventsQueue(j.namespace, publisher) {
		j.fail(s, RuleAddress, "an event of run %s is in %s", r.id, s.Queue)
	}
	if s.head.Seq == 0 {
		j.unlogged(r, s)
	} else {
		j.logged(r, s)
	}
}

// here judges the answer to a hello.
func (j *workerJudge) here(s *seen) {
	h := s.event.Here
	switch {
	case s.head.Seq != 0:
		j.fail(s, RuleNumber, "here has a number")
	case h.Nonce != "" && !slices.Contains(j.nonces, h.Nonce):
		j.fail(s, RuleForm, "here has a nonce that no hello had")
	case h.Version == "" || h.OS == "" || h.Arch == "":
		j.fail(s, RuleForm, "here lacks version, os or arch")
	}
	j.probe(s, h.Probe, j.probes)
}

// probe judges an exchange that measures the clock.
func (j *workerJudge) probe(s *seen, p *message.Probe, sent []time.Time) {
	switch {
	case p == nil:
	case !slices.ContainsFunc(sent, p.SentAt.Equal):
		j.fail(s, RuleHeartbeat, "sent_at of the probe is not that of one that was sent")
	case p.TakenAt.IsZero() || p.AnswerAt.Before(p.TakenAt):
		j.fail(s, RuleHeartbeat, "taken_at (%s) and answered_at (%s) of the probe can't be", p.TakenAt, p.AnswerAt)
	}
}

// unlogged judges an event without a number.
func (j *workerJudge) unlogged(r *hostRun, s *seen) {
	if s.event == nil {
		j.fail(s, RuleNumber, "a frame without a number")
		return
	}
	e := s.event
	switch e.Kind {
	case message.Heartbeat:
		j.heartbeat(r, s)
	case message.Want:
		j.want(r, s)
	case message.Asked: // again, of what its log has
	case message.Refused:
		if len(r.log) > 0 {
			j.fail(s, RuleNumber, "refused without a number, of a job of which a logged event has come")
		}
		if e.Refused.Reason == "" {
			j.fail(s, RuleForm, "refused gives no reason")
		}
	case message.Done:
		if e.Done.Outcome != message.HostLost {
			j.fail(s, RuleNumber, "done without a number, with outcome %q: only one that is lost can lack it", e.Done.Outcome)
		}
	default:
		if e.Known() {
			j.fail(s, RuleNumber, "%s without a number", e.Kind)
		}
	}
}

func (j *workerJudge) heartbeat(r *hostRun, s *seen) {
	h := s.event.Heartbeat
	if h.Last > r.heard {
		r.heard, r.named = h.Last, s.index
	}
	switch {
	case h.Last < h.Ack:
		j.fail(s, RuleHeartbeat, "the newest event is said to be %d, and %d was acknowledged", h.Last, h.Ack)
	case !slices.Contains(r.acks, h.Ack):
		j.fail(s, RuleHeartbeat, "ack is %d, which no keepalive had", h.Ack)
	}
	if len(r.asked[message.Keepalive]) == 0 {
		j.fail(s, RuleHeartbeat, "no keepalive was sent")
	}
	j.probe(s, h.Probe, r.probes)
}

func (j *workerJudge) want(r *hostRun, s *seen) {
	w := s.event.Want
	if r.job == nil {
		return
	}
	for i := range r.job.Files {
		if f := &r.job.Files[i]; f.SHA256 == w.SHA256 && w.Offset >= 0 && w.Bytes > 0 && w.Offset+w.Bytes <= f.Bytes && w.Offset%message.MaxChunk == 0 {
			return
		}
	}
	j.fail(s, RuleFiles, "%d bytes at %d of content %.16q are wanted, which no file of the job has", w.Bytes, w.Offset, w.SHA256)
}

// logged judges a message with a number as it comes: whether it may come at all.
func (j *workerJudge) logged(r *hostRun, s *seen) {
	n := s.head.Seq
	if e := s.event; e != nil && (e.Kind == message.Heartbeat || e.Kind == message.Want || e.Kind == message.Cancelled) {
		j.fail(s, RuleNumber, "%s has a number", e.Kind)
		return
	}
	if before := r.log[n]; before != nil {
		if !bytes.Equal(before.Body, s.Body) {
			j.fail(s, RuleResend, "message %d differs from the one that came before with that number, %s: what is sent again has to be the same, byte by byte",
				n, before.describe())
		}
		return
	}
	if r.last != 0 && n > r.last {
		j.fail(s, RuleLast, "message %d comes after the last event, which is %d", n, r.last)
		return
	}
	r.log[n] = s
	r.newest = max(r.newest, n)
	if e := s.event; e != nil && (e.Kind == message.Done || e.Kind == message.Refused) {
		r.last = n
		if r.newest > n {
			j.fail(s, RuleLast, "%s has number %d, and %d has come already", e.Kind, n, r.newest)
		}
	}
	j.window(r, s)
}

// window judges how much is under way. What the worker had heard of acknowledgements
// when it sent this is at most what was sent of them by now.
func (j *workerJudge) window(r *hostRun, s *seen) {
	if r.job == nil {
		return
	}
	var others int64
	for n := slices.Max(r.acks) + 1; n < s.head.Seq; n++ {
		if m := r.log[n]; m != nil {
			others += int64(len(m.Body))
		}
	}
	if others >= r.job.WindowBytes {
		j.fail(s, RuleWindow, "%d bytes were under way and not acknowledged when message %d was sent, and the window has %d", others, s.head.Seq, r.job.WindowBytes)
	}
}

// readLog judges what a run's log says, in the order of its numbers.
func (j *workerJudge) readLog(r *hostRun) {
	for n := uint64(1); n <= r.newest; n++ {
		if r.log[n] == nil {
			j.fail(r.log[r.newest], RuleNumber, "message %d of run %s has never come, and %d has", n, r.id, r.newest)
			return
		}
	}
	if r.heard > r.newest {
		j.found = append(j.found, Violation{RuleHeartbeat, fmt.Sprintf("the newest event is said to be %d, and none has come after %d", r.heard, r.newest), r.named})
	}
	if r.job == nil {
		if r.newest > 0 {
			j.fail(r.log[1], RuleFeatures, "a job that can't be taken has a log")
		}
		return
	}
	a := newAccount(j, r)
	for n := uint64(1); n <= r.newest; n++ {
		a.take(r.log[n])
	}
}
