package udpclock

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A played clock is one in which time passes between readings.
type playedClock struct {
	*rand.Rand
	base time.Time
	now  time.Duration
}

// read is what time.Now would give: a wall clock, and a monotonic one beside it.
func (c *playedClock) read() time.Time {
	c.now += time.Duration(20 + c.IntN(300))
	return c.base.Add(c.now)
}

func newPlayedWall(seed uint64) (*playedClock, *wall) {
	c := &playedClock{Rand: rand.New(rand.NewPCG(seed, 1)), base: time.Now()}
	w := &wall{base: c.base, now: c.read}
	w.low, w.high = w.read()
	return c, w
}

// A stamp of the wall clock is found between two instants of the monotonic one, which come
// closer with each reading.
func TestAStampIsWhereItWas(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		c, w := newPlayedWall(seed)
		wide := w.high - w.low
		for range 50 {
			c.now += time.Duration(c.IntN(1e9))
			if w.check() {
				t.Fatal("a step is seen where there was none")
			}
			at := c.base.Add(c.now - time.Duration(c.IntN(1e6)))
			stamp := at.Round(0)
			if s := w.at(stamp); s.earliest.After(at) || s.latest.Before(at) {
				t.Fatalf("a stamp of %s is taken for one between %s and %s", at, s.earliest, s.latest)
			}
		}
		if w.high-w.low > wide {
			t.Errorf("known to %d ns, and to %d ns at first", w.high-w.low, wide)
		}
	}
}

// A step of the wall clock, however small, is noticed once it is more than what isn't known.
func TestAStepOfTheWallClockIsNoticed(t *testing.T) {
	t.Parallel()
	for _, step := range []int64{2e3, -2e3, 1e6, -1e6, 3600e9, -3600e9} {
		_, w := newPlayedWall(uint64(step))
		w.check()
		w.low, w.high = w.low-step, w.high-step // as if it had been another until now
		if !w.check() || w.steps != 1 {
			t.Errorf("a step of %s is not noticed", time.Duration(step))
		}
		if w.check() {
			t.Errorf("a step of %s is noticed twice", time.Duration(step))
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	w := newWall()
	for b.Loop() {
		w.check()
	}
}

// A step of the wall clock between any two datagrams, on either side, breaks no bound: what may
// bear an older stamp is not believed.
func TestAStepBetweenDatagramsBreaksNoBound(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	stepped := make(chan struct{})
	ended := make(chan struct{})
	step := func(s *socket, by time.Duration) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.wall.low, s.wall.high = s.wall.low+int64(by), s.wall.high+int64(by) // as if it had been another until now
	}
	go func() {
		defer close(ended)
		r := rand.New(rand.NewPCG(3, 4))
		for {
			select {
			case <-stepped:
				return
			case <-time.After(time.Duration(r.IntN(300)) * time.Microsecond):
			}
			by := time.Duration(r.IntN(2e6) - 1e6)
			step(p.Prober.socket, by)
			step(p.Responder.socket, -by/2)
		}
	}()
	target := p.Target(p.key, p.ours)
	answered := 0
	for range 200 {
		samples := target.Measure(t.Context(), p.at, 4)
		p.check(t, samples)
		answered += len(samples)
	}
	close(stepped)
	<-ended
	if answered == 0 {
		t.Error("nothing was answered")
	}
}
