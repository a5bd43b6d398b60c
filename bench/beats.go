package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// beats measures what a run in time costs: the time from the last process that became ready
// to the release of the beat that waited for it, beside the idle time between datapoints of as
// many processes; the skew of both beats; the spread of a timed action over the hosts; and a
// barrier of many processes, from the last arrival to the last return, beside the broker's round
// trip.
func beats(ctx context.Context, b *bed) error {
	idle, err := b.gaps(ctx, "beats-idle", nil)
	if err != nil {
		return err
	}
	gaps, skews, err := b.beats(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("from the last of %d processes that became ready to the next beat's release, ms: %s, idle between datapoints %s\n", processes, gaps, idle)
	fmt.Printf("start skew of %d processes as recorded, ms: first beat %s, second beat %s\n", processes, skews[0], skews[1])
	if err := b.actions(ctx); err != nil {
		return err
	}
	return b.barriers(ctx)
}

// actions repeats a datapoint in which something is done to a process of each host at one
// instant.
func (b *bed) actions(ctx context.Context) error {
	runs, err := b.repeat(ctx, map[string]any{
		"name":   "action",
		"groups": map[string]any{"p": map[string]any{"on": hosts, "count": len(hosts), "run": "sleep 0.5"}},
		"at":     []any{map[string]any{"t": "200ms", "signal": "WINCH", "to": "p"}},
	})
	if err != nil {
		return err
	}
	var spread, late series
	for _, run := range runs {
		if len(run.Actions) != len(hosts) {
			return fmt.Errorf("%d actions are in a record, want one for each of %d hosts", len(run.Actions), len(hosts))
		}
		first, last := run.Actions[0].At, run.Actions[0].At
		for _, a := range run.Actions {
			if a.At.Before(first) {
				first = a.At
			}
			if a.At.After(last) {
				last = a.At
			}
			late = append(late, float64(a.LateUS)/1e3)
		}
		spread = append(spread, milliseconds(last.Sub(first)))
	}
	fmt.Printf("a timed action on %d hosts, from the first to the last, ms: %s; how late each was %s\n", len(hosts), spread, late)
	return nil
}

// beats repeats a datapoint of two beats.
func (b *bed) beats(ctx context.Context) (gaps series, skews [2]series, err error) {
	const ready = "ready"
	runs, err := b.repeat(ctx, map[string]any{
		"name": "beats", "stop": map[string]any{"when": "second"},
		"groups": map[string]any{
			"first": map[string]any{
				"on": hosts, "count": processes, "shell": true, "run": "sleep 0.2; echo " + ready + "; exec sleep 100", "ready": map[string]any{"line": ready},
			},
			"second": map[string]any{"on": hosts, "count": processes, "run": "/bin/true", "after": "first"},
		},
	})
	if err != nil {
		return nil, skews, err
	}
	for _, run := range runs {
		var last time.Time
		for _, p := range run.Processes {
			if p.ReadyAt.After(last) {
				last = p.ReadyAt
			}
		}
		if len(run.Beats) != 2 || last.IsZero() {
			return nil, skews, fmt.Errorf("a run has %d beats, want 2, and the last process became ready at %s", len(run.Beats), last)
		}
		gaps = append(gaps, milliseconds(run.Beats[1].ReleasedAt.Sub(last)))
		for k := range skews {
			skews[k] = append(skews[k], float64(run.Beats[k].StartSkewUS)/1e3)
		}
	}
	return gaps, skews, nil
}

// A timedRun is what a run of several beats leaves.
type timedRun struct {
	dir   string
	Beats []struct {
		ReleasedAt  time.Time `json:"released_at"`
		StartSkewUS int64     `json:"start_skew_us"`
	}
	Processes []struct {
		ReadyAt time.Time `json:"ready_at"`
	}
	Actions []struct {
		At     time.Time `json:"at"`
		LateUS int64     `json:"late_us"`
	}
	Barriers []struct {
		OpenedAt time.Time `json:"opened_at"`
	}
}

// repeat runs an experiment on all hosts as many times as there are rounds.
func (b *bed) repeat(ctx context.Context, experiment map[string]any) ([]timedRun, error) {
	machines := make(map[string]any)
	for _, h := range hosts {
		machines[h] = nil
	}
	experiment["hosts"], experiment["repeat"] = machines, b.rounds
	data, err := json.Marshal(experiment)
	if err != nil {
		return nil, err
	}
	name := experiment["name"].(string)
	file := b.path(name + ".json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return nil, err
	}
	if err := b.publish(ctx, file); err != nil {
		return nil, err
	}
	records, err := filepath.Glob(filepath.Join(b.path("results"), name, "latest", "*", "run.json"))
	if err != nil {
		return nil, err
	}
	if len(records) != b.rounds {
		return nil, fmt.Errorf("%d datapoints left a record, want %d", len(records), b.rounds)
	}
	var runs []timedRun
	for _, path := range records {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		run := timedRun{dir: filepath.Dir(path)}
		if err := json.Unmarshal(data, &run); err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// roundTrip is the median of the broker's round trips to the hosts, in milliseconds, as
// publish hosts shows them.
func (b *bed) roundTrip(ctx context.Context) (float64, error) {
	cmd := exec.CommandContext(ctx, b.programPath("publish"), "hosts", "--output", "json", b.path("hosts.json"))
	cmd.Env = b.environ()
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("publish hosts: %w", err)
	}
	var trips series
	for line := range strings.Lines(string(text)) {
		var host struct {
			RoundTripUS *float64 `json:"round_trip_us"`
		}
		if err := json.Unmarshal([]byte(line), &host); err != nil {
			return 0, fmt.Errorf("publish hosts: %w", err)
		}
		if host.RoundTripUS != nil {
			trips = append(trips, *host.RoundTripUS/1e3)
		}
	}
	if len(trips) != len(hosts) {
		return 0, fmt.Errorf("publish hosts knows the round trip to %d hosts, want %d", len(trips), len(hosts))
	}
	return trips.median(), nil
}
