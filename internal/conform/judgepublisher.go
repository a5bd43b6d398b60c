package conform

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"time"

	"downbeat/internal/message"
)

// judgePublisher holds a conversation with a publisher against the rules. Messages of
// different queues may have been sent in another order than they came; but what the
// kit has published, it published before anything that answers it could be sent. skew
// says how wrong each host's clock is made to be, and tolerance how far the instants
// of one start may be apart for all that.
func judgePublisher(trace []seen, namespace string, skew map[string]time.Duration, tolerance time.Duration) []Violation {
	j := publisherJudge{namespace: namespace, skew: skew, tolerance: tolerance, runs: make(map[string]*publishedRun), own: make(map[string]bool)}
	for i := range trace {
		if s := &trace[i]; s.From == Peer {
			j.sent(s)
		} else {
			j.received(s)
		}
	}
	for _, r := range j.order {
		j.finish(r)
	}
	return j.found
}

// A publisherJudge is the state of judgePublisher.
type publisherJudge struct {
	namespace string
	skew      map[string]time.Duration
	tolerance time.Duration
	runs      map[string]*publishedRun
	order     []*publishedRun
	own       map[string]bool // what the kit has sent to hosts, as another publisher
	found     []Violation
}

// A publishedRun is what is known of a run.
type publishedRun struct {
	id    string
	hosts map[string]*publishedHost
	start *seen // the first
	heard bool  // the publisher has said something about it
}

// A publishedHost is what is known of a run on a host.
type publishedHost struct {
	name string
	job  *message.Job
	// As the kit has said as the host.
	ready, committed bool // ready: it was, once
	over             bool
	first            int    // when it was heard of first, by the trace
	top              uint64 // the number of the newest event
	end              *seen  // the last event, if it was logged
	wanted           []message.WantInfo
	// As the publisher has said to it.
	serials map[uint64]*seen
	probed  *seen             // the control that was sent last of those with a probe
	ack     uint64            // the largest
	ackedBy uint64            // the serial of the control with it
	at      map[int]time.Time // of each beat
	stopped *seen
}

func (j *publisherJudge) fail(s *seen, rule Rule, format string, args ...any) {
	at := -1
	if s != nil {
		at = s.index
	}
	j.found = append(j.found, Violation{rule, fmt.Sprintf(format, args...), at})
}

func (j *publisherJudge) host(s *seen, run, host string) (*publishedRun, *publishedHost) {
	r := j.runs[run]
	if r == nil {
		r = &publishedRun{id: run, hosts: make(map[string]*publishedHost)}
		j.runs[run] = r
		j.order = append(j.order, r)
	}
	h := r.hosts[host]
	if h == nil {
		h = &publishedHost{name: host, first: s.index, serials: make(map[uint64]*seen)}
		r.hosts[host] = h
	}
	return r, h
}

// sent notes what the kit has said as a host of a run.
func (j *publisherJudge) sent(s *seen) {
	where, _ := destination(j.namespace, s.Queue)
	if where == toJobs || where == toControl {
		j.own[string(s.Body)] = true
	}
	if where != toEvents || s.Unroutable || s.head.Run == "" || s.head.Host == "" {
		return
	}
	_, h := j.host(s, s.head.Run, s.head.Host)
	if s.head.Version != message.Version {
		h.over = true // it understands no stop
		return
	}
	again := s.head.Seq != 0 && s.head.Seq <= h.top // or late: what came after it counts
	h.top = max(h.top, s.head.Seq)
	if s.event == nil {
		return
	}
	if again {
		h.ready = h.ready || s.event.Kind == message.Ready
		return
	}
	switch e := s.event; e.Kind {
	case message.Ready:
		h.ready, h.committed = true, false
	case message.Committed:
		h.ready, h.committed = true, true
	case message.Waiting, message.SettingUp, message.TearingDown:
		h.committed = false
	case message.Refused, message.Done:
		h.over = true
		if e.Seq != 0 {
			h.end = s
		}
	case message.Want:
		h.wanted = append(h.wanted, *e.Want)
	default:
	}
}

// received judges a message of the publisher's.
func (j *publisherJudge) received(s *seen) {
	where, host := destination(j.namespace, s.Queue)
	switch {
	case where != toJobs && where != toControl, j.own[string(s.Body)]:
	case s.chunk != nil:
		j.chunk(s, where, host)
	case s.err != nil && s.payload == nil:
		j.fail(s, ruleOf(s.err), "%v", s.err)
	case s.payload == nil:
		j.fail(s, RuleForm, "neither a job nor a control")
	default:
		j.envelope(s, where, host)
	}
}

func (j *publisherJudge) chunk(s *seen, where kind, host string) {
	c := s.chunk
	if where != toControl || c.Host != host {
		j.fail(s, RuleAddress, "a chunk for host %q is in %s", c.Host, s.Queue)
		return
	}
	_, h := j.host(s, c.Run, host)
	sum := fmt.Sprintf("%x", c.Sum)
	if !slices.ContainsFunc(h.wanted, func(w message.WantInfo) bool {
		return w.SHA256 == sum && w.Offset <= c.Offset && c.Offset+int64(len(c.Data)) <= w.Offset+w.Bytes && (c.Offset-w.Offset)%message.MaxChunk == 0
	}) {
		j.fail(s, RuleChunk, "nobody asked for the %d bytes at %d", len(c.Data), c.Offset)
	}
}

func (j *publisherJudge) envelope(s *seen, where kind, host string) {
	p := s.payload
	if s.err != nil {
		j.fail(s, ruleOf(s.err), "%v", s.err)
	}
	if err := p.For(j.namespace, host); err != nil {
		j.fail(s, RuleAddress, "%v", err)
		return
	}
	switch {
	case s.job != nil:
		if where != toJobs {
			j.fail(s, RuleAddress, "a job is in %s", s.Queue)
		}
		j.job(s, host)
	case s.control != nil && s.control.Kind == message.Hello:
		if where != toJobs {
			j.fail(s, RuleAddress, "a hello is in %s", s.Queue)
		}
	case s.control != nil:
		if where != toControl {
			j.fail(s, RuleAddress, "a %s is in %s", s.control.Kind, s.Queue)
		}
		j.control(s, host)
	}
}

func (j *publisherJudge) job(s *seen, host string) {
	r, h := j.host(s, s.payload.Run, host)
	r.heard = true
	job := s.job
	if h.job != nil {
		if !reflect.DeepEqual(h.job, job) {
			j.fail(s, RuleJob, "a second job of run %s for %s differs from the first", r.id, host)
		}
		return
	}
	h.job = job
	if lacking := message.Lacking(job.Uses(), job.Needs); len(lacking) > 0 {
		j.fail(s, RuleJob, "the job uses %s and doesn't say that it needs that", message.JoinFeatures(lacking))
	}
	if publisher, err := message.PublisherOf(r.id); err != nil || job.ReplyTo != message.EventsQueue(j.namespace, publisher) {
		j.fail(s, RuleAddress, "reply_to is %s, and the run %s is another publisher's", job.ReplyTo, r.id)
	}
	if job.Since > r.id {
		j.fail(s, RuleJob, "since is %s, which is younger than the run %s", job.Since, r.id)
	}
	if s.payload.Serial != 0 {
		j.fail(s, RuleSerial, "a job has serial %d", s.payload.Serial)
	}
}

func (j *publisherJudge) control(s *seen, host string) {
	r, h := j.host(s, s.payload.Run, host)
	r.heard = true
	if again := j.serial(s, h); again {
		return
	}
	c := s.control
	j.ack(s, h)
	switch c.Kind {
	case message.Commit:
		j.commit(s, r, h)
	case message.Start:
		j.start(s, r, h)
	case message.Stop:
		if h.stopped == nil {
			h.stopped = s
		}
	case message.Keepalive, message.Uncommit, message.Hello, message.Cancel:
	}
}

// serial judges the number of a control, and reports whether it is one that was there
// before. A broker may bring controls twice and in another order, so that the numbers have
// to rise only in the order in which the publisher itself says that it has sent them.
func (j *publisherJudge) serial(s *seen, h *publishedHost) (again bool) {
	n := s.payload.Serial
	before := h.serials[n]
	switch {
	case n == 0:
		j.fail(s, RuleSerial, "a %s without a serial", s.control.Kind)
	case before != nil && bytes.Equal(before.Body, s.Body):
		return true // the broker may bring it twice
	case before != nil:
		j.fail(s, RuleSerial, "serial %d was used before, by %s", n, before.describe())
	}
	h.serials[n] = s
	if s.control.Probe == nil || s.control.Probe.SentAt.IsZero() {
		return false
	}
	last := h.probed
	if last == nil {
		h.probed = s
		return false
	}
	later := s.control.Probe.SentAt.Compare(last.control.Probe.SentAt)
	if later > 0 && n < last.payload.Serial || later < 0 && n > last.payload.Serial {
		j.fail(s, RuleSerial, "serial %d was sent at %s, and serial %d at %s", n, instant(s.control.Probe.SentAt), last.payload.Serial, instant(last.control.Probe.SentAt))
	}
	if later > 0 {
		h.probed = s
	}
	return false
}

func instant(t time.Time) string { return t.UTC().Format("15:04:05.000000") }

func (j *publisherJudge) ack(s *seen, h *publishedHost) {
	switch ack := s.control.Ack; {
	case ack > h.top:
		j.fail(s, RuleAck, "event %d of %s is acknowledged, and the newest that was sent is %d", ack, h.name, h.top)
	case ack != 0 && ack < h.ack && s.payload.Serial > h.ackedBy:
		j.fail(s, RuleAck, "event %d of %s is acknowledged after %d was", ack, h.name, h.ack)
	case ack > h.ack && s.payload.Serial < h.ackedBy:
		j.fail(s, RuleAck, "event %d of %s is acknowledged before %d was, by a control that was sent later", ack, h.name, h.ack)
	case ack > h.ack:
		h.ack, h.ackedBy = ack, s.payload.Serial
	}
}

func (j *publisherJudge) commit(s *seen, r *publishedRun, h *publishedHost) {
	for _, other := range r.sorted() {
		if !other.ready {
			j.fail(s, RuleTogether, "%s is asked to commit, and %s is not ready", h.name, other.name)
			return
		}
	}
	j.stopped(s, h)
}

func (j *publisherJudge) start(s *seen, r *publishedRun, h *publishedHost) {
	for _, other := range r.sorted() {
		if !other.committed && !other.over {
			j.fail(s, RuleTogether, "%s is started, and %s is not committed", h.name, other.name)
			return
		}
	}
	j.stopped(s, h)
	beat, at := s.control.Beat, s.control.At.Add(-j.skew[h.name])
	if h.at == nil {
		h.at = make(map[int]time.Time)
	}
	h.at[beat] = at
	if r.start == nil {
		r.start = s
	}
	for _, other := range r.sorted() {
		if apart := at.Sub(other.at[beat]).Abs(); !other.at[beat].IsZero() && apart > j.tolerance {
			j.fail(s, RuleTogether, "%s is started %s apart from %s: the instants have to be one, each on its host's clock", h.name, apart, other.name)
			return
		}
	}
}

// stopped judges what sets a run going on a host.
func (j *publisherJudge) stopped(s *seen, h *publishedHost) {
	if h.stopped != nil && h.stopped.payload.Serial < s.payload.Serial {
		j.fail(s, RuleStop, "%s is sent %s after it was sent stop", h.name, s.control.Kind)
	}
}

// sorted are the hosts by their names.
func (r *publishedRun) sorted() []*publishedHost {
	var all []*publishedHost
	for _, h := range r.hosts {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b *publishedHost) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	return all
}

// finish judges what has to be so when all is over.
func (j *publisherJudge) finish(r *publishedRun) {
	if !r.heard {
		return // it is another publisher's, which the kit plays
	}
	for _, h := range r.sorted() {
		switch {
		case h.job == nil:
			j.fail(nil, RuleJob, "host %s was sent controls of run %s, and no job", h.name, r.id)
		case r.start != nil && h.first > r.start.index:
			j.fail(r.start, RuleTogether, "the run is started, and %s was not even sent its job", h.name)
		case !h.over && h.stopped == nil:
			j.fail(nil, RuleStop, "the publisher has left %s, where the run %s was neither over nor stopped", h.name, r.id)
		case h.end != nil && h.ack == 0 && h.stopped != nil:
			// It may not have been heard before the stop, and then it is not waited for.
		case h.end != nil && h.ack < h.end.head.Seq:
			j.fail(h.end, RuleAck, "the last event of %s, %d, was never acknowledged: %d is the newest that was", h.name, h.end.head.Seq, h.ack)
		}
	}
}
