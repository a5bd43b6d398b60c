//go:build soak && linux

package soak

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/queuetest/proxy"
	"downbeat/internal/testkit"
)

// A soak is one long experiment and what goes wrong in it.
type soak struct {
	t            *testing.T
	node         *rabbittest.Node
	broker       queue.Broker // past all proxies
	fleet        []*member
	experimenter *experimenter
	random       *rand.Rand

	began  time.Time
	counts map[string]int // of each fault
	junked int            // messages that workers have to dead-letter
}

func TestSoak(t *testing.T) {
	node, err := rabbittest.Start(t.Context(), root)
	check(t, err)
	t.Cleanup(func() { check(t, node.Stop()) })
	s := &soak{t: t, node: node, random: rand.New(rand.NewPCG(*seed, 0)), began: time.Now(), counts: make(map[string]int)}
	s.broker, err = amqp.Open(t.Context(), node.URL(), queue.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, s.broker.Close()) })
	for _, host := range hosts {
		s.fleet = append(s.fleet, newMember(t, host, node.URL()))
	}
	s.warmUp()
	s.begin()
	s.breakThings()
	s.report(s.account())
	for _, m := range s.fleet {
		m.leave()
	}
	if left := marked(); len(left) > 0 {
		t.Errorf("processes are left: %q", left)
	}
}

// file writes an experiment of n datapoints: each of its processes prints lines
// that nobody else's does, one leaves a child behind, and one is stopped.
func file(t *testing.T, name string, n int) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nretries: 3\ntimeout: 60s\nmatrix: {n: [", name)
	for i := range n {
		fmt.Fprintf(&b, "%d,", i+1)
	}
	fmt.Fprintf(&b, "]}\nhosts: {%s}\ngroups:\n", strings.Join(hosts, ": {}, ")+": {}")
	fmt.Fprintf(&b, "  print: {on: [%s], shell: true, run: 'i=0; while [ $i -lt %d ]; do echo {{.n}} {{.host}} $i; i=$((i+1)); done; sleep 0.2; setsid sleep 30 &'}\n",
		strings.Join(hosts, ", "), linesEach)
	b.WriteString("  serve: {on: [alpha, delta], run: sleep 1000}\nstop: {when: print, grace: 2s}\n")
	path := filepath.Join(root, name+".yaml")
	check(t, os.WriteFile(path, []byte(b.String()), 0o600))
	return path
}

// linesEach is how many lines a printing process prints.
const linesEach = 40

func (s *soak) newExperimenter(name string, n int) *experimenter {
	s.t.Helper()
	log, err := os.Create(filepath.Join(root, "publish-"+name+".log"))
	check(s.t, err)
	s.t.Cleanup(func() { check(s.t, log.Close()) })
	e := &experimenter{t: s.t, file: file(s.t, name, n), log: log, done: make(chan struct{})}
	e.proxy, e.broker = proxy.New(s.t, s.node.URL())
	return e
}

// warmUp runs one datapoint, so that all that a worker ever starts is there, and
// notes what each takes then.
func (s *soak) warmUp() {
	s.t.Helper()
	e := s.newExperimenter("warm", 1)
	var p interface{ Done() <-chan struct{} }
	testkit.WaitFor(s.t, "a first datapoint succeeds", func() bool { // workers may still be coming up
		started, err := start(e.command(e.file))
		check(s.t, err)
		p = started
		<-p.Done()
		return started.Err().Error() == "exit status 0"
	})
	for _, m := range s.fleet {
		var err error
		m.first, err = m.look()
		check(s.t, err)
	}
}

// begin lets the experimenter go.
func (s *soak) begin() {
	s.experimenter = s.newExperimenter("soak", *datapoints)
	go s.experimenter.run()
	s.t.Cleanup(func() { // where the test has failed in mid-run
		s.experimenter.signal(9)
	})
}

// breakThings lets something go wrong every few datapoints until the experiment
// has come to its end.
func (s *soak) breakThings() {
	all := faults()
	for {
		next := s.ended() + 2 + s.random.IntN(5)
		phase := time.Duration(s.random.IntN(600)) * time.Millisecond
		for s.ended() < next {
			select {
			case <-s.experimenter.done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
		<-time.After(phase)
		f := pick(all, s.random)
		began := time.Now()
		f.do(s)
		s.counts[f.name]++
		fmt.Printf("%6.1fs  after %3d runs: %s (%.1f s)\n", time.Since(s.began).Seconds(), next, f.name, time.Since(began).Seconds())
	}
}

// records are the files of the runs that are complete.
func records() []string {
	paths, _ := filepath.Glob(filepath.Join(results(), "*", "run.json")) // the pattern is a good one
	return paths
}

// ended is how many runs are complete.
func (s *soak) ended() int { return len(records()) }

// marked lists the processes of the soak that are still there.
func marked() []string {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	var found []string
	for _, path := range environs {
		data, err := os.ReadFile(path)
		if err == nil && slices.Contains(strings.Split(string(data), "\x00"), mark) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			found = append(found, filepath.Base(filepath.Dir(path))+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
