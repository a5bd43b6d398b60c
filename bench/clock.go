package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// clocks measures how well the hosts' clocks are known while processes run: the bound by UDP
// beside that by the broker alone, of the same runs; the bounds of the start and stop skew beside
// those of runs without UDP; and what it costs the workers and publish.
func clocks(ctx context.Context, b *bed) error {
	with, err := b.clockRuns(ctx, "clock", "")
	if err != nil {
		return err
	}
	without, err := b.clockRuns(ctx, "clock-off", "DOWNBEAT_CLOCK_ADDR=off")
	if err != nil {
		return err
	}
	fmt.Printf("the bound of the hosts' clocks with %d processes running, ±µs: by UDP %s, by the broker alone in the same runs %s, ratio of medians %.1f\n",
		processes, with.clock, with.broker, with.broker.median()/with.clock.median())
	fmt.Printf("bound of the start skew, ±µs: %s, without UDP %s; of the stop skew: %s, without UDP %s\n", with.start, without.start, with.stop, without.stop)
	fmt.Printf("CPU time of %d workers and publish in a run of %d s, ms: %s, without UDP %s\n", len(hosts), clockSeconds, with.cpu, without.cpu)
	return nil
}

// clockSeconds is how long the processes run.
const clockSeconds = 5

// A clocked is the figures of some runs, in microseconds; CPU time in milliseconds.
type clocked struct{ clock, broker, start, stop, cpu series }

func (b *bed) clockRuns(ctx context.Context, name, variable string) (c clocked, err error) {
	machines := make(map[string]any)
	for _, h := range hosts {
		machines[h] = nil
	}
	data, err := json.Marshal(map[string]any{
		"name": name, "hosts": machines, "stop": map[string]any{"after": fmt.Sprintf("%ds", clockSeconds)},
		"groups": map[string]any{"p": map[string]any{"on": hosts, "count": processes, "run": "sleep 1000"}},
	})
	if err != nil {
		return c, err
	}
	file := b.path(name + ".json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return c, err
	}
	if variable != "" {
		b.env = append(b.env, variable)
		defer func() { b.env = b.env[:len(b.env)-1] }()
	}
	for range b.rounds {
		before, err := b.cpuOfWorkers()
		if err != nil {
			return c, err
		}
		published := b.published
		if err := b.publish(ctx, file); err != nil {
			return c, err
		}
		after, err := b.cpuOfWorkers()
		if err != nil {
			return c, err
		}
		c.cpu = append(c.cpu, after-before+milliseconds(b.published-published))
		if err := c.add(b.path("results"), name); err != nil {
			return c, err
		}
	}
	return c, nil
}

// add takes the figures of the latest run.
func (c *clocked) add(results, name string) error {
	data, err := os.ReadFile(filepath.Join(results, name, "latest", "0001", "run.json"))
	if err != nil {
		return err
	}
	var run struct {
		StartErrorUS int64 `json:"start_error_us"`
		StopErrorUS  int64 `json:"stop_error_us"`
		Hosts        []struct {
			By            string `json:"clock_by"`
			ErrorUS       int64  `json:"clock_error_us"`
			BrokerErrorUS int64  `json:"clock_broker_error_us"`
		} `json:"hosts"`
	}
	if err := json.Unmarshal(data, &run); err != nil {
		return err
	}
	var direct, broker int64
	for _, h := range run.Hosts {
		direct, broker = max(direct, h.ErrorUS), max(broker, h.BrokerErrorUS)
	}
	c.clock, c.broker = append(c.clock, float64(direct)), append(c.broker, float64(broker))
	c.start, c.stop = append(c.start, float64(run.StartErrorUS)), append(c.stop, float64(run.StopErrorUS))
	return nil
}

// cpuOfWorkers is the CPU time that the workers themselves have used, in milliseconds.
func (b *bed) cpuOfWorkers() (float64, error) {
	const ticks = 100 // a second, on all that Linux runs on
	total := 0.0
	for _, w := range b.workers {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.Process.Pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		fields := strings.Fields(rest)
		for _, field := range fields[11:13] { // user and system time
			n, err := strconv.ParseFloat(field, 64)
			if err != nil {
				return 0, err
			}
			total += n * 1000 / ticks
		}
	}
	return total, nil
}
