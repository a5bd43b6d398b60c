package udpclock

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// A relay stands between a prober and a responder: it delays, loses, doubles and reorders what
// it passes on.
type relay struct {
	*rand.Rand
	conn        *net.UDPConn
	to          netip.AddrPort
	there, back time.Duration // at the most
	lost, twice int           // of a hundred
	running     sync.WaitGroup
}

// newRelay makes one before the responder, and gives its address.
func newRelay(t *testing.T, to string, r *relay) string {
	t.Helper()
	r.Rand = rand.New(rand.NewPCG(1, 2))
	r.to = netip.MustParseAddrPort(to)
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.conn = conn.(*net.UDPConn)
	r.running.Go(r.run)
	t.Cleanup(func() {
		_ = conn.Close()
		r.running.Wait()
	})
	return conn.LocalAddr().String()
}

func (r *relay) run() {
	var prober netip.AddrPort
	for {
		var b [2 * Length]byte
		n, from, err := r.conn.ReadFromUDPAddrPort(b[:])
		if err != nil {
			return
		}
		to, delay := r.to, r.there
		if from == r.to {
			to, delay = prober, r.back
		} else {
			prober = from
		}
		copies := 1
		if r.IntN(100) < r.twice {
			copies = 2
		}
		if r.IntN(100) < r.lost {
			copies--
		}
		for range copies {
			after := time.Duration(r.Int64N(int64(delay) + 1))
			r.running.Add(1)
			time.AfterFunc(after, func() {
				defer r.running.Done()
				_, _ = r.conn.WriteToUDPAddrPort(b[:n], to)
			})
		}
	}
}

// Whatever the network does, an exchange that is answered confines the truth.
func TestTheTruthIsConfinedWhateverTheNetworkDoes(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*relay{
		"delays":      {there: 2 * time.Millisecond, back: 2 * time.Millisecond},
		"one way":     {there: 20 * time.Millisecond},
		"the other":   {back: 20 * time.Millisecond},
		"losses":      {lost: 40, there: 500 * time.Microsecond, back: 500 * time.Microsecond},
		"doubles":     {twice: 60, there: time.Millisecond, back: time.Millisecond},
		"all of that": {lost: 20, twice: 40, there: time.Millisecond, back: 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			at := []string{newRelay(t, p.at[0], r)}
			target := p.Target(p.key, p.ours)
			answered := 0
			for range 20 {
				samples := target.Measure(t.Context(), at, 8)
				p.check(t, samples)
				answered += len(samples)
			}
			if answered == 0 {
				t.Error("nothing has got through")
			}
		})
	}
}
