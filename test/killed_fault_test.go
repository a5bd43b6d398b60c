package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/testkit"
)

// daemonising says that it is there, and leaves one that has left its session
// and its parent behind, twice.
const daemonising = `sh -c "(setsid sh -c \"(setsid sleep 602 &) ; sleep 601\" &) ; echo up; exec sleep 600"`

// stranger starts a process that belongs to no run of the cluster, and yet looks
// much like one: that of another run on the same host, say.
func (c *cluster) stranger(environ ...string) *program {
	c.t.Helper()
	cmd := exec.Command("sleep", "603")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c.start(cmd, environ...)
}

// A worker that is killed and started again ends what is left of its run, and
// nothing else, and reports the run as lost; the others are stopped then, not
// when a lease is over, and the run is tried again.
func TestWorkerKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	c := newSharedCluster(t)
	alpha := c.worker("alpha", "DOWNBEAT_LEASE="+awhile)
	bravo := c.worker("bravo", "DOWNBEAT_LEASE="+awhile)
	c.write("again.yaml", `
name: again
retries: 1
hosts:
  alpha: [{shell: true, run: 'if [ -e "$SCRATCH/second" ]; then echo second; else `+"(setsid sh -c \"(setsid sleep 602 &) ; sleep 601\" &) ; echo up; exec sleep 600"+`; fi'}]
  bravo: [{shell: true, run: 'if [ -e "$SCRATCH/second" ]; then echo second; else echo up; exec sleep 600; fi'}]
`)
	p := c.publish("--lease="+awhile, "again.yaml")
	c.awaitOutput("results/again/latest/0001/alpha/0.out", "up\n")
	c.awaitOutput("results/again/latest/0001/bravo/0.out", "up\n")
	strangers := []*program{
		c.stranger(), c.stranger("DOWNBEAT_RUN=01JD5W9M4QX3T0C9V8Z7Y6R5PK", "DOWNBEAT_HOST=alpha"),
	}

	alpha.kill()
	c.write("second", "")
	c.worker("alpha", "DOWNBEAT_LEASE="+awhile)

	p.wait(0, "alpha: the worker on alpha died in mid-run", "trying again: attempt 2 of 2", "again: succeeded")
	first := c.record("results/again/latest/0001")
	if first.Outcome != outcome.RunLost || first.Hosts[1].Outcome != outcome.HostStopped {
		t.Errorf("the first attempt is %s and bravo %s, want lost and stopped", first.Outcome, first.Hosts[1].Outcome)
	}
	if got := string(c.output("results/again/latest/0001.attempt2/alpha/0.out")); got != "second\n" {
		t.Errorf("the second attempt printed %q", got)
	}
	for _, s := range strangers {
		if s.over() {
			t.Errorf("a process that is no part of the run was ended: %v", s.err)
		}
		s.kill()
	}
	if bravo.over() {
		t.Error("bravo's worker has ended")
	}
	c.nothingLeft()
}

// So it is in each beat: what has begun ends with its worker, what is held for a later beat
// never executes, and what stands between two lives does not begin again.
func TestWorkerKilledInEachBeat(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		line  string // by which a server is ready
		last  string // the process that is waited for, and what it says
		says  string
		begun bool // the second beat
	}{
		"the first":  {"never", "server.0", "listening\n", false},
		"the second": {"listening", "client.0", "up\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newSharedCluster(t)
			alpha := c.worker("alpha", "DOWNBEAT_LEASE="+awhile)
			c.worker("bravo", "DOWNBEAT_LEASE="+awhile)
			c.write("beats.yaml", `
name: beats
hosts: {alpha: , bravo: }
groups:
  server: {on: [alpha, bravo], shell: true, run: 'echo listening; exec sleep 600', ready: {line: `+test.line+`, within: 300s}}
  again: {on: alpha, shell: true, run: 'echo life; exit 1', restart: {on: failure, at_most: 3, wait: 300s}}
  client: {on: alpha, after: server, shell: true, run: 'touch "$SCRATCH/begun"; echo up; exec sleep 601'}
`)
			p := c.publish("--lease="+awhile, "beats.yaml")
			c.awaitOutput("results/beats/latest/0001/alpha/again.0.out", "life\n")
			c.awaitOutput("results/beats/latest/0001/alpha/"+test.last+".out", test.says)
			alpha.kill()
			c.worker("alpha", "DOWNBEAT_LEASE="+awhile)
			p.wait(1, "beats: lost", "the worker on alpha died in mid-run")
			c.nothingLeft()
			if _, err := os.Stat(filepath.Join(c.dir, "begun")); (err == nil) != test.begun {
				t.Errorf("the second beat has begun: %v", err == nil)
			}
		})
	}
}

// A worker that is killed and stays away: its processes end with it, and the
// publisher names the host when the lease is over, and stops the others.
func TestWorkerKilledForGood(t *testing.T) {
	t.Parallel()
	c := newSharedCluster(t)
	alpha := c.worker("alpha")
	c.worker("bravo")
	c.write("long.yaml", "name: long\nhosts:\n  alpha: ['"+daemonising+"']\n  bravo: ['"+daemonising+"']\n")
	p := c.publish("--lease=6s", "long.yaml")
	c.awaitOutput("results/long/latest/0001/alpha/0.out", "up\n")
	c.awaitOutput("results/long/latest/0001/bravo/0.out", "up\n")

	alpha.kill()
	testkit.WaitFor(t, "nothing of the run is left on alpha", func() bool {
		return len(marked(nil, c.mark, "DOWNBEAT_HOST=alpha")) == 0
	})

	p.wait(1, "long: lost", "no word from alpha for 6s: the host, its worker or its network is gone")
	c.nothingLeft()
}

// A publisher that is killed: the workers stop its run when the lease is over,
// and are free for the experiment to be resumed.
func TestPublisherKilled(t *testing.T) {
	t.Parallel()
	c := newSharedCluster(t)
	alpha := c.worker("alpha")
	c.worker("bravo")
	c.write("two.yaml", `
name: two
matrix: {n: [1, 2]}
hosts:
  alpha: [{shell: true, run: 'if [ {{.n}} = 1 ] || [ -e "$SCRATCH/second" ]; then echo {{.n}}; else echo up; exec sleep 600; fi'}]
  bravo: [{shell: true, run: 'if [ {{.n}} = 1 ] || [ -e "$SCRATCH/second" ]; then echo {{.n}}; else exec sleep 600; fi'}]
`)
	p := c.publish("--lease=3s", "two.yaml")
	c.awaitOutput("results/two/latest/0002-n=2/alpha/0.out", "up\n")

	p.kill()
	alpha.await("no word from the publisher for 3s")
	c.nothingLeft()
	if _, err := os.Stat(c.path("results/two/latest/0002-n=2", results.RecordFile)); err == nil {
		t.Error("the run that was broken off has a record")
	}
	c.write("second", "")
	resumed := c.publish("resume", "results/two/latest")

	resumed.wait(0, "1 of 2 datapoints done already", "two 2/2 (n=2) attempt 2: succeeded", "two: 2 of 2 datapoints succeeded (1 before)")
	if got := c.record("results/two/latest/0002-n=2.attempt2"); got.Outcome != outcome.RunSucceeded {
		t.Errorf("the second datapoint %s", got.Outcome)
	}
	c.nothingLeft()
}

// So it is in each beat: what has begun is ended, what is held for a later beat never
// executes, what stands between two lives does not begin again, and where processes met
// nothing is left.
func TestPublisherKilledInEachBeat(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		line  string // by which a server is ready
		last  string // the process that is waited for, and what it says
		says  string
		begun bool // the second beat
	}{
		"the first":  {"never", "server.0", "listening\n", false},
		"the second": {"listening", "client.0", "up\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newSharedCluster(t)
			workers := []*program{c.worker("alpha"), c.worker("bravo")}
			c.write("beats.yaml", `
name: beats
hosts: {alpha: , bravo: }
groups:
  server: {on: [alpha, bravo], shell: true, run: 'test -S "$DOWNBEAT_SYNC" && echo listening; exec sleep 600', ready: {line: `+test.line+`, within: 300s}}
  again: {on: alpha, shell: true, run: 'echo life; echo x >>"$SCRATCH/lives"; exit 1', restart: {on: failure, at_most: 3, wait: 300s}}
  client: {on: alpha, after: server, shell: true, run: 'touch "$SCRATCH/begun"; echo up; exec sleep 601'}
`)
			p := c.publish("--lease=3s", "beats.yaml")
			c.awaitOutput("results/beats/latest/0001/alpha/again.0.out", "life\n")
			c.awaitOutput("results/beats/latest/0001/alpha/"+test.last+".out", test.says)

			p.kill()
			for _, w := range workers {
				w.await("no word from the publisher for 3s")
			}
			c.nothingLeft()
			for _, host := range []string{"alpha", "bravo"} {
				testkit.WaitFor(t, "nothing of the run is left in the directory of "+host, func() bool {
					left, err := os.ReadDir(c.path("state", c.variable("DOWNBEAT_NAMESPACE"), host, "runs"))
					return err == nil && len(left) == 0
				})
			}
			if _, err := os.Stat(c.path("begun")); (err == nil) != test.begun {
				t.Errorf("the second beat has begun: %v", err == nil)
			}
			if got := string(c.output("lives")); got != "x\n" {
				t.Errorf("there were the lives %q, want one", got)
			}
		})
	}
}
