package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// idle measures what an experiment loses between its datapoints: from the last
// exit of one to the first start of the next.
func idle(ctx context.Context, b *bed) error {
	file, err := b.file("idle", "/bin/true")
	if err != nil {
		return err
	}
	gaps, err := b.gaps(ctx, file)
	if err != nil {
		return err
	}
	fmt.Printf("idle between datapoints of %d processes, ms: %s\n", processes, gaps)
	return nil
}

// gaps runs a file's datapoint again and again, and gives the time between each
// two of them.
func (b *bed) gaps(ctx context.Context, file string) (series, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var experiment map[string]any
	if err := json.Unmarshal(data, &experiment); err != nil {
		return nil, err
	}
	experiment["repeat"] = b.rounds + 1
	if data, err = json.Marshal(experiment); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return nil, err
	}
	if err := b.publish(ctx, file); err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(filepath.Base(file), ".json")
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
