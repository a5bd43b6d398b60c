package test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// interruptions are what a person or a service manager sends, and the status
// that publish ends with.
var interruptions = map[string]struct {
	signal syscall.Signal
	status int
	reason string
}{
	"interrupted": {syscall.SIGINT, 130, "interrupted"},
	"terminated":  {syscall.SIGTERM, 143, "told to terminate"},
}

// deaf says that it is there and takes no notice of TERM.
const deaf = `{shell: true, run: 'trap "" TERM; touch "$SCRATCH/up"; echo up; while :; do sleep 0.1; done'}`

// grace is an experiment that is stopped as soon as its server is there, which
// then takes the whole grace.
const grace = `
name: x
hosts: {alpha: , bravo: }
groups:
  server: {on: alpha, shell: true, run: 'trap "" TERM; touch "$SCRATCH/up"; echo up; while :; do sleep 0.1; done'}
  client: {on: bravo, shell: true, run: 'until [ -e "$SCRATCH/up" ]; do sleep 0.1; done'}
stop: {when: client, grace: 2s}
`

// A moment is a phase of an experiment, on the embedded queue, in which publish
// is interrupted.
type moment struct {
	name, file string
	reached    func(c *cluster, publish *program)
	run        string // the run that is broken off; empty if there is none
	process    string // one on alpha, that has printed "up"
	outcome    outcome.Command
}

var moments = []moment{
	{
		name: "running", file: `{name: x, hosts: {alpha: ["sh -c 'echo up; exec sleep 600'"], bravo: ["sleep 600"]}}`,
		reached: func(c *cluster, _ *program) { c.awaitOutput("results/x/latest/0001/alpha/0.out", "up\n") },
		run:     "0001", process: "0", outcome: outcome.CommandStopped,
	},
	{
		name: "stopping, in the grace", file: grace,
		reached: func(_ *cluster, p *program) { p.await(`"event":"stopping"`) },
		run:     "0001", process: "server.0", outcome: outcome.CommandKilled,
	},
	{
		name: "pausing between two datapoints", file: `{name: x, matrix: {n: [1, 2]}, pause: 5m, hosts: {alpha: ["echo {{.n}}"]}}`,
		reached: func(_ *cluster, p *program) { p.await(`"event":"run"`) },
	},
	{
		name:    "trying again",
		file:    `{name: x, retries: 1, hosts: {alpha: [{shell: true, run: '[ -e "$SCRATCH/tried" ] || { touch "$SCRATCH/tried"; exit 3; }; echo up; exec sleep 600'}]}}`,
		reached: func(c *cluster, _ *program) { c.awaitOutput("results/x/latest/0001.attempt2/alpha/0.out", "up\n") },
		run:     "0001.attempt2", process: "0", outcome: outcome.CommandStopped,
	},
}

// A publisher that is interrupted, in whatever phase, stops everything, keeps
// the results up to there, and marks them.
func TestInterruptedPublisher(t *testing.T) {
	t.Parallel()
	for name, i := range interruptions {
		for _, m := range moments {
			t.Run(name+" "+m.name, func(t *testing.T) {
				t.Parallel()
				c := newClusterOn(t, "mem:", "downbeat")
				c.write("x.yaml", m.file)
				p := c.publish("--output=json", "x.yaml")
				m.reached(c, p)

				p.signal(i.signal)

				p.wait(i.status)
				c.nothingLeft()
				if m.run == "" {
					c.wantRuns("results/x/latest", "0001-n=1")
					return
				}
				dir := filepath.Join("results/x/latest", m.run)
				r := c.record(dir)
				if r.Outcome != outcome.RunAborted || r.Reason != i.reason {
					t.Errorf("the run %s: %q, want aborted: %q", r.Outcome, r.Reason, i.reason)
				}
				if r.Processes[0].Outcome != m.outcome {
					t.Errorf("alpha's process is %s, want %s", r.Processes[0].Outcome, m.outcome)
				}
				if got := string(c.output(filepath.Join(dir, "alpha", m.process+".out"))); got != "up\n" {
					t.Errorf("alpha's process has printed %q, want that it is up", got)
				}
			})
		}
	}
}

// wantRuns checks that an experiment has these complete runs, and no other.
func (c *cluster) wantRuns(dir string, want ...string) {
	c.t.Helper()
	all, err := filepath.Glob(c.path(dir, "0*"))
	if err != nil {
		c.t.Fatal(err)
	}
	if len(all) != len(want) {
		c.t.Errorf("there are runs %q, want %q", all, want)
	}
	for _, run := range want {
		if got := c.record(filepath.Join(dir, run)); got.Outcome != outcome.RunSucceeded {
			c.t.Errorf("%s has %s", run, got.Outcome)
		}
	}
}

// A publisher that is interrupted while it waits for a host lets the others go:
// nothing has been executed there.
func TestInterruptedPublisherThatWaitsForAHost(t *testing.T) {
	t.Parallel()
	for name, i := range interruptions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newSharedCluster(t)
			c.worker("alpha")
			bravo := c.worker("bravo")
			bravo.signal(syscall.SIGTERM)
			bravo.wait(0)
			c.write("x.yaml", `{name: x, hosts: {alpha: [{shell: true, run: 'touch "$SCRATCH/trace"'}], bravo: ["true"]}}`)
			p := c.publish("--output=json", "--ready-timeout="+awhile, "x.yaml")
			p.await(`"event":"ready"`, "no worker is connected")

			p.signal(i.signal)

			p.wait(i.status)
			c.nothingLeft()
			if r := c.record("results/x/latest/0001"); r.Outcome != outcome.RunAborted || r.Processes[0].Outcome != outcome.CommandNotStarted {
				t.Errorf("the run %s and alpha's process %s, want aborted and not_started", r.Outcome, r.Processes[0].Outcome)
			}
			if _, err := os.Stat(c.path("trace")); err == nil {
				t.Error("alpha's process has been executed")
			}
		})
	}
}

// signalAll sends signals at once. Who has started programs by timeout(1) ends them so: the signal comes twice, to
// the program and to its group, and from a terminal that is closed a third time.
func (p *program) signalAll(signals ...syscall.Signal) {
	p.t.Helper()
	for _, s := range signals {
		p.signal(s)
	}
}

// insist sends the signal until the program has ended: what comes within a second
// of the first is the same signal.
func (p *program) insist(s syscall.Signal) {
	for !p.over() {
		_ = p.cmd.Process.Signal(s)
		select {
		case <-p.ended:
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Signals that come together are one: publish stops the run and keeps its record.
func TestSignalsThatComeTogetherAreOne(t *testing.T) {
	t.Parallel()
	c := newClusterOn(t, "mem:", "downbeat")
	c.write("x.yaml", `{name: x, stop: {grace: 500ms}, hosts: {alpha: [`+deaf+`]}}`)
	p := c.publish("x.yaml")
	c.awaitOutput("results/x/latest/0001/alpha/0.out", "up\n")

	p.signalAll(syscall.SIGTERM, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM)

	<-p.ended
	if status := p.cmd.ProcessState.ExitCode(); status != 143 && status != 130 && status != 129 {
		t.Errorf("publish exited with status %d; it has printed\n%s", status, tail(&p.stderr))
	}
	c.nothingLeft()
	if r := c.record("results/x/latest/0001"); r.Outcome != outcome.RunAborted {
		t.Errorf("the run %s, want aborted", r.Outcome)
	}
	if p.stderr.Has("leaving at once") {
		t.Error("it left at once")
	}
}

// For a worker, too: it ends its run, and exits with 0.
func TestSignalsThatComeTogetherAreOneForAWorker(t *testing.T) {
	t.Parallel()
	c := newSharedCluster(t)
	alpha := c.worker("alpha")
	c.write("x.yaml", `{name: x, stop: {grace: 500ms}, hosts: {alpha: [`+deaf+`]}}`)
	p := c.publish("--lease="+awhile, "x.yaml")
	c.awaitOutput("results/x/latest/0001/alpha/0.out", "up\n")

	alpha.signalAll(syscall.SIGTERM, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM)

	alpha.wait(0)
	c.nothingLeft()
	p.wait(1, "the worker on this host is shutting down")
}

// A second ^C makes publish leave at once. What it had received is kept, as a
// run that is not complete; workers stop the run as they were told to, and the
// embedded ones at that very moment.
func TestSecondInterruption(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		newCluster func(t *testing.T) *cluster
		grace      string
		words      string
	}{
		"embedded": {func(t *testing.T) *cluster { return newClusterOn(t, "mem:", "downbeat") }, awhile, "the processes end with it"},
		"workers": {func(t *testing.T) *cluster {
			c := newSharedCluster(t)
			c.worker("alpha")
			return c
		}, "2s", "workers stop the run by themselves when its lease is over"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := tt.newCluster(t)
			c.write("x.yaml", `{name: x, stop: {grace: `+tt.grace+`}, hosts: {alpha: [`+deaf+`]}}`)
			p := c.publish("x.yaml")
			c.awaitOutput("results/x/latest/0001/alpha/0.out", "up\n")

			p.signal(syscall.SIGINT)
			p.await("stopping: interrupted")
			p.insist(syscall.SIGINT)

			p.wait(130, "leaving at once; "+tt.words)
			c.nothingLeft()
			if _, err := os.Stat(c.path("results/x/latest/0001", results.RecordFile)); err == nil {
				t.Error("the run that was left has a record")
			}
		})
	}
}

// A worker that is told to leave ends its run first, in whatever phase, and
// tells the publisher why.
func TestInterruptedWorker(t *testing.T) {
	t.Parallel()
	const leaving = "the worker on this host is shutting down"
	tests := map[string]struct {
		signal  syscall.Signal
		file    string
		away    bool // bravo's worker is not there
		reached func(c *cluster, p *program)
	}{
		"ready": {
			signal: syscall.SIGINT, file: `{name: x, hosts: {alpha: ["sleep 600"], bravo: ["sleep 600"]}}`, away: true,
			reached: func(_ *cluster, p *program) { p.await(`"event":"ready"`, "no worker is connected") },
		},
		"running": {
			signal: syscall.SIGINT, file: `{name: x, hosts: {alpha: ["sh -c 'echo up; exec sleep 600'"], bravo: ["sleep 600"]}}`,
			reached: func(c *cluster, _ *program) { c.awaitOutput("results/x/latest/0001/alpha/0.out", "up\n") },
		},
		"stopping": {
			signal: syscall.SIGTERM, file: grace,
			reached: func(_ *cluster, p *program) { p.await(`"event":"stopping"`) },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newSharedCluster(t)
			alpha, bravo := c.worker("alpha"), c.worker("bravo")
			if tt.away {
				bravo.signal(syscall.SIGTERM)
				bravo.wait(0)
			}
			c.write("x.yaml", tt.file)
			p := c.publish("--output=json", "--ready-timeout="+awhile, "x.yaml")
			tt.reached(c, p)

			alpha.signal(tt.signal)

			alpha.wait(0, leaving)
			<-p.ended
			c.nothingLeft()
			if name == "stopping" { // the run was being ended already, and well
				return
			}
			p.wait(1)
			if r := c.record("results/x/latest/0001"); r.Outcome != outcome.RunLost || r.Reason != "alpha: "+leaving {
				t.Errorf("the run %s: %q", r.Outcome, r.Reason)
			}
		})
	}
}

// A second signal ends a worker at once, and its processes with it; started
// again, it reports the run as lost.
func TestSecondInterruptionOfAWorker(t *testing.T) {
	t.Parallel()
	c := newSharedCluster(t)
	alpha := c.worker("alpha")
	c.write("x.yaml", `{name: x, stop: {grace: `+awhile+`}, hosts: {alpha: [`+deaf+`]}}`)
	p := c.publish("--lease="+awhile, "x.yaml")
	c.awaitOutput("results/x/latest/0001/alpha/0.out", "up\n")

	alpha.signal(syscall.SIGTERM)
	alpha.await("stopping the run")
	alpha.insist(syscall.SIGTERM)

	alpha.wait(-int(syscall.SIGTERM))
	c.nothingLeft()
	c.worker("alpha")
	p.wait(1, "the worker on alpha died in mid-run")
}
