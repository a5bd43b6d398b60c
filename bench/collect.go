package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// collectEach is how many bytes are brought home from each of the four hosts.
const collectEach = 10_000_000

// collect measures what it costs to bring a file home from each host: the same
// datapoint with and without. A file of JSON lines is the usual case, random bytes
// are the worst.
func collect(ctx context.Context, b *bed) error {
	noise := make([]byte, collectEach)
	if _, err := rand.Read(noise); err != nil {
		return err
	}
	for _, kind := range []struct {
		name    string
		content []byte
	}{{"JSON lines", measurements(collectEach)}, {"random bytes", noise}} {
		if err := b.collectFile(ctx, kind.name, kind.content); err != nil {
			return err
		}
	}
	return nil
}

func (b *bed) collectFile(ctx context.Context, kind string, content []byte) error {
	if err := os.WriteFile(b.path("content"), content, 0o600); err != nil {
		return err
	}
	without, err := b.collecting("without", nil)
	if err != nil {
		return err
	}
	with, err := b.collecting("with", []string{"out"})
	if err != nil {
		return err
	}
	var plain, ours, more, work series
	for range b.rounds {
		p, pCPU, err := b.timed(ctx, without)
		if err != nil {
			return err
		}
		o, oCPU, err := b.timed(ctx, with)
		if err != nil {
			return err
		}
		plain, ours, more, work = append(plain, p), append(ours, o), append(more, o-p), append(work, oCPU-pCPU)
		for _, h := range hosts {
			path := filepath.Join(b.path("results"), "with", "latest", "0001", h, "files", "out")
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
				return fmt.Errorf("%s did not come home as it was (%w)", path, err)
			}
		}
	}
	fmt.Printf("%d x %d MB of %s collected, whole wall, ms: without %s, with %s, difference of medians %.1f, of rounds %s; CPU time more of all programs %s\n",
		len(hosts), collectEach/1_000_000, kind, plain, ours, ours.median()-plain.median(), more, work)
	return nil
}

// timed publishes a file and returns how many milliseconds of wall and of CPU time that took;
// other load on the machine changes the second little.
func (b *bed) timed(ctx context.Context, file string) (wall, cpu float64, err error) {
	before := b.cpu()
	began := time.Now()
	err = b.publish(ctx, file)
	return milliseconds(time.Since(began)), milliseconds(b.cpu() - before), err
}

// cpu is the CPU time that publish, the workers and the broker have taken so far.
func (b *bed) cpu() time.Duration {
	total := b.published
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, path := range paths {
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline")) // it may have ended
		if !bytes.Contains(command, []byte(b.dir)) {
			continue
		}
		stat, _ := os.ReadFile(path)
		if fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])); len(fields) > 12 {
			user, _ := strconv.Atoi(fields[11])
			system, _ := strconv.Atoi(fields[12])
			total += time.Duration(user+system) * tickTime
		}
	}
	return total
}

// tickTime is the unit of times in /proc.
const tickTime = 10 * time.Millisecond

// collecting writes an experiment in which each host copies the content.
func (b *bed) collecting(name string, patterns []string) (string, error) {
	machines := make(map[string]any)
	for _, h := range hosts {
		machines[h] = []string{"cp " + b.path("content") + " out"}
	}
	e := map[string]any{"name": name, "hosts": machines}
	if patterns != nil {
		e["collect"] = patterns
	}
	data, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	path := b.path(name + ".json")
	return path, os.WriteFile(path, data, 0o600)
}

// measurements makes size bytes of what a workload generator may write.
func measurements(size int) []byte {
	random := mathrand.New(mathrand.NewPCG(1, 2)) // always the same
	var b bytes.Buffer
	for at := int64(1_763_900_000_000_000); b.Len() < size; at += random.Int64N(2000) {
		fmt.Fprintf(&b, `{"time_us":%d,"client":%d,"op":"get","key":"k%d","latency_us":%d,"ok":true}`+"\n",
			at, random.IntN(24), random.IntN(10_000), 100+random.IntN(4000))
	}
	return b.Bytes()[:size]
}
