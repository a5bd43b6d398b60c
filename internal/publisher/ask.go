package publisher

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/udpclock"
)

// An answer is an event that is no run's.
type answer struct {
	event *message.Event
	at    time.Time
}

func (p *Publisher) answer(a *answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ch := range p.asking {
		select {
		case ch <- a:
		default: // it asked for fewer than answer
		}
	}
}

// listen registers for answers until the function it returns is called.
func (p *Publisher) listen() (<-chan *answer, func()) {
	ch := make(chan *answer, 1024)
	p.mu.Lock()
	p.asking[ch] = true
	p.mu.Unlock()
	return ch, func() {
		p.mu.Lock()
		delete(p.asking, ch)
		p.mu.Unlock()
	}
}

// A HostReport is what a worker said of itself. Host alone is set for one that
// was asked by name and did not answer; Missing then says why, as far as the
// broker knows.
type HostReport struct {
	Host string
	message.HereInfo
	Answered bool
	Missing  string
	// Clock is what is known of its clock; Broker what went through the broker alone tells
	// of it, and Direct what did not.
	Clock, Broker, Direct clock.Offset
	// Others are workers that answered for the same host beside Worker. There should
	// be none: they share the host's jobs, and runs are lost.
	Others []message.WorkerInfo

	nonce     string           // of the hello that is to be answered; empty: none is
	target    *udpclock.Target // its clock, if that can be asked for directly
	key       string           // with which
	asked     bool             // it was
	measuring bool             // it has not answered yet
	refusal   string           // that it answered with instead
}

// probes is how many exchanges measure a host's clock.
const probes = 8

// Hosts asks the workers of these hosts, or, with none, all workers of the
// namespace, who they are. It returns when all that were named have answered,
// or else after within.
//
// With facts they say what is true of their hosts, too. That takes them a moment.
func (p *Publisher) Hosts(ctx context.Context, names []string, within time.Duration, facts bool) ([]HostReport, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	answers, done := p.listen()
	defer done()
	inquiry := &inquiry{p: p, origin: clock.New(0), reports: make(map[string]*HostReport), everybody: len(names) == 0, facts: facts, measured: make(chan measured)}
	defer inquiry.end()
	defer cancel() // before that
	if err := inquiry.begin(ctx, names); err != nil {
		return nil, err
	}
	for !inquiry.complete(names) {
		select {
		case a := <-answers:
			inquiry.take(ctx, a)
		case m := <-inquiry.measured:
			inquiry.add(m)
		case <-ctx.Done():
			return inquiry.list(names), nil
		}
	}
	return inquiry.list(names), nil
}

// An inquiry is one call of Hosts. Answers are not signed, so none is believed that
// doesn't echo the nonce of a hello to its host: whoever could not read that does
// not know it.
type inquiry struct {
	p         *Publisher
	origin    *clock.Clock
	reports   map[string]*HostReport
	order     []string
	everybody bool // was asked, by a hello with this nonce
	nonce     string
	facts     bool     // are asked for, of each host until it has told
	refused   []string // hosts that were not asked by name, and refused to answer
	measured  chan measured
	measuring sync.WaitGroup
}

// A measured is what has come of asking a host for its clock directly.
type measured struct {
	host    string
	samples []clock.Sample
}

// mostHosts is how many hosts an inquiry of everybody reports.
const mostHosts = 10_000

func (q *inquiry) begin(ctx context.Context, names []string) error {
	if q.everybody {
		q.nonce = rand.Text()
		body, err := q.hello(message.AnyHost, q.nonce, "", q.facts)
		if err != nil {
			return err
		}
		return q.p.config.Broker.Broadcast(ctx, message.JobsGroup(q.p.config.Namespace), queue.Message{Body: body, TTL: time.Minute})
	}
	for _, name := range names {
		r := q.report(name)
		if err := q.ask(ctx, r); errors.Is(err, queue.ErrNoQueue) {
			r.Missing = "no worker has ever served this host in namespace " + q.p.config.Namespace
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (q *inquiry) ask(ctx context.Context, r *HostReport) error {
	r.nonce = rand.Text()
	if clocks := q.p.config.Clocks; clocks != nil && r.target == nil {
		key := udpclock.NewKey()
		r.target, r.key = clocks.Target(key, q.origin), key.String()
	}
	body, err := q.hello(r.Host, r.nonce, r.key, q.facts && !r.Answered)
	if err != nil {
		return err
	}
	return q.p.config.Broker.Publish(ctx, message.JobsQueue(q.p.config.Namespace, r.Host), queue.Message{Body: body, TTL: time.Minute})
}

func (q *inquiry) hello(host, nonce, key string, facts bool) ([]byte, error) {
	return message.Seal(message.Address{
		Purpose: message.PurposeControl, Namespace: q.p.config.Namespace, Host: host,
		Expires: time.Now().Add(time.Minute),
	}, message.Control{
		Kind: message.Hello, ReplyTo: q.p.events, Nonce: nonce, Probe: &message.Probe{SentAt: q.origin.Now()}, ClockKey: key,
		Version: q.p.config.Version, Features: message.Features(), Facts: facts,
	}, q.p.config.Key)
}

func (q *inquiry) report(host string) *HostReport {
	r := q.reports[host]
	if r == nil {
		r = &HostReport{Host: host}
		q.reports[host] = r
		q.order = append(q.order, host)
	}
	return r
}

// answeredBy enters who has answered.
func (r *HostReport) answeredBy(here *message.HereInfo) {
	if first := r.Worker; r.Answered && first != nil && here.Worker != nil && !first.Same(*here.Worker) {
		if !slices.ContainsFunc(r.Others, here.Worker.Same) && len(r.Others) < maxOthers {
			r.Others = append(r.Others, *here.Worker)
		}
		worker := *first
		r.HereInfo = *here
		r.Worker = &worker
		return
	}
	if here.Facts == nil {
		here.Facts = r.Facts // they are told once
	}
	r.Answered, r.HereInfo = true, *here
}

// maxOthers bounds the workers of one host that are told of.
const maxOthers = 8

// take enters an answer, and asks again until the host's clock is known. What
// becomes of one host is no reason to tell nothing of the others.
func (q *inquiry) take(ctx context.Context, a *answer) {
	if refused := a.event.Refused; refused != nil {
		q.refusedBy(a.event.Host, refused.Reason)
		return
	}
	if a.event.Here == nil || a.event.Here.Probe == nil {
		return
	}
	r, probe := q.expected(a.event.Host, a.event.Here.Nonce), a.event.Here.Probe
	if r == nil {
		q.p.slog.Debug("an answer to no hello of ours is ignored", "host", a.event.Host)
		return
	}
	r.nonce = "" // what comes twice counts once
	r.answeredBy(a.event.Here)
	sample := clock.Sample{Sent: probe.SentAt, Taken: probe.TakenAt, Answered: probe.AnswerAt, Received: q.origin.At(a.at)}
	r.Clock.Add(sample)
	r.Broker.Add(sample)
	q.measure(ctx, r, a.event.Here.Clock)
	if r.Broker.Samples() >= probes {
		return
	}
	if err := q.ask(ctx, r); err != nil && ctx.Err() == nil {
		q.p.slog.Debug("a host that answered can't be asked again", "host", r.Host, "error", err)
	}
}

// measure asks a host for its clock directly, once, from a goroutine of its own.
func (q *inquiry) measure(ctx context.Context, r *HostReport, at *message.ClockInfo) {
	if at == nil || r.target == nil || r.asked {
		return
	}
	r.asked, r.measuring = true, true
	host, target, addresses := r.Host, r.target, at.Addresses
	q.measuring.Go(func() {
		m := measured{host, target.Measure(ctx, addresses, probes)}
		select {
		case q.measured <- m:
		case <-ctx.Done():
		}
	})
}

func (q *inquiry) add(m measured) {
	r := q.reports[m.host]
	r.measuring = false
	for _, s := range m.samples {
		r.Clock.Add(s)
		r.Direct.Add(s)
	}
}

// end forgets the clocks that were asked for. What goes on for that is to be ended before.
func (q *inquiry) end() {
	q.measuring.Wait()
	for _, r := range q.reports {
		if r.target != nil {
			r.target.Close()
		}
	}
}

// refusedBy notes why a host does not say who it is. Of one that was not asked by
// name that is all there is: without a nonce it gets no report.
func (q *inquiry) refusedBy(host, reason string) {
	r := q.reports[host]
	switch {
	case r != nil && !r.Answered:
		r.refusal = "it refuses to answer: " + reason
	case r == nil && q.everybody && len(q.refused) < maxOthers && !slices.Contains(q.refused, host):
		q.refused = append(q.refused, host)
		q.p.slog.Warn("a worker refuses to answer", "host", host, "reason", reason)
	}
}

// expected finds the report of a host that was sent a hello with that nonce and has
// not answered it.
func (q *inquiry) expected(host, nonce string) *HostReport {
	r := q.reports[host]
	switch {
	case nonce == "":
		return nil
	case r != nil && nonce == r.nonce:
		return r
	case r == nil && q.everybody && nonce == q.nonce && len(q.reports) < mostHosts:
		return q.report(host)
	}
	return nil
}

// complete reports whether nothing more is to be expected: never, where nobody
// was asked by name.
func (q *inquiry) complete(names []string) bool {
	for _, name := range names {
		r := q.reports[name]
		if r.Missing == "" && (r.Broker.Samples() < probes || r.measuring) {
			return false
		}
	}
	return len(names) > 0
}

func (q *inquiry) list(names []string) []HostReport {
	reports := make([]HostReport, 0, len(q.order))
	for _, host := range q.order {
		r := q.reports[host]
		if !r.Answered && r.Missing == "" && len(names) > 0 {
			if r.Missing = r.refusal; r.Missing == "" {
				r.Missing = q.p.absent(context.Background(), host)
			}
		}
		reports = append(reports, *r)
	}
	return reports
}

// cameBackEmpty is said of a host that has no queue where it may have had one.
const cameBackEmpty = "the broker has started again and does not know it: its worker has not come back yet"

// absent says what the broker knows of a host that doesn't answer.
func (p *Publisher) absent(ctx context.Context, host string) string {
	select {
	case p.inspecting <- struct{}{}:
		defer func() { <-p.inspecting }()
	case <-ctx.Done():
		return "no answer"
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	info, err := p.config.Broker.Inspect(ctx, message.JobsQueue(p.config.Namespace, host))
	switch {
	case errors.Is(err, queue.ErrNoQueue) && p.mayReturn(host):
		return cameBackEmpty
	case errors.Is(err, queue.ErrNoQueue):
		return "no worker has ever served this host in namespace " + p.config.Namespace
	case err == nil && info.Consumers == 0:
		return "no worker is connected"
	case err == nil && info.Consumers > 0:
		return "a worker is connected and has not answered yet"
	}
	return "no answer"
}

// Cancel asks the publisher of a run, wherever it is, to stop it.
func (p *Publisher) Cancel(ctx context.Context, run, reason string, within time.Duration) error {
	owner, err := message.PublisherOf(run)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	answers, done := p.listen()
	defer done()
	body, err := message.Seal(message.Address{
		Purpose: message.PurposeControl, Namespace: p.config.Namespace, Run: run, Serial: 1, Expires: time.Now().Add(within),
	}, message.Control{Kind: message.Cancel, ReplyTo: p.events, Reason: reason}, p.config.Key)
	if err != nil {
		return err
	}
	to := message.EventsQueue(p.config.Namespace, owner)
	if err := p.config.Broker.Publish(ctx, to, queue.Message{Body: body, TTL: within}); errors.Is(err, queue.ErrNoQueue) {
		return fmt.Errorf("%w: run %s is over, or is not in namespace %s", ErrNotCancelled, run, p.config.Namespace)
	} else if err != nil {
		return err
	}
	for {
		select {
		case a := <-answers:
			if a.event.Cancelled == nil || a.event.Run != run {
				continue
			}
			if !a.event.Cancelled.Accepted {
				return fmt.Errorf("%w: %s", ErrNotCancelled, strings.TrimSpace(a.event.Cancelled.Reason))
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%w: the publisher of run %s did not answer within %s; if it was killed, the workers stop the run by themselves when its lease is over",
				ErrNotCancelled, run, within)
		}
	}
}

// ErrNotCancelled is what Cancel's errors wrap.
var ErrNotCancelled = errors.New("not cancelled")
