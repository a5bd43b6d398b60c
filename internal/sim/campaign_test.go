package sim

import (
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seedsFlag = flag.String("sim.seeds", "1", "the first seed, or a range of seeds such as 100-200")
	runsFlag  = flag.Int("sim.runs", campaignRuns, "how many runs are made, where no range is given")
	quickFlag = flag.Bool("sim.quick", false, "print the first violation as it is, and end")
)

// seedRange is what the flags ask for: seeds from first to last.
func seedRange(seeds string, runs int) (first, last uint64, err error) {
	from, to, isRange := strings.Cut(seeds, "-")
	first, err = strconv.ParseUint(from, 10, 64)
	if err == nil && isRange {
		last, err = strconv.ParseUint(to, 10, 64)
		return first, last, err
	}
	return first, first + uint64(runs) - 1, err
}

// Whatever goes wrong, no promise is broken. A violation is shown with its seed and
// with the smallest plan found that breaks the same promise.
func TestPromisesHold(t *testing.T) {
	t.Parallel()
	first, last, err := seedRange(*seedsFlag, *runsFlag)
	if err != nil {
		t.Fatalf("-sim.seeds: %v", err)
	}
	most := uint64(3) // violations that are shown
	if *quickFlag {
		most = 1
	}
	var next, failures, runs atomic.Uint64
	next.Store(first)
	began := time.Now()
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				seed := next.Add(1) - 1
				if seed > last || failures.Load() >= most {
					return
				}
				watch := time.AfterFunc(longestWorld, func() { panic(fmt.Sprintf("seed %d: every wait ends: a step never does", seed)) })
				for _, plan := range plansOf(seed, last == first) {
					report := Run(plan)
					runs.Add(uint64(len(report.Outcomes)))
					if len(report.Violations) > 0 && failures.Add(1) <= most {
						t.Error(describe(plan, report, *quickFlag))
					}
				}
				watch.Stop()
			}
		})
	}
	all.Wait()
	n := min(next.Load(), last+1) - first
	t.Logf("%d plans from seed %d on with %d runs, %.0f plans a second", n, first, runs.Load(), float64(n)/time.Since(began).Seconds())
}

// Seeds that were found in long campaigns hold, too.
func TestSeedsOfLongCampaignsHold(t *testing.T) {
	t.Parallel()
	for seed, what := range map[uint64]string{
		2360962: "a process that can't be started does not show that its host has released, and the next one has a long delay",
		2174285: "what was told of a clock is held up both ways, so that it is known badly when the release is agreed on",
		2148392: "a process that was not ready is between two lives when the rule stops the run",
		2383964: "the same, of one that begins anew even if it has ended well",
		3202849: "a host gives way, is given its host back at once and wants its files again, and the publisher does not send them",
		3114138: "the time of a command of an action passes while it is being stopped by the rule",
		3066738: "a value that is on its way when its process ends comes after another one",
		3175584: "two actions on one process are so close to each other that the clocks hardly tell them apart",
		3184074: "what a process asks for is missing in the publisher's log, and it does not ask for it though it hears that",
		3020010: "a host is taken away while its clock is measured directly",
		3277838: "an action that starts a process again is called when the stop of its beat has just come",
		3231677: "the clocks can't tell whether a process has failed before the stop",
		3133194: "a clock is measured directly, and the release is some time ahead",
		3421014: "a process begins anew by itself, which an action that is still to come has not done",
		922:     "a command of an action is to run again while it runs, and the publisher does not believe that",
		3235320: "a machine stands still when a process ends that was not ready, until the rule stops the run",
		2365302: "two messages that were lost in a row take longer than a host has to become ready",
	} {
		for _, plan := range plansOf(seed, true) {
			if report := Run(plan); len(report.Violations) > 0 {
				t.Errorf("%s: %s", what, describe(plan, report, true))
			}
		}
	}
}

// longestWorld is how long one may take, a thousand times of what it does: rules that go
// round in circles don't come back.
const longestWorld = 2 * time.Minute

// plansOf are the plans of a seed: every fourth has one whose runs have a course of several
// beats too, and every fourth one in which something is done to processes; a seed that is asked
// for alone has both.
func plansOf(seed uint64, alone bool) []*Plan {
	plans := []*Plan{Generate(seed, Usual)}
	if seed%4 == 0 || alone {
		plans = append(plans, GenerateInTime(seed, Usual))
	}
	if seed%4 == 2 || alone {
		plans = append(plans, GenerateInTouch(seed, Usual))
	}
	return plans
}

// describe tells of a violation.
func describe(plan *Plan, report Report, quick bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %s\n", plan.Seed, strings.Join(report.Violations, "\n\t"))
	if quick {
		return b.String()
	}
	small := Shrink(plan, 1500)
	shown := Explain(small)
	fmt.Fprintf(&b, "The smallest plan found that breaks this:\n%s\n", small)
	lines := strings.Split(strings.TrimSuffix(shown.Trace, "\n"), "\n")
	const most = 80
	if len(lines) > most {
		fmt.Fprintf(&b, "%s\n... %d lines ...\n%s\n", strings.Join(lines[:most/4], "\n"), len(lines)-most, strings.Join(lines[len(lines)-most*3/4:], "\n"))
	} else {
		fmt.Fprintln(&b, strings.Join(lines, "\n"))
	}
	return b.String()
}

// The same seed gives the same trace, to the nanosecond.
func TestSameSeedSameTrace(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		again := plansOf(seed, true)
		for i, plan := range plansOf(seed, true) {
			a, b := Explain(plan), Explain(again[i])
			if a.Trace != b.Trace || a.Digest != b.Digest {
				t.Fatalf("seed %d has two traces", seed)
			}
			if c := Run(plan); c.Digest != a.Digest {
				t.Fatalf("seed %d goes another way where nobody watches", seed)
			}
		}
	}
}

// Steps that the rules have not asked for change nothing of what happens.
func TestIdleStepsChangeNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		for _, plan := range plansOf(seed, true) {
			plan.IdleSteps = 0
			without := Run(plan)
			plan.IdleSteps = 50
			if with := Run(plan); with.Digest != without.Digest {
				t.Errorf("seed %d goes another way with idle steps", seed)
			}
		}
	}
}
