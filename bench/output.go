package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// linesEach is how many lines of 100 bytes each of the four hosts prints.
const linesEach = 500_000

// output measures how fast lines reach the results, and how much memory the workers need for that.
func output(ctx context.Context, b *bed) error {
	file, err := b.experiment("output", fmt.Sprintf("%s %d", b.path("lines"), linesEach), len(hosts))
	if err != nil {
		return err
	}
	idle, err := b.memory("VmRSS")
	if err != nil {
		return err
	}
	var rate series
	for range b.rounds {
		began := time.Now()
		if err := b.publish(ctx, file); err != nil {
			return err
		}
		rate = append(rate, float64(len(hosts)*linesEach)/time.Since(began).Seconds()/1000)
		if err := b.checkLines(linesEach); err != nil {
			return err
		}
	}
	peak, err := b.memory("VmHWM")
	if err != nil {
		return err
	}
	fmt.Printf("%d x %d lines of 100 bytes into the results and to a file, tagged, thousand lines/s: %s\n", len(hosts), linesEach, rate)
	fmt.Printf("largest worker, MB: %.1f before, %.1f at its peak\n", idle, peak)
	return nil
}

// memory is the largest of the workers' figures in /proc, in MB.
func (b *bed) memory(field string) (float64, error) {
	largest := 0.0
	for _, w := range b.workers {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.Process.Pid))
		if err != nil {
			return 0, err
		}
		for line := range strings.SplitSeq(string(data), "\n") {
			if value, ok := strings.CutPrefix(line, field+":"); ok {
				kb, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
				if err != nil {
					return 0, err
				}
				largest = max(largest, kb/1000)
			}
		}
	}
	return largest, nil
}

// checkLines makes sure that every line is in the results, once, whole and in order, and that
// the same number were printed.
func (b *bed) checkLines(each int) error {
	for i, h := range hosts {
		path := filepath.Join(b.path("results"), "output", "latest", "0001", h, fmt.Sprintf("p.%d.out", i))
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if len(data) != 100*each {
			return fmt.Errorf("%s has %d bytes, want %d", path, len(data), 100*each)
		}
		for n := range each {
			line := data[100*n : 100*n+100]
			if number := fmt.Sprintf("%010d ", n); string(line[:len(number)]) != number || line[99] != '\n' {
				return fmt.Errorf("%s: line %d is %q", path, n, line)
			}
		}
	}
	f, err := os.Open(b.path("lines.out"))
	if err != nil {
		return err
	}
	defer f.Close()
	printed := 0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if tag, line, ok := bytes.Cut(lines.Bytes(), []byte(" | ")); !ok || len(line) != 99 || bytes.IndexByte(tag, '/') < 0 {
			return fmt.Errorf("printed line %d is torn: %q", printed, lines.Bytes())
		}
		printed++
	}
	if printed != len(hosts)*each {
		return fmt.Errorf("%d lines were printed, want %d", printed, len(hosts)*each)
	}
	return lines.Err()
}
