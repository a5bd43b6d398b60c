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

// A Responder answers probes of a machine's clock. Its methods may be called concurrently.
type Responder struct {
	socket *socket
	slog   *slog.Logger
	ended  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	sessions map[uint64]*session
	budget   budget
}

// A session is what is answered with one key.
type session struct {
	key      *Key
	clock    *clock.Clock
	newest   uint64    // the number of the newest question
	expires  time.Time // zero: never
	left     uint64    // the number of an answer, and
	departed time.Time // when it was seen to leave
}

// Listen opens a socket at an address such as ":0", which is any port at any address of the
// machine, and begins to answer. A log of nil discards.
func Listen(addr string, log *slog.Logger) (*Responder, error) {
	s, err := listen(addr)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Responder{socket: s, slog: log, sessions: make(map[uint64]*session), budget: budget{left: burst, at: time.Now()}}
	r.ended.Go(r.answerAll)
	return r, nil
}

// Close ends it.
func (r *Responder) Close() error {
	err := r.socket.close()
	r.ended.Wait()
	return err
}

// Open answers probes with that key by what the clock shows, until the function that it
// returns is called.
func (r *Responder) Open(key *Key, clock *clock.Clock) (end func()) {
	s := &session{key: key, clock: clock}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions[key.session] = s
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.sessions[key.session] == s {
			delete(r.sessions, key.session)
		}
	}
}

// OpenFor does so for a while, for at most a few at a time: the oldest go first. A key that it
// has goes on with the clock that it has.
func (r *Responder) OpenFor(key *Key, clock *clock.Clock, lasts time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var brief []*session
	for name, s := range r.sessions {
		switch {
		case name == key.session:
			return
		case s.expires.IsZero():
		case now.After(s.expires):
			delete(r.sessions, name)
		default:
			brief = append(brief, s)
		}
	}
	if len(brief) >= mostBrief {
		first := slices.MinFunc(brief, func(a, b *session) int { return a.expires.Compare(b.expires) })
		delete(r.sessions, first.key.session)
	}
	r.sessions[key.session] = &session{key: key, clock: clock, expires: now.Add(lasts)}
}

// mostBrief is how many sessions there are that expire.
const mostBrief = 64

func (r *Responder) answerAll() {
	for {
		p, err := r.socket.receive()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // of something that was sent before, at most
			r.slog.Debug("a probe of the clock can't be taken", "error", err)
			continue
		}
		r.answer(&p)
	}
}

// answer answers a question; what is none, isn't signed, was there before, or is one too many, is
// dropped.
func (r *Responder) answer(p *packet) {
	asked, ok := parse(p.data, question)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sessions[asked.session]
	if s == nil || asked.number <= s.newest || !s.expires.IsZero() && p.at.After(s.expires) {
		return
	}
	if !r.budget.spend(p.at) || !s.key.signed(p.data) {
		return
	}
	s.newest = asked.number
	d := datagram{
		kind: answer, session: asked.session, number: asked.number, taken: s.clock.At(p.at), answered: s.clock.Now(), earlier: s.left, departed: s.departed,
	}
	_, err := r.socket.send(d.seal(s.key), p.from, p.by, func(at time.Time) { s.left, s.departed = d.number, s.clock.At(at) })
	if err != nil {
		r.slog.Debug("a probe of the clock can't be answered", "error", err)
	}
}

// A budget bounds how many questions are looked at closely.
type budget struct {
	left float64
	at   time.Time
}

const (
	perSecond = 1000
	burst     = 500
)

func (b *budget) spend(now time.Time) bool {
	b.left = min(b.left+max(now.Sub(b.at).Seconds(), 0)*perSecond, burst)
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// mostAddresses is how many a machine names.
const mostAddresses = 16

// Addresses are where it can be asked: at its port, and, if it listens everywhere, at every
// address of the machine that has one everywhere on its network; those of the loopback last.
func (r *Responder) Addresses() []string {
	local, err := netip.ParseAddrPort(r.socket.conn.LocalAddr().String())
	if err != nil {
		return nil
	}
	if !local.Addr().IsUnspecified() {
		return []string{local.String()}
	}
	found, err := net.InterfaceAddrs()
	if err != nil {
		r.slog.Debug("the addresses of this machine can't be read", "error", err)
	}
	var others, loopback []string
	for _, a := range found {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		switch at := netip.AddrPortFrom(prefix.Addr().Unmap(), local.Port()).String(); {
		case prefix.Addr().IsLoopback():
			loopback = append(loopback, at)
		case prefix.Addr().IsGlobalUnicast():
			others = append(others, at)
		}
	}
	all := append(others, loopback...)
	return all[:min(len(all), mostAddresses)]
}

// Off is what turns probes off, where an address is asked for.
const Off = "off"

// CheckAddress reports an address that is neither one to listen at nor [Off].
func CheckAddress(addr string) error {
	if addr == Off {
		return nil
	}
	_, err := net.DefaultResolver.LookupPort(context.Background(), "udp", portOf(addr))
	if _, _, splitErr := net.SplitHostPort(addr); splitErr != nil {
		err = splitErr
	}
	return err
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
