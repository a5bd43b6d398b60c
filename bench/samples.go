package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// sampledFor is how long the processes run whose samples are taken, with samples and without.
const sampledFor = 20 * time.Second

// sampled measures what samples cost: the CPU time of a worker with as many processes as in the
// other measurements on one host, with a sample a second and without.
func sampled(ctx context.Context, b *bed) error {
	var with, without series
	for range b.rounds {
		for _, every := range []string{"", "1s"} {
			used, err := b.workerUses(ctx, every)
			if err != nil {
				return err
			}
			percent := 100 * used.Seconds() / sampledFor.Seconds()
			if every == "" {
				without = append(without, percent)
			} else {
				with = append(with, percent)
			}
		}
	}
	fmt.Printf("CPU time of a worker with %d processes, %% of a core over %s: %.2f with a sample a second, %.2f without: samples cost %.2f\n",
		processes, sampledFor, with.median(), without.median(), with.median()-without.median())
	return nil
}

// workerUses is the CPU time that the first worker uses for a run.
func (b *bed) workerUses(ctx context.Context, every string) (time.Duration, error) {
	commands := make([]string, processes)
	for i := range commands {
		commands[i] = fmt.Sprintf("sleep %.0f", sampledFor.Seconds())
	}
	experiment := map[string]any{"name": "samples", "hosts": map[string]any{hosts[0]: commands}}
	if every != "" {
		experiment["sample"] = every
	}
	data, err := json.Marshal(experiment)
	if err != nil {
		return 0, err
	}
	file := b.path("samples.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return 0, err
	}
	pid := b.workers[0].Process.Pid
	before, err := cpuTimeOf(pid)
	if err != nil {
		return 0, err
	}
	if err := b.publish(ctx, file); err != nil {
		return 0, err
	}
	after, err := cpuTimeOf(pid)
	return after - before, err
}

// cpuTimeOf is the CPU time of a process without its children, in the system's hundredths of a
// second.
func cpuTimeOf(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}
