package test

import (
	"encoding/csv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"downbeat/internal/outcome"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/sqs/sqstest"
	"downbeat/internal/results"
)

// A realExample is one of examples/ that runs servers of somebody else for a while: the
// tests run the file itself, in which nothing but times and sizes is changed.
type realExample struct {
	name    string
	shorten []string // old, new, old, new, ...
	check   func(c *cluster, r results.Record)
}

var etcdExample = realExample{
	name: "etcd",
	shorten: []string{
		"client.pl 15 ", "client.pl 9 ", // a busy machine may make the mark some seconds late
		"t: 1s, signal", "t: 200ms, signal",
		"t: 5s, start", "t: 1200ms, start",
		"order: last-beat-first}", "order: last-beat-first, grace: 1s}",
	},
	check: checkEtcd,
}

var postgresExample = realExample{
	name: "postgres",
	shorten: []string{
		"initdb -D data", "initdb --no-sync -D data",
		"--scale 2", "--scale 1",
		"--time 10", "--time 3", "from: 2s, to: -1s", "from: 200ms",
	},
	check: checkPostgres,
}

// redisExample is run over brokers by the scripts called real.
var redisExample = realExample{name: "redis", check: checkRedis}

// The examples run on the embedded queue.
func TestExamplesEmbedded(t *testing.T) {
	t.Parallel()
	for _, e := range []realExample{etcdExample, postgresExample, redisExample} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.run(newClusterOn(t, "", ""))
		})
	}
}

// The examples run over RabbitMQ with a worker for each host.
func TestExamplesOverRabbitMQ(t *testing.T) {
	t.Parallel()
	for _, e := range []realExample{etcdExample, postgresExample} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.run(newCluster(t, rabbittest.URL(t)), hosts...)
		})
	}
}

// Questions on DOWNBEAT_SYNC and actions after a mark work over SQS, too.
func TestExamplesOverSQS(t *testing.T) {
	t.Parallel()
	endpoint := sqstest.URL(t)
	t.Run(etcdExample.name, func(t *testing.T) {
		t.Parallel()
		c := newCluster(t, sqstest.QueueURL)
		c.environ = append(c.environ, sqstest.Environ(endpoint)...)
		etcdExample.run(c, hosts...)
	})
}

// run runs one repetition of the example, which has to succeed, with a worker for each of
// the hosts.
func (e realExample) run(c *cluster, hosts ...string) {
	c.t.Helper()
	if err := os.CopyFS(c.path("examples", e.name), os.DirFS(filepath.Join("..", "examples", e.name))); err != nil {
		c.t.Fatal(err)
	}
	path := filepath.Join("examples", e.name, e.name+".yaml")
	text := string(c.output(path))
	for pair := range slices.Chunk(e.shorten, 2) {
		if !strings.Contains(text, pair[0]) {
			c.t.Fatalf("%s has no %q that could be shortened", path, pair[0])
		}
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	c.write(path, text)
	c.environ = append(c.environ, "LC_ALL=C") // the checks read what servers log
	c.unprivileged()
	var workers []*program
	for _, host := range hosts {
		workers = append(workers, c.startWorker(host))
	}
	for _, w := range workers {
		w.await(serving)
	}

	p := c.publish("--quiet", "--repeat=1", path)

	p.wait(0, e.name+": succeeded")
	c.nothingLeft()
	e.check(c, c.record(filepath.Join("results", e.name, "latest", "0001")))
}

// checkEtcd: the member whose mark it was is killed soon after, and has a second life;
// meanwhile nobody could write.
func checkEtcd(c *cluster, r results.Record) {
	t := c.t
	if len(r.Marks) == 0 || r.Marks[0].Mark != "leader" || !strings.HasPrefix(r.Marks[0].Process, "etcd.") {
		t.Fatalf("marks: %+v, want leader of a member", r.Marks)
	}
	leader := r.Marks[0]
	if len(r.Actions) != 2 {
		t.Fatalf("actions: %+v, want two", r.Actions)
	}
	for i, want := range []string{"signal", "start"} {
		a := r.Actions[i]
		if a.Do != want || a.Target != leader.Process || a.Reason != "" || a.Life != i || !a.At.After(leader.At) {
			t.Errorf("action %d: %+v, want %s of %s after the mark", i, a, want, leader.Process)
		}
	}
	if gap := r.Metrics["gap"]; !(gap > 0) {
		t.Errorf("the gap is %v", gap)
	}
	if len(r.Beats) != 2 || !slices.Equal(r.Beats[1].Groups, []string{"client"}) || !r.Beats[1].ReleasedAt.After(r.Beats[0].ReleasedAt) {
		t.Errorf("beats: %+v, want two, the clients on the second", r.Beats)
	}
	got := c.lives("etcd")
	for process, lives := range got {
		switch {
		case process == leader.Process && !slices.Equal(lives, []string{"0 SIGKILL", "1 " + lives[len(lives)-1][2:]}):
			t.Errorf("%s, which was killed and started again, has the lives %q", process, lives)
		case process != leader.Process && len(lives) != 1:
			t.Errorf("%s has the lives %q, want one", process, lives)
		}
	}
	if len(got) != 7 {
		t.Errorf("%d processes have rows, want 7: %v", len(got), got)
	}
}

// lives are the lives of each process with the signals that ended them, by its rows in
// processes.csv.
func (c *cluster) lives(experiment string) map[string][]string {
	c.t.Helper()
	rows, err := csv.NewReader(strings.NewReader(string(c.output(filepath.Join("results", experiment, "latest", "processes.csv"))))).ReadAll()
	if err != nil || len(rows) < 2 {
		c.t.Fatalf("%d rows: %v", len(rows), err)
	}
	process, life, signal := slices.Index(rows[0], "process"), slices.Index(rows[0], "life"), slices.Index(rows[0], "signal")
	lives := map[string][]string{}
	for _, row := range rows[1:] {
		lives[row[process]] = append(lives[row[process]], row[life]+" "+row[signal])
	}
	return lives
}

// checkPostgres: four beats, each after the one before; the standby is stopped before
// the primary, each by INT.
func checkPostgres(c *cluster, r results.Record) {
	t := c.t
	var order []string
	for i, b := range r.Beats {
		order = append(order, b.Groups...)
		if i > 0 && !b.ReleasedAt.After(r.Beats[i-1].ReleasedAt) {
			t.Errorf("beat %d was released at %s, that before at %s", i, b.ReleasedAt, r.Beats[i-1].ReleasedAt)
		}
	}
	if want := []string{"primary", "standby", "load", "client"}; !slices.Equal(order, want) {
		t.Errorf("beats: %v, want %v", order, want)
	}
	ended := map[string]results.ProcessRecord{}
	for _, p := range r.Processes {
		ended[p.Process] = p
	}
	for _, p := range []results.ProcessRecord{ended["primary.0"], ended["standby.0"]} {
		if p.Outcome != outcome.CommandStopped || p.ExitCode != 0 || p.ReadyAt.IsZero() || p.ReadyAt.After(r.Beats[2].ReleasedAt) {
			t.Errorf("%s %s with status %d, ready at %s; want stopped, 0, before the tables were filled", p.Process, p.Outcome, p.ExitCode, p.ReadyAt)
		}
	}
	c.logged("bravo/standby.0.err", "fast shutdown request")
	asked := c.logged("alpha/primary.0.err", "fast shutdown request")
	if down := c.logged("bravo/standby.0.err", "database system is shut down"); asked < down {
		t.Errorf("the primary was asked to end at %s, the standby had at %s: want that of the last beat first", asked, down)
	}
	if tps := r.Metrics["throughput"]; !(tps > 0) {
		t.Errorf("the throughput is %v", tps)
	}
}

// logged is when a server of PostgreSQL's logged the text, by the machine's clock.
func (c *cluster) logged(path, text string) string {
	c.t.Helper()
	log := string(c.output(filepath.Join("results/postgres/latest/0001", path)))
	for line := range strings.Lines(log) {
		if day, rest, _ := strings.Cut(line, " "); strings.Contains(rest, text) {
			clock, _, _ := strings.Cut(rest, " ")
			return day + " " + clock
		}
	}
	c.t.Fatalf("%s has no %q, but\n%s", path, text, log)
	return ""
}

// checkRedis: the benchmarks began once the server could be used.
func checkRedis(c *cluster, r results.Record) {
	t := c.t
	if len(r.Beats) != 2 || !slices.Equal(r.Beats[1].Groups, []string{"bench"}) {
		t.Fatalf("beats: %+v, want two, the benchmarks on the second", r.Beats)
	}
	for _, p := range r.Processes {
		if p.Group == "server" && (p.Outcome != outcome.CommandStopped || p.ReadyAt.IsZero() || p.ReadyAt.After(r.Beats[1].ReleasedAt)) {
			t.Errorf("the server %s, and was ready at %s; the second beat was released at %s", p.Outcome, p.ReadyAt, r.Beats[1].ReleasedAt)
		}
	}
}

// unprivileged has root's programs of the cluster run as a user without any rights: some
// servers refuse to run as root. What is in the cluster's directory becomes that user's.
func (c *cluster) unprivileged() {
	c.t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	c.as = &syscall.Credential{Uid: nobody, Gid: nobody}
	c.environ = append(c.environ, "HOME="+c.dir)
	for _, dir := range []string{programs, filepath.Dir(c.dir)} {
		if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // G302: the user has to get to what is in it
			c.t.Fatal(err)
		}
	}
	err := filepath.WalkDir(c.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
	if err != nil {
		c.t.Fatal(err)
	}
}
