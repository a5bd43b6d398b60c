package udpclock

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"downbeat/internal/clock"
)

// A Prober asks for the clocks of other machines. Its methods may be called concurrently.
type Prober struct {
	socket *socket
	slog   *slog.Logger
	ended  sync.WaitGroup

	mu      sync.Mutex // guards what follows, and what of targets is said to be guarded
	targets map[uint64]*Target
}

// NewProber opens a socket at an address such as ":0", from which it asks. A log of nil
// discards.
func NewProber(addr string, log *slog.Logger) (*Prober, error) {
	s, err := listen(addr)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Prober{socket: s, slog: log, targets: make(map[uint64]*Target)}
	p.ended.Go(p.takeAll)
	return p, nil
}

// Close ends it.
func (p *Prober) Close() error {
	err := p.socket.close()
	p.ended.Wait()
	return err
}

// A Target is a clock on another machine, that answers to a key. One goroutine at a time may
// measure it.
type Target struct {
	prober *Prober
	key    *Key
	clock  *clock.Clock // ours, on which the samples are

	number uint64
	known  netip.AddrPort // where it has answered
	best   time.Duration  // its shortest round trip

	asked map[uint64]*exchange // guarded: what has not been answered
	last  *exchange            // guarded: the newest that has
}

// An exchange is a question and its answer. It is guarded until it has been answered.
type exchange struct {
	number   uint64
	sample   clock.Sample
	to       netip.AddrPort
	answered chan<- *exchange // takes it without waiting
}

// Target makes one, whose samples are on that clock of ours.
func (p *Prober) Target(key *Key, clock *clock.Clock) *Target {
	t := &Target{prober: p, key: key, clock: clock, asked: make(map[uint64]*exchange)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.targets[key.session] = t
	return t
}

// Close forgets the target.
func (t *Target) Close() {
	t.prober.mu.Lock()
	defer t.prober.mu.Unlock()
	delete(t.prober.targets, t.key.session)
}

const (
	// firstAnswer is how long the first answer is waited for. An answer that comes later
	// than that would be of little use.
	firstAnswer = 300 * time.Millisecond
	// Of what has answered before, an answer may take some times the best round trip.
	leastWait = 20 * time.Millisecond
	manyTrips = 4
)

// Measure makes so many exchanges, one after the other, and returns those that were answered.
// Where the target has not answered yet, or has fallen silent, it is asked at all the addresses
// at once, at last at those whose hosts are names, and from then on at that which has answered
// first.
func (t *Target) Measure(ctx context.Context, at []string, times int) []clock.Sample {
	var found []*exchange
	if t.known.IsValid() {
		found = t.ask(ctx, []netip.AddrPort{t.known}, found)
	}
	literal, names := sorted(at)
	if len(found) == 0 {
		found = t.ask(ctx, literal, found)
	}
	if len(found) == 0 {
		found = t.ask(ctx, resolve(ctx, names), found)
	}
	for silent := 0; len(found) > 0 && len(found) < times && silent < mostSilent && ctx.Err() == nil; {
		n := len(found)
		if found = t.ask(ctx, []netip.AddrPort{t.known}, found); len(found) == n {
			silent++
		}
	}
	t.prober.mu.Lock()
	defer t.prober.mu.Unlock()
	t.asked, t.last = make(map[uint64]*exchange), nil
	samples := make([]clock.Sample, len(found))
	for i, e := range found {
		samples[i] = e.sample
	}
	return samples
}

// mostSilent is how many questions of a series may stay without an answer.
const mostSilent = 2

// ask asks at all these addresses, and adds the first exchange that is answered.
func (t *Target) ask(ctx context.Context, at []netip.AddrPort, found []*exchange) []*exchange {
	answered := make(chan *exchange, len(at))
	asked := 0
	for _, to := range at {
		if t.send(to, answered) {
			asked++
		}
	}
	if asked == 0 {
		return found
	}
	wait := firstAnswer
	if t.best > 0 {
		wait = min(max(manyTrips*t.best, leastWait), firstAnswer)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case e := <-answered:
		t.known = e.to
		t.prober.mu.Lock() // a stamp of the question may still come
		trip := e.sample.RoundTrip()
		t.prober.mu.Unlock()
		if t.best == 0 || trip < t.best {
			t.best = trip
		}
		return append(found, e)
	case <-timer.C:
	case <-ctx.Done():
	}
	t.known = netip.AddrPort{} // it is looked for everywhere again
	if len(found) > 0 {
		t.known = found[len(found)-1].to
	}
	return found
}

// send sends a question.
func (t *Target) send(to netip.AddrPort, answered chan<- *exchange) bool {
	p := t.prober
	t.number++
	e := &exchange{number: t.number, to: to, answered: answered}
	d := datagram{kind: question, session: t.key.session, number: e.number}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.asked[e.number] = e
	before, err := p.socket.send(d.seal(t.key), to, nil, func(at time.Time) { e.sample.Sent = t.clock.At(at) })
	if err != nil {
		delete(t.asked, e.number)
		p.slog.Debug("a clock can't be asked for", "at", to.String(), "error", err)
		return false
	}
	if e.sample.Sent.IsZero() {
		e.sample.Sent = t.clock.At(before)
	}
	return true
}

func (p *Prober) takeAll() {
	for {
		came, err := p.socket.receive()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.slog.Debug("the answer of a clock can't be taken", "error", err)
			continue
		}
		p.take(&came)
	}
}

// take takes an answer to what was asked, once; all else is dropped.
func (p *Prober) take(came *packet) {
	d, ok := parse(came.data, answer)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.targets[d.session]
	if t == nil || t.asked[d.number] == nil || !t.key.signed(came.data) {
		return
	}
	e := t.asked[d.number]
	delete(t.asked, d.number)
	p.socket.collect() // that of its question has come by now
	e.sample.Taken, e.sample.Answered, e.sample.Received = d.taken, d.answered, t.clock.At(came.at)
	if last := t.last; last != nil && d.earlier == last.number && d.departed.After(last.sample.Answered) && d.departed.Before(d.taken) {
		last.sample.Answered = d.departed
	}
	t.last = e
	e.answered <- e
}

// sorted sorts out addresses that don't have to be looked up.
func sorted(at []string) (literal []netip.AddrPort, names []string) {
	for _, text := range at {
		a, err := netip.ParseAddrPort(text)
		switch {
		case err != nil:
			names = append(names, text)
		case len(literal) < mostAddresses && !slices.Contains(literal, a):
			literal = append(literal, a)
		}
	}
	return literal, names
}

// resolve finds the addresses of a few names. Those that can't be found are left out.
func resolve(ctx context.Context, names []string) []netip.AddrPort {
	var found []netip.AddrPort
	for _, name := range names[:min(len(names), mostNames)] {
		found = append(found, lookUp(ctx, name)...)
	}
	return found[:min(len(found), mostAddresses)]
}

// mostNames is how many are looked up.
const mostNames = 4

// lookUp finds what an address means, whose host is a name.
func lookUp(ctx context.Context, text string) []netip.AddrPort {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	number, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	var found []netip.AddrPort
	for _, a := range addrs {
		found = append(found, netip.AddrPortFrom(a.Unmap(), uint16(number)))
	}
	return found
}
