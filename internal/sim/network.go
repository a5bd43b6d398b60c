package sim

import (
	"slices"
	"time"

	"downbeat/internal/message"
)

// A parcel is one message on its way. What is in it is shared by all who get it,
// so nobody changes it.
type parcel struct {
	kind parcelKind
	from *station
	to   *station
	run  string
	host string
	// serial counts the controls for a run on a host, seq the logged events of one.
	serial, seq uint64
	job         *message.Job
	control     *message.Control
	record      *record // an event, output or files
	chunk       *chunk
	size        int
	sent        instant // when its sender let it go
	order       int     // it was the order-th that was sent
	persistent  bool
	expires     instant   // from then on it is not delivered
	valid       time.Time // the envelope's: from then on it is refused
	born        int       // how often the broker had been started when it took it
}

type parcelKind uint8

const (
	jobParcel parcelKind = iota
	controlParcel
	eventParcel // logged or not
	chunkParcel
	cancelParcel
)

// A station is a machine as the network knows it, with the queues it reads.
type station struct {
	net     *network
	name    string
	number  int
	deliver func(*parcel) // the machine takes it; it is up and reachable
	random  random        // how what it sends fares
	up      bool          // it reads its queues
	mute    bool          // nothing that it sends gets through
	deaf    bool          // nothing gets through to it
	held    []*parcel     // that its clients wait to send
	waiting []*parcel     // in its queues while it does not read them
	latest  []instant     // of what it has sent to each station in order
	gone    bool          // its queue was deleted
}

func (s *station) reachable() bool { return s.up && !s.deaf }

// A network is the broker and the ways to it.
type network struct {
	e       *engine
	plan    *Network
	down    bool // the broker
	started int  // how often it has been started
	sent    int  // how many messages were
	emptied int  // the same, when it last came back without its queues' content
	// connectedAt is when a broker that was away came back.
	connectedAt instant
	stations    []*station
	parcels     slab[parcel]
	// filter, if any, decides about what is sent: how often it goes on its way.
	filter func(*parcel) (copies int)
	spy    func(*parcel) // sees what is delivered
}

func (n *network) add(name string) *station {
	s := &station{net: n, name: name, number: len(n.stations), up: true}
	s.random.state = mix(n.plan.Seed + uint64(s.number)*0x9e3779b97f4a7c15)
	n.stations = append(n.stations, s)
	for _, other := range n.stations {
		for len(other.latest) < len(n.stations) {
			other.latest = append(other.latest, 0)
		}
	}
	return s
}

// send lets a parcel go; false where the queue that it is for is not there. A
// sender that can't reach the broker keeps it until it can.
func (n *network) send(p *parcel) bool {
	if n.down || p.from.mute {
		p.from.held = append(p.from.held, p)
		return true
	}
	if p.to.gone {
		return false
	}
	n.sent++
	p.born, p.sent, p.order = n.started, n.e.now, n.sent
	copies := 1
	if p.from.random.percent(n.plan.TwicePercent) {
		copies = 2
	}
	if !p.persistent && p.from.random.percent(n.plan.LossPercent) {
		copies--
	}
	if n.filter != nil {
		copies = n.filter(p)
	}
	n.post(p, copies)
	return true
}

// post puts so many copies of a parcel on their way.
func (n *network) post(p *parcel, copies int) {
	for range copies {
		at := n.e.now.add(n.delay(p.from))
		if n.plan.Ordered {
			latest := &p.from.latest[p.to.number]
			at = max(at, *latest)
			*latest = at
		}
		n.e.plan(at, p)
	}
}

// lost reports whether the broker has lost a parcel since it took it.
func (n *network) lost(p *parcel) bool {
	return p.born < n.emptied || !p.persistent && p.born < n.started
}

func (n *network) delay(from *station) time.Duration {
	d := n.plan.Delay
	if n.plan.Jitter > 0 {
		d += from.random.within(0, n.plan.Jitter)
	}
	if n.plan.SlowPercent > 0 && from.random.percent(n.plan.SlowPercent) {
		d += from.random.within(0, n.plan.Slow)
	}
	return d
}

// happen has a parcel arrive.
func (p *parcel) happen() { p.to.net.arrive(p) }

// arrive hands a parcel over, or keeps it in the broker for a machine that does not read.
func (n *network) arrive(p *parcel) {
	switch {
	case p.to.gone, p.expires != 0 && n.e.now >= p.expires:
	case n.lost(p):
	case n.down, !p.to.reachable():
		p.to.waiting = append(p.to.waiting, p)
	default:
		n.spy(p)
		p.to.deliver(p)
	}
}

// flush lets everything move that waited for a station, or for the broker.
func (n *network) flush(s *station) {
	if n.down {
		return
	}
	if !s.mute {
		held := s.held
		s.held = nil
		for _, p := range held {
			n.send(p)
		}
	}
	if !s.reachable() {
		return
	}
	waiting := s.waiting
	s.waiting = nil
	for _, p := range waiting {
		n.e.plan(n.e.now.add(n.delay(s)), p)
	}
}

// cutOff severs a station in one direction or both, for a while.
func (n *network) cutOff(s *station, mute, deaf bool, lasts time.Duration) {
	s.mute, s.deaf = s.mute || mute, s.deaf || deaf
	n.e.after(lasts, func() {
		s.mute, s.deaf = s.mute && !mute, s.deaf && !deaf
		n.flush(s)
	})
}

// crash drops what a station's clients had not sent yet.
func (n *network) crash(s *station) {
	s.up, s.held = false, nil
}

// stop takes the broker down. Its transient messages are lost; where it comes
// back empty, so are the others.
func (n *network) stop(emptied bool) {
	n.down = true
	n.started++
	if emptied {
		n.emptied = n.started
	}
	for _, s := range n.stations {
		s.waiting = slices.DeleteFunc(s.waiting, n.lost)
	}
}

// start brings the broker up again.
func (n *network) start() {
	n.down = false
	n.connectedAt = n.e.now
	for _, s := range n.stations {
		n.flush(s)
	}
}
