//go:build soak && linux

package soak

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/queue"
	ondisk "downbeat/internal/results"
	"downbeat/internal/testkit"
)

// How much more than after the first datapoint a worker may take after the last.
const (
	moreGoroutines  = 5
	moreDescriptors = 5
	moreMemory      = 32 << 20
)

// newestPublisher is the id of the publisher that made the newest complete run.
func (s *soak) newestPublisher() string {
	paths := records()
	if len(paths) == 0 {
		return ""
	}
	rec, err := ondisk.ReadRecord(filepath.Dir(paths[len(paths)-1]))
	if err != nil {
		return ""
	}
	id, err := message.PublisherOf(rec.Run)
	if err != nil {
		s.t.Error(err)
	}
	return id
}

// A tally is what has come of all of it.
type tally struct {
	outcomes map[string]int
	events   int // queues of publishers that were killed
	dead     int
}

// account compares what is there now with what has to be.
func (s *soak) account() *tally {
	s.t.Helper()
	c := &tally{outcomes: make(map[string]int)}
	s.countDatapoints(c)
	s.countQueues(c)
	s.lookAtDirectories()
	s.measure()
	return c
}

// countDatapoints makes sure that each datapoint has succeeded exactly once, in
// the table and on the disk, with every line of it there.
func (s *soak) countDatapoints(c *tally) {
	f, err := os.Open(filepath.Join(results(), ondisk.DatapointsFile))
	check(s.t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	check(s.t, err)
	column := func(name string) int { return slices.Index(rows[0], name) }
	succeeded := make(map[string]int)
	for _, row := range rows[1:] {
		c.outcomes[row[column("outcome")]]++
		if row[column("outcome")] == string(outcome.RunSucceeded) {
			succeeded[row[column("n")]]++
		}
	}
	if len(rows)-1 != s.ended() {
		s.t.Errorf("%d rows, but %d complete runs on the disk", len(rows)-1, s.ended())
	}
	for n := range *datapoints {
		if got := succeeded[fmt.Sprint(n+1)]; got != 1 {
			s.t.Errorf("datapoint %d has succeeded %d times, want once", n+1, got)
		}
	}
	for _, path := range records() {
		rec, err := ondisk.ReadRecord(filepath.Dir(path))
		check(s.t, err)
		if rec.Outcome == outcome.RunSucceeded {
			s.compareLines(filepath.Dir(path), rec)
		}
	}
}

// compareLines makes sure that each process of a run printed what it should.
func (s *soak) compareLines(dir string, rec ondisk.Record) {
	for _, host := range hosts {
		var want strings.Builder
		for i := range linesEach {
			fmt.Fprintf(&want, "%v %s %d\n", rec.Parameters["n"], host, i)
		}
		index := slices.Index(hosts, host)
		got, err := os.ReadFile(filepath.Join(dir, host, fmt.Sprintf("print.%d.out", index)))
		check(s.t, err)
		if string(got) != want.String() {
			s.t.Errorf("%s, %s: %q, want %q", filepath.Base(dir), host, got, want.String())
		}
	}
}

// countQueues makes sure that the queues are empty and that all junk is among the
// dead letters. A worker that was killed may have refused some of it twice.
func (s *soak) countQueues(c *tally) {
	for _, host := range hosts {
		for _, name := range []string{message.JobsQueue(namespace, host), message.ControlQueue(namespace, host)} {
			testkit.WaitFor(s.t, name+" is empty", func() bool { return s.inspect(name).Messages == 0 })
		}
	}
	kills := 0
	for _, m := range s.fleet {
		kills += m.kills
	}
	c.dead = s.inspect(message.DeadQueue(namespace)).Messages
	if c.dead < s.junked || c.dead > s.junked+14*kills {
		s.t.Errorf("%d dead letters, want %d", c.dead, s.junked)
	}
	publishers := make(map[string]bool)
	for _, path := range records() {
		if rec, err := ondisk.ReadRecord(filepath.Dir(path)); err == nil {
			if id, err := message.PublisherOf(rec.Run); err == nil {
				publishers[id] = true
			}
		}
	}
	for id := range publishers {
		if _, err := s.broker.Inspect(s.t.Context(), message.EventsQueue(namespace, id)); err == nil {
			c.events++
		} else if !errors.Is(err, queue.ErrNoQueue) {
			s.t.Error(err)
		}
	}
	if c.events > s.experimenter.kills {
		s.t.Errorf("%d queues of publishers are left, but only %d were killed", c.events, s.experimenter.kills)
	}
}

func (s *soak) inspect(name string) queue.Info {
	info, err := s.broker.Inspect(s.t.Context(), name)
	check(s.t, err)
	return info
}

// measure makes sure that no worker takes more than in the beginning. What ends a
// moment after a run is waited for.
func (s *soak) measure() {
	for _, m := range s.fleet {
		grown := func() bool {
			var err error
			m.last, err = m.look()
			return err != nil || m.last.goroutines > m.first.goroutines+moreGoroutines ||
				m.last.descriptors > m.first.descriptors+moreDescriptors || m.last.memory > m.first.memory+moreMemory
		}
		limit := time.Now().Add(testkit.Timeout)
		for grown() && time.Now().Before(limit) {
			<-time.After(time.Second)
		}
		if grown() {
			s.t.Errorf("the worker of %s has grown from %+v to %+v", m.host, m.first, m.last)
		}
	}
}

// lookAtDirectories makes sure that nothing of any run is left on the hosts' disks
// but that it was there. A run whose last acknowledgement was lost stays for the lease.
func (s *soak) lookAtDirectories() {
	var left []string
	limit := time.Now().Add(testkit.Timeout)
	for left = s.leftOnDisk(); len(left) > 0 && time.Now().Before(limit); left = s.leftOnDisk() {
		<-time.After(time.Second)
	}
	for _, path := range left {
		s.t.Errorf("%s is left", path)
	}
}

func (s *soak) leftOnDisk() []string {
	var left []string
	check(s.t, filepath.WalkDir(stateDir(), func(path string, d fs.DirEntry, err error) error {
		parent := filepath.Base(filepath.Dir(path))
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone meanwhile
		case err != nil:
			return err
		case parent == "runs", !d.IsDir() && parent != "seen" && d.Name() != "lock":
			left = append(left, path)
		}
		return nil
	}))
	return left
}

// report prints what was done and measured.
func (s *soak) report(c *tally) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nseed %d\t%d datapoints in %.0f s\n", *seed, *datapoints, time.Since(s.began).Seconds())
	for _, name := range slices.Sorted(maps.Keys(s.counts)) {
		fmt.Fprintf(w, "%s\t%d\n", name, s.counts[name])
	}
	fmt.Fprintf(w, "publish started\t%d\n", s.experimenter.began)
	for _, name := range slices.Sorted(maps.Keys(c.outcomes)) {
		fmt.Fprintf(w, "runs %s\t%d\n", name, c.outcomes[name])
	}
	fmt.Fprintf(w, "dead letters\t%d of %d pieces of junk\n", c.dead, s.junked)
	fmt.Fprintf(w, "queues of killed publishers\t%d of %d\n\n", c.events, s.experimenter.kills)
	fmt.Fprintf(w, "worker\tkilled\tgoroutines\tdescriptors\tmemory, MB\n")
	for _, m := range s.fleet {
		fmt.Fprintf(w, "%s\t%d\t%d, %d\t%d, %d\t%.1f, %.1f\n", m.host, m.kills, m.first.goroutines, m.last.goroutines,
			m.first.descriptors, m.last.descriptors, float64(m.first.memory)/1e6, float64(m.last.memory)/1e6)
	}
	check(s.t, w.Flush())
}
