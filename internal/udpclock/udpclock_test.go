package udpclock

import (
	"net"
	"slices"
	"testing"
	"time"

	"downbeat/internal/clock"
)

// A pair is a prober and a responder on the loopback, with clocks that are apart.
type pair struct {
	*Prober
	*Responder
	ours, theirs *clock.Clock
	key          *Key
	at           []string
}

const apart = 5 * time.Second

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{ours: clock.New(0), theirs: clock.New(apart), key: NewKey()}
	var err error
	if p.Prober, err = NewProber("127.0.0.1:0", nil); err != nil {
		t.Fatal(err)
	}
	if p.Responder, err = Listen("127.0.0.1:0", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Prober.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Responder.Close(); err != nil {
			t.Error(err)
		}
	})
	p.at = p.Addresses()
	t.Cleanup(p.Open(p.key, p.theirs))
	return p
}

// truth is the responder's clock less the prober's.
func (p *pair) truth() time.Duration {
	now := time.Now()
	return p.theirs.At(now).Sub(p.ours.At(now))
}

// check holds samples against the truth.
func (p *pair) check(t *testing.T, samples []clock.Sample) {
	t.Helper()
	for i, s := range samples {
		if low, high := s.Answered.Sub(s.Received), s.Taken.Sub(s.Sent); p.truth() < low || p.truth() > high {
			t.Errorf("exchange %d says between %s and %s, and the truth is %s", i, low, high, p.truth())
		}
	}
}

func TestEveryExchangeConfinesTheTruth(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	target := p.Target(p.key, p.ours)
	for range 20 {
		samples := target.Measure(t.Context(), p.at, 10)
		if len(samples) == 0 {
			t.Fatal("nothing answers")
		}
		p.check(t, samples)
	}
}

// Where the kernel doesn't stamp, the clock is read just before and just after.
func TestExchangesWithoutStampsOfTheKernelConfineTheTruthToo(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	target := p.Target(p.key, p.ours)
	for range 20 {
		p.Responder.socket.suspected()
		p.Prober.socket.suspected()
		samples := target.Measure(t.Context(), p.at, 1)
		if len(samples) == 0 {
			t.Error("it was not answered")
		}
		p.check(t, samples)
	}
}

func (s *socket) suspected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suspect = true
}

func TestASilentAddressIsPassedOver(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	deaf, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = deaf.Close() }()
	at := append([]string{deaf.LocalAddr().String(), "no address", "nobody.invalid:7"}, p.at...)
	if got := p.Target(p.key, p.ours).Measure(t.Context(), at, 3); len(got) != 3 {
		t.Errorf("%d exchanges were made, want 3", len(got))
	}
	if got := p.Target(NewKey(), p.ours).Measure(t.Context(), at, 3); len(got) != 0 {
		t.Errorf("%d exchanges were made with a key that nobody knows", len(got))
	}
}

func TestAnAnswerIsAsLongAsItsQuestion(t *testing.T) {
	t.Parallel()
	key := NewKey()
	ask := datagram{kind: question, session: key.session, number: 1}
	reply := datagram{kind: answer, session: key.session, number: 1, taken: time.Now(), answered: time.Now(), earlier: 7, departed: time.Now()}
	if a, b := len(ask.seal(key)), len(reply.seal(key)); a != Length || b != Length {
		t.Errorf("a question has %d bytes and its answer %d, want %d", a, b, Length)
	}
	got, ok := parse(reply.seal(key), answer)
	if !ok || got.number != 1 || got.earlier != 7 || !got.taken.Equal(reply.taken) || !got.answered.Equal(reply.answered) || !got.departed.Equal(reply.departed) {
		t.Errorf("%+v came out of %+v", got, reply)
	}
}

// A stranger is one who sends datagrams to a responder by hand.
type stranger struct {
	t    *testing.T
	conn net.Conn
}

func newStranger(t *testing.T, to string) stranger {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "udp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return stranger{t, conn}
}

func (s stranger) send(b []byte) {
	s.t.Helper()
	if _, err := s.conn.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

// next is the number of the next answer.
func (s stranger) next(key *Key) uint64 {
	s.t.Helper()
	var b [2 * Length]byte
	_ = s.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := s.conn.Read(b[:])
	if err != nil {
		s.t.Fatal(err)
	}
	d, ok := parse(b[:n], answer)
	if !ok || !key.signed(b[:n]) {
		s.t.Fatalf("%x is no answer", b[:n])
	}
	return d.number
}

// What is not signed, is malformed, was there before or is older gets no answer: the next
// answer is to the next good question.
func TestWhatIsForgedOrReplayedGetsNoAnswer(t *testing.T) {
	t.Parallel()
	ask := func(key *Key, number uint64) []byte {
		return (&datagram{kind: question, session: key.session, number: number}).seal(key)
	}
	for name, bad := range map[string]func(key *Key) []byte{
		"a bit is wrong":      func(key *Key) []byte { b := ask(key, 6); b[20] ^= 1; return b },
		"another's signature": func(key *Key) []byte { other := *NewKey(); other.session = key.session; return ask(&other, 6) },
		"another session":     func(*Key) []byte { return ask(NewKey(), 6) },
		"a replay":            func(key *Key) []byte { return ask(key, 5) },
		"an older number":     func(key *Key) []byte { return ask(key, 4) },
		"an answer":           func(key *Key) []byte { return (&datagram{kind: answer, session: key.session, number: 6}).seal(key) },
		"too short":           func(key *Key) []byte { return ask(key, 6)[:Length-1] },
		"too long":            func(key *Key) []byte { return append(ask(key, 6), 0) },
		"another version":     func(key *Key) []byte { b := ask(key, 6); b[3]++; return b },
		"nothing":             func(*Key) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			s := newStranger(t, p.at[0])
			s.send(ask(p.key, 5))
			if got := s.next(p.key); got != 5 {
				t.Fatalf("answer %d, want 5", got)
			}
			s.send(bad(p.key))
			s.send(ask(p.key, 7))
			if got := s.next(p.key); got != 7 {
				t.Errorf("answer %d, want 7", got)
			}
		})
	}
}

// What a prober is sent that it did not ask for, or that is not signed, changes nothing.
func TestAForgedOrReplayedAnswerIsNotBelieved(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	target := p.Target(p.key, p.ours)
	p.check(t, target.Measure(t.Context(), p.at, 3))
	wrong := time.Now().Add(time.Hour)
	d := datagram{kind: answer, session: p.key.session, number: target.number, taken: wrong, answered: wrong}
	forged := NewKey()
	forged.session = p.key.session
	for _, b := range [][]byte{
		d.seal(p.key), // it has been answered
		(&datagram{kind: answer, session: p.key.session, number: target.number + 1, taken: wrong, answered: wrong}).seal(forged),
	} {
		newStranger(t, p.Prober.socket.conn.LocalAddr().String()).send(b)
	}
	for range 20 {
		p.check(t, target.Measure(t.Context(), p.at, 3))
	}
}

func TestTheRateOfAnswersIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := budget{left: burst, at: now}
	spent := 0
	for range 10 * burst {
		if b.spend(now) {
			spent++
		}
	}
	if spent != burst {
		t.Errorf("%d at once, want %d", spent, burst)
	}
	if !b.spend(now.Add(time.Second)) || b.left != burst-1 {
		t.Errorf("a second later %g are left, want %d", b.left, burst-1)
	}
}

func TestSessionsThatAreOpenForAWhileAreFew(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	var keys []*Key
	for range mostBrief + 1 {
		keys = append(keys, NewKey())
		p.OpenFor(keys[len(keys)-1], p.theirs, time.Minute)
	}
	p.OpenFor(keys[1], p.ours, time.Minute) // that is there
	answers := func(key *Key) bool { return len(p.Target(key, p.ours).Measure(t.Context(), p.at, 1)) > 0 }
	if answers(keys[0]) || !answers(keys[mostBrief]) || !answers(p.key) {
		t.Error("not the oldest one had to go")
	}
	p.check(t, p.Target(keys[1], p.ours).Measure(t.Context(), p.at, 1))
	p.OpenFor(NewKey(), p.theirs, -time.Second)
	p.OpenFor(NewKey(), p.theirs, time.Minute)
	p.Responder.mu.Lock()
	defer p.Responder.mu.Unlock()
	if n := len(p.sessions); n > mostBrief+1 {
		t.Errorf("%d sessions are open", n)
	}
}

func TestAKeyIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	key := NewKey()
	if got, err := ParseKey(key.String()); err != nil || *got != *key {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "abcd", key.String() + "A", "%"} {
		if _, err := ParseKey(text); err == nil {
			t.Errorf("%q is read as a key", text)
		}
	}
}

// Who listens everywhere names the addresses of the machine, those of the loopback last.
func TestAddressesOfAMachineAreNamed(t *testing.T) {
	t.Parallel()
	r, err := Listen(":0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	all := r.Addresses()
	_, port, _ := net.SplitHostPort(r.socket.conn.LocalAddr().String())
	if i := slices.Index(all, "127.0.0.1:"+port); i < 0 {
		t.Errorf("127.0.0.1 is not among %v", all)
	}
	key := NewKey()
	defer r.Open(key, clock.New(apart))()
	p, err := NewProber(":0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	for _, at := range all {
		if got := p.Target(key, clock.New(0)).Measure(t.Context(), []string{at}, 1); len(got) != 1 {
			t.Logf("%s does not answer", at) // an address of this machine that it can't reach itself
		} else {
			return
		}
	}
	t.Error("no address answers")
}
