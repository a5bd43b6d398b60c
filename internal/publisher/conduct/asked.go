package conduct

import (
	"time"

	"downbeat/internal/message"
)

// A host's questions are what its processes have asked for, and what they got: an answer may
// be lost, and is given again when it is asked for again.
type questions struct {
	last    uint64 // the newest that has come in its turn
	answers map[uint64]message.Answer
	at      map[uint64]time.Time // the instants of those that have one
}

// mostAnswers is how many answers are kept for each host: more than wait at a time.
const mostAnswers = 4096

// keep keeps an answer, and forgets one of long ago.
func (q *questions) keep(a message.Answer, at time.Time) {
	if q.answers == nil {
		q.answers, q.at = make(map[uint64]message.Answer), make(map[uint64]time.Time)
	}
	q.answers[a.ID] = a
	if !at.IsZero() {
		q.at[a.ID] = at
	}
	if a.ID > mostAnswers {
		delete(q.answers, a.ID-mostAnswers)
		delete(q.at, a.ID-mostAnswers)
	}
}

// asks takes in what a process asks for.
func asks(r *Run, h *host, e told) string {
	info := e.Asked
	if info.ID <= h.questions.last {
		return "" // the account has judged that
	}
	h.questions.last = info.ID
	at := h.contact.instant(e.Time, r.now)
	who := asker{host: h.index, id: info.ID, process: info.Process, at: at.Time}
	if r.hub.ask(info, who) {
		m := Mark{Name: info.Name, Host: h.index, Process: info.Process, At: at}
		r.hub.marks = append(r.hub.marks, m)
		r.out.put(Marked{Mark: m})
		r.callMarked(&m)
	}
	return ""
}

// asksAgain takes in that an answer has not come yet. What has not come in its turn comes
// in it: the host has logged it, and is asked at once for what is missing. What has no answer
// gets one in its time.
func (r *Run) asksAgain(h *host, info *message.AskedInfo) {
	if info.ID > h.questions.last {
		if r.now.Sub(h.inbox.askedAt) > missing {
			r.renew(h, true)
		}
		return
	}
	if a, there := h.questions.answers[info.ID]; there {
		r.respond(h, []message.Answer{a})
	}
}

// answer sends what the hub has to say.
func (r *Run) answer() {
	if len(r.hub.out) == 0 {
		return
	}
	concerned := make(map[int][]message.Answer)
	var at time.Time
	for i := range r.hub.out {
		if p := &r.hub.out[i]; p.together && at.IsZero() {
			at = r.now.Add(r.barrierMargin())
			r.hub.opened[len(r.hub.opened)-1].OpenedAt = at
		}
	}
	for i := range r.hub.out {
		p := &r.hub.out[i]
		h := &r.hosts[p.host]
		var instant time.Time
		if p.together {
			instant = at
		}
		h.questions.keep(p.answer, instant)
		concerned[p.host] = append(concerned[p.host], p.answer)
	}
	r.hub.out = r.hub.out[:0]
	for i := range r.hosts {
		if answers := concerned[i]; len(answers) > 0 {
			r.respond(&r.hosts[i], answers)
		}
	}
}

const (
	// mostOfAnswers is how much of answers goes into a control, in bytes: one has 64 KiB.
	mostOfAnswers = 40 << 10
	// answerSize is what an answer takes besides its value and error.
	answerSize = 128
)

// respond sends a host answers, in as many controls as they need.
func (r *Run) respond(h *host, answers []message.Answer) {
	if h.over() {
		return
	}
	var batch []message.Answer
	size := 0
	send := func() {
		if len(batch) > 0 {
			r.out.hurry(Send{Host: h.index, Control: &message.Control{Kind: message.Respond, Answers: batch}})
		}
		batch, size = nil, 0
	}
	for _, a := range answers {
		if at, has := h.questions.at[a.ID]; has {
			a.At = h.contact.clock.Theirs(at)
		}
		takes := answerSize + len(a.Value)*4/3 + len(a.Error)
		if size+takes > mostOfAnswers {
			send()
		}
		batch, size = append(batch, a), size+takes
	}
	send()
}

const (
	leastBarrierMargin = 200 * time.Microsecond
	usualRoundTrip     = 0.5 // the median
)

// barrierMargin is how far ahead the members of a barrier go on: what the exchange with the
// farthest of their hosts usually takes, both ways. That is twice the way; a stop has more,
// but who waits at a barrier waits for this too.
func (r *Run) barrierMargin() time.Duration {
	margin := leastBarrierMargin
	for i := range r.hub.out {
		if p := &r.hub.out[i]; p.together {
			margin = max(margin, r.hosts[p.host].contact.broker().RoundTrip(usualRoundTrip))
		}
	}
	return min(margin, maxMargin)
}

func waitedDue(r *Run, _ *host) time.Time { return r.hub.due }

func waitedEnough(r *Run, _ *host) {
	r.hub.expire(r.now, func(came []asker) string { return r.notCome(came) })
}

// notCome names processes that are there and are not among those that have come.
func (r *Run) notCome(came []asker) string {
	seen := make(map[string]bool, len(came))
	for _, w := range came {
		seen[w.process] = true
	}
	var names []string
	for i := range r.commands {
		if c := &r.commands[i]; c.Phase == message.PhaseRun && !c.StartedAt.IsZero() && !c.ended() && !seen[c.Name] {
			names = append(names, c.Name+" on "+c.host.name)
		}
	}
	return joinNames(names)
}
