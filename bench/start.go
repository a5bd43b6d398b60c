package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// processes is how many processes a datapoint has in these measurements: 12 on
// each of 4 hosts.
const processes = 48

// skew compares the spread of the processes' own clock readings at their start
// with that of a shell that starts as many in the background.
func skew(ctx context.Context, b *bed) error {
	file, err := b.file("skew", b.path("stamp")+" "+b.path("stamps")+" 1")
	if err != nil {
		return err
	}
	loop := fmt.Sprintf("for i in $(seq %d); do %s %s 1 & done; wait", processes, b.path("stamp"), b.path("stamps"))
	var shell, ours, ratio series
	for range b.rounds {
		s, err := b.spread(func() error { return exec.CommandContext(ctx, "bash", "-c", loop).Run() })
		if err != nil {
			return err
		}
		o, err := b.spread(func() error { return b.publish(ctx, file) })
		if err != nil {
			return err
		}
		shell, ours, ratio = append(shell, s), append(ours, o), append(ratio, o/s)
	}
	fmt.Printf("start skew of %d processes, ms: bash & %s, downbeat %s, ratio of medians %.2f, of rounds %s\n",
		processes, shell, ours, ours.median()/shell.median(), ratio.fine())
	return nil
}

func (s series) fine() string {
	sorted := slices.Sorted(slices.Values(s))
	return fmt.Sprintf("%.2f (%.2f..%.2f)", s.median(), sorted[0], sorted[len(sorted)-1])
}

// spread runs processes that leave stamps, and returns the time between the first and the last
// stamp in milliseconds.
func (b *bed) spread(start func() error) (float64, error) {
	if err := os.RemoveAll(b.path("stamps")); err != nil {
		return 0, err
	}
	if err := start(); err != nil {
		return 0, err
	}
	data, err := os.ReadFile(b.path("stamps"))
	if err != nil {
		return 0, err
	}
	var stamps []int64
	for line := range strings.FieldsSeq(string(data)) {
		n, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			return 0, err
		}
		stamps = append(stamps, n)
	}
	if len(stamps) != processes {
		return 0, fmt.Errorf("%d processes left a stamp, want %d", len(stamps), processes)
	}
	return milliseconds(time.Duration(slices.Max(stamps) - slices.Min(stamps))), nil
}

// wall measures a whole datapoint of processes that do nothing: the time from typing the
// command to the next prompt.
func wall(ctx context.Context, b *bed) error {
	file, err := b.file("wall", "/bin/true")
	if err != nil {
		return err
	}
	var shell, ours series
	for range b.rounds {
		began := time.Now()
		loop := fmt.Sprintf("for i in $(seq %d); do /bin/true & done; wait", processes)
		if err := exec.CommandContext(ctx, "bash", "-c", loop).Run(); err != nil {
			return err
		}
		shell = append(shell, milliseconds(time.Since(began)))
		began = time.Now()
		if err := b.publish(ctx, file); err != nil {
			return err
		}
		ours = append(ours, milliseconds(time.Since(began)))
	}
	fmt.Printf("%d x /bin/true, whole wall, ms: bash & %s, downbeat %s\n", processes, shell, ours)
	return nil
}

// file writes an experiment that runs the command evenly on all hosts.
func (b *bed) file(name, command string) (string, error) {
	return b.experiment(name, command, processes)
}

func (b *bed) experiment(name, command string, count int) (string, error) {
	machines := make(map[string]any)
	for _, h := range hosts {
		machines[h] = nil
	}
	data, err := json.Marshal(map[string]any{
		"name": name, "hosts": machines, "groups": map[string]any{"p": map[string]any{"on": hosts, "count": count, "run": command}},
	})
	if err != nil {
		return "", err
	}
	path := b.path(name + ".json")
	return path, os.WriteFile(path, data, 0o600)
}
