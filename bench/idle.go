package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// idle measures the time between datapoints, from the last exit of one to the first start of
// the next: without collected files, and with one from each host.
func idle(ctx context.Context, b *bed) error {
	plain, err := b.gaps(ctx, "idle", nil)
	if err != nil {
		return err
	}
	with, err := b.gaps(ctx, "idle-collecting", []string{"out"})
	if err != nil {
		return err
	}
	fmt.Printf("idle between datapoints of %d processes, ms: %s, with %d x %d MB of JSON lines collected %s\n",
		processes, plain, len(hosts), collectEach/1_000_000, with)
	return nil
}

// gaps repeats a datapoint of as many processes as in the other measurements, in which one
// process on each host leaves a file, and returns the time between each two.
func (b *bed) gaps(ctx context.Context, name string, patterns []string) (series, error) {
	if err := os.WriteFile(b.path("content"), measurements(collectEach), 0o600); err != nil {
		return nil, err
	}
	machines := make(map[string]any)
	for _, h := range hosts {
		commands := []string{"cp " + b.path("content") + " out"}
		for range processes/len(hosts) - 1 {
			commands = append(commands, "/bin/true")
		}
		machines[h] = commands
	}
	experiment := map[string]any{"name": name, "hosts": machines, "repeat": b.rounds + 1}
	if patterns != nil {
		experiment["collect"] = patterns
	}
	data, err := json.Marshal(experiment)
	if err != nil {
		return nil, err
	}
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
	slices.Sort(records)
	var gaps series
	var last time.Time
	for i, path := range records {
		first, end, err := span(path)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			gaps = append(gaps, milliseconds(first.Sub(last)))
		}
		last = end
	}
	if len(gaps) != b.rounds {
		return nil, fmt.Errorf("%d datapoints left a record, want %d", len(records), b.rounds+1)
	}
	return gaps, nil
}

// span is from the first start to the last exit of a run.
func span(record string) (first, last time.Time, err error) {
	data, err := os.ReadFile(record)
	if err != nil {
		return first, last, err
	}
	var run struct {
		Processes []struct {
			StartedAt time.Time `json:"started_at"`
			EndedAt   time.Time `json:"ended_at"`
		}
	}
	if err := json.Unmarshal(data, &run); err != nil {
		return first, last, err
	}
	for i, p := range run.Processes {
		if i == 0 || p.StartedAt.Before(first) {
			first = p.StartedAt
		}
		if p.EndedAt.After(last) {
			last = p.EndedAt
		}
	}
	return first, last, nil
}
