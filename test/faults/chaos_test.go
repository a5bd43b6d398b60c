package faults

import (
	"fmt"
	"maps"
	"reflect"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/queue/queuetest/chaos"
	"downbeat/internal/results"
)

// busy has processes of every kind of end, on three hosts: by themselves, with
// an error that is allowed, by the stop, by KILL, and late ones.
const busy = `
name: busy
hosts: {alpha: {}, bravo: {}, charlie: {}}
groups:
  count: {on: [alpha, bravo], count: 2, shell: true, run: 'for i in $(seq 300); do echo {{.host}} {{.index}} $i; echo oh $i >&2; done; printf end'}
  odd: {on: [bravo], shell: true, run: 'echo odd; exit 3', ok_exit: [3]}
  late: {on: [charlie], shell: true, run: 'echo late', delay: 300ms}
  server: {on: [alpha, charlie], shell: true, run: 'echo up; exec sleep 1000'}
  deaf: {on: [charlie], shell: true, run: 'trap "" TERM; echo deaf; while :; do sleep 1000; done'}
stop: {when: [count, odd, late], grace: 2s}
timeout: 60s
`

// lasting is what must not differ between two runs of the same.
func lasting(r results.Record) results.Record {
	r.Run, r.EnqueuedAt, r.ReleasedAt, r.EndedAt = "", time.Time{}, time.Time{}, time.Time{}
	r.StartSkewUS, r.StartErrorUS, r.StopSkewUS, r.StopErrorUS, r.ClockErrorUS = 0, 0, 0, 0, 0
	r.StopExitUS, r.StopExitErrorUS = 0, 0
	for i := range r.Beats {
		r.Beats[i] = results.BeatRecord{Beat: r.Beats[i].Beat, Groups: r.Beats[i].Groups}
	}
	for i := range r.Hosts {
		h := &r.Hosts[i]
		h.Facts, h.ClockBy, h.ClockBrokerErrorUS = nil, "", 0
		h.ClockOffsetUS, h.ClockErrorUS, h.Swept, h.StoppedAt, h.StoppedErrorUS, h.LineErrors = 0, 0, 0, time.Time{}, 0, nil
	}
	for i := range r.Processes {
		p := &r.Processes[i]
		p.Program = nil // its hash comes beside the run, or not in time
		p.PID, p.StartedAt, p.EndedAt, p.StartedErrorUS, p.EndedErrorUS, p.UserUS, p.SystemUS, p.MaxRSSBytes = 0, time.Time{}, time.Time{}, 0, 0, 0, 0, 0
	}
	return r
}

// Messages that come twice, late, out of order, or not at all as far as they are
// sent again, make no difference to what comes of a run.
func TestMessagesTwiceLateAndOutOfOrderMakeNoDifference(t *testing.T) {
	t.Parallel()
	for transport, seeds := range map[string]uint64{"mem": 6, "amqp": 2} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			want, wantFiles := chaoticRun(t, transport, 0, chaos.Odds{})
			if want.Outcome != outcome.RunSucceeded {
				t.Fatalf("without chaos: %s (%s)", want.Outcome, want.Reason)
			}
			for seed := range seeds {
				t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
					t.Parallel()
					got, gotFiles := chaoticRun(t, transport, seed, chaos.Odds{
						Twice: 0.3, Late: 0.3, LateBy: 200 * time.Millisecond, Lost: 0.05, Spared: []string{".jobs."},
					})
					if !reflect.DeepEqual(got, want) {
						t.Errorf("record:\n%+v, without chaos\n%+v", got, want)
					}
					if !maps.Equal(gotFiles, wantFiles) {
						t.Errorf("files %v differ from %v without chaos", sorted(gotFiles), sorted(wantFiles))
					}
				})
			}
		})
	}
}

func chaoticRun(t *testing.T, transport string, seed uint64, odds chaos.Odds) (results.Record, map[string]string) {
	t.Helper()
	c := newCluster(t, transport)
	for i, host := range []string{"alpha", "bravo", "charlie"} {
		c.serve(c.config(host, chaos.New(c.connect(), 4*seed+uint64(i), odds)))
	}
	record, dir := run(t, c.publisher(chaos.New(c.connect(), 4*seed+3, odds)), busy)
	return lasting(record), files(t, dir)
}
