package facts

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"downbeat/internal/facts"
	"downbeat/internal/testkit"
)

func stat(name string, parent, user, system, start int) string {
	return fmt.Sprintf("7 (%s) S %d 1 1 0 -1 0 0 0 0 0 %d %d 0 0 20 0 1 0 %d 0 0\n", name, parent, user, system, start)
}

func TestStatOfANameWithParentheses(t *testing.T) {
	t.Parallel()
	p, ok := parseStat(stat("a) (b", 3, 100, 50, 9))
	if want := (process{name: "a) (b", parent: 3, started: 9, cpu: 1500 * time.Millisecond}); !ok || p != want {
		t.Errorf("got %+v, want %+v", p, want)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S", strings.Replace(stat("x", 1, 1, 1, 1), " 20 ", " y ", 1)[:20]} {
		if _, ok := parseStat(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

// What the worker and what it has started use, and what is of a run, is not foreign; neither
// is what a process used that had the same pid before.
func TestForeignProcessesAreThoseOfOthers(t *testing.T) {
	t.Parallel()
	r := tree(t, map[string]string{"proc/50/environ": "A=b\x00DOWNBEAT_RUN=01\x00", "proc/60/environ": "A=DOWNBEAT_RUN=\x00"})
	own := os.Getpid()
	at := time.Now()
	before := usage{at, map[int]process{30: {name: "cron", started: 1, cpu: time.Hour}, 60: {name: "old", started: 1, cpu: time.Hour}, 70: {name: "idle", started: 1}}}
	after := usage{at.Add(time.Second), map[int]process{
		own: {name: "worker", cpu: time.Second}, 20: {name: "child", parent: own, cpu: time.Second}, 21: {name: "grandchild", parent: 20, cpu: time.Second},
		30: {name: "cron", started: 1, cpu: time.Hour + 250*time.Millisecond}, 50: {name: "of another worker", parent: 1, cpu: time.Second},
		60: {name: "new", parent: 1, started: 2, cpu: 500 * time.Millisecond}, 70: {name: "idle", started: 1},
	}}
	var f facts.HostFacts
	r.foreign(&f, before, after)
	want := []facts.ForeignProcess{{Name: "new", PID: 60, CPU: 0.5}, {Name: "cron", PID: 30, CPU: 0.25}}
	if len(f.Foreign) != 2 || f.Foreign[0] != want[0] || f.Foreign[1] != want[1] || *f.ForeignCPU != 0.75 || f.MeasuredMS != 1000 {
		t.Errorf("got %+v, %v in %d ms", f.Foreign, f.ForeignCPU, f.MeasuredMS)
	}
}

// A process of somebody else's that is busy is found on this machine.
func TestABusyNeighbourIsSeen(t *testing.T) {
	t.Parallel()
	r := New()
	before := r.usage()
	if len(before.procs) == 0 {
		t.Skip("there is no /proc here")
	}
	busy := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done") // a child of this process, which r takes for the worker
	testkit.Check(t, busy.Start())
	t.Cleanup(func() { _ = busy.Process.Kill(); _ = busy.Wait() })
	testkit.WaitFor(t, "the process to use CPU", func() bool { return r.usage().procs[busy.Process.Pid].cpu >= 2*tick })
	after := r.usage()
	if !after.isOurs(busy.Process.Pid) || after.isOurs(1) && os.Getpid() != 1 {
		t.Error("a child is not known as one")
	}
}

func TestGatherIsQuickWhenHurried(t *testing.T) {
	t.Parallel()
	hurry := make(chan struct{})
	close(hurry)
	got := make(chan int)
	go func() {
		info := New().Gather(t.Context(), hurry, NewWork("", nil))
		got <- len(info.Programs)
	}()
	if n := <-got; n != 0 {
		t.Errorf("%d programs, want none", n)
	}
}
