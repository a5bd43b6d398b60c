package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/publisher"
)

var fleet = []string{"alpha", "bravo", "charlie"}

// taken is the exit status of a process that finds another run's on its host.
const taken = 9

// lockFile makes the file of a run that wants these hosts, each for a process
// that takes the host's lock.
func lockFile(locks string, hosts []string) string {
	var b strings.Builder
	b.WriteString("name: lock\nhosts:\n")
	for _, host := range hosts {
		fmt.Fprintf(&b, "  %s: ['flock -n -E %d %s/%s echo %s']\n", host, taken, locks, host, host)
	}
	return b.String()
}

// A contest is a number of publishers that want the same hosts, again and again.
type contest struct {
	*cluster
	locks      string
	publishers []*publisher.Publisher
	random     *rand.Rand
}

func newContest(t *testing.T, transport string, publishers int, seed uint64) *contest {
	t.Helper()
	c := &contest{cluster: newCluster(t, transport), locks: scratch(t), random: rand.New(rand.NewPCG(seed, 0))}
	for _, host := range fleet {
		c.serve(c.config(host, c.connect()))
	}
	for range publishers {
		c.publishers = append(c.publishers, c.publisher(c.connect()))
	}
	return c
}

// round has every publisher run once, on two or three hosts in random order. One
// in ten is interrupted at some moment.
func (c *contest) round(n int) {
	c.t.Helper()
	var all []func()
	for i, p := range c.publishers {
		hosts := append([]string(nil), fleet...)
		c.random.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
		hosts = hosts[:2+c.random.IntN(2)]
		wait := time.Duration(c.random.IntN(5)) * time.Millisecond
		ctx, cancel := context.WithCancel(c.t.Context())
		interrupt := c.random.IntN(10) == 0
		if interrupt {
			time.AfterFunc(time.Duration(c.random.IntN(200))*time.Millisecond, cancel)
		}
		all = append(all, func() {
			defer cancel()
			<-time.After(wait)
			got, _ := runIn(ctx, c.t, p, lockFile(c.locks, hosts))
			if got.Outcome != outcome.RunSucceeded && (got.Outcome != outcome.RunAborted || !interrupt) {
				c.t.Errorf("round %d, publisher %d, hosts %v: %s (%s)", n, i, hosts, got.Outcome, got.Reason)
			}
			for _, p := range got.Processes {
				if p.ExitCode == taken {
					c.t.Errorf("round %d: two runs were on %s at once", n, p.Host)
				}
			}
		})
	}
	together(all...)
}

// Publishers that want overlapping hosts all come to their end, and no host ever
// has two runs at once. (The simulator does the same many thousand times.)
func TestPublishersThatWantTheSameHostsFollowOneAnother(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		transport          string
		publishers, rounds int
		seed               uint64
	}{{"mem", 2, 20, 1}, {"mem", 2, 20, 2}, {"mem", 5, 6, 3}, {"mem", 5, 6, 4}, {"amqp", 2, 6, 5}, {"amqp", 5, 3, 6}} {
		t.Run(fmt.Sprintf("%s, %d, seed %d", test.transport, test.publishers, test.seed), func(t *testing.T) {
			t.Parallel()
			c := newContest(t, test.transport, test.publishers, test.seed)
			for n := range test.rounds {
				if c.round(n); t.Failed() {
					return
				}
			}
		})
	}
}
