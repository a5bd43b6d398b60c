package faults

import (
	"context"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/publisher"
	"downbeat/internal/results"
	"downbeat/internal/testkit"
	"downbeat/internal/udpclock"
	"downbeat/internal/worker"
)

// asking is a publisher that asks for clocks by UDP.
func (c *cluster) asking() *publisher.Publisher {
	c.t.Helper()
	clocks, err := udpclock.NewProber("127.0.0.1:0", c.log)
	testkit.Check(c.t, err)
	c.t.Cleanup(func() { testkit.Check(c.t, clocks.Close()) })
	p, err := publisher.New(c.t.Context(), publisher.Config{
		Broker: c.connect(), Namespace: c.namespace, Key: c.key, ReadyTimeout: testkit.Timeout, Lease: c.lease, Log: c.log, Clocks: clocks,
	})
	testkit.Check(c.t, err)
	c.t.Cleanup(func() { testkit.Check(c.t, p.Close(context.WithoutCancel(c.t.Context()))) })
	return p
}

// listening is a worker whose clock can be asked for by UDP.
func (c *cluster) listening(host string, skew time.Duration) (worker.Config, *udpclock.Responder) {
	c.t.Helper()
	clock, err := udpclock.Listen("127.0.0.1:0", c.log)
	testkit.Check(c.t, err)
	config := c.skewed(host, func() time.Duration { return skew })
	config.Clock = clock
	return config, clock
}

// Where datagrams get through, clocks are compared by them; where the host doesn't listen, or
// nothing answers, through the broker. The record says which, and the bound holds in any case.
func TestClocksAreComparedByUDPWhereItGetsThrough(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "mem")
	skews := map[string]time.Duration{"alpha": 5 * time.Second, "bravo": -5 * time.Second, "charlie": time.Second}
	alpha, clock := c.listening("alpha", skews["alpha"])
	t.Cleanup(func() { testkit.Check(t, clock.Close()) })
	c.serve(alpha)
	c.serve(c.skewed("bravo", func() time.Duration { return skews["bravo"] }))
	charlie, silent := c.listening("charlie", skews["charlie"])
	c.serve(charlie)
	testkit.Check(t, silent.Close()) // as behind a firewall

	p := c.asking()
	got, _ := run(t, p, "name: clocks\nhosts: {alpha: [sleep 4], bravo: [sleep 4], charlie: [sleep 4]}\n")
	if got.Outcome != outcome.RunSucceeded {
		t.Fatalf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
	}
	for _, h := range got.Hosts {
		want := results.ClockByBroker
		if h.Host == "alpha" {
			want = results.ClockByUDP
		}
		if h.ClockBy != want || (h.ClockBrokerErrorUS > 0) != (want == results.ClockByUDP) {
			t.Errorf("the clock of %s was compared by %q, with a bound of %d µs by the broker alone, want %q", h.Host, h.ClockBy, h.ClockBrokerErrorUS, want)
		}
		if wrong := h.ClockOffsetUS - skews[h.Host].Microseconds(); max(wrong, -wrong) > h.ClockErrorUS+100 { // the two clocks were read one after the other
			t.Errorf("%s is said to be %d µs off, with an error of at most %d, want %s", h.Host, h.ClockOffsetUS, h.ClockErrorUS, skews[h.Host])
		}
	}
}

// Who asks which workers there are asks by UDP too, and reports both round trips.
func TestHostsAreAskedForTheirClocksByUDPToo(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "mem")
	alpha, clock := c.listening("alpha", time.Second)
	t.Cleanup(func() { testkit.Check(t, clock.Close()) })
	c.serve(alpha)
	c.serve(c.skewed("bravo", nil))
	for _, names := range [][]string{{"alpha", "bravo"}, nil} {
		within := testkit.Timeout
		if names == nil {
			within = 2 * time.Second // everybody is waited for
		}
		// A worker on a busy machine may answer a datagram later than it is waited for.
		testkit.WaitFor(t, "both hosts answer, and alpha by UDP", func() bool {
			reports, err := c.asking().Hosts(t.Context(), names, within, false)
			testkit.Check(t, err)
			direct := 0
			for i := range reports {
				r := &reports[i]
				if r.Broker.Samples() == 0 || r.Host != "alpha" && r.Direct.Samples() > 0 {
					t.Errorf("%s has answered %d times through the broker, and %d times by UDP", r.Host, r.Broker.Samples(), r.Direct.Samples())
				}
				direct += r.Direct.Samples()
			}
			return len(reports) == 2 && direct > 0
		})
	}
}
