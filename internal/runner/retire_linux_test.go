package runner

import (
	"testing"
	"time"

	"downbeat/internal/testkit"
)

// A command may be started again as often as one likes: its former lives don't fill the process
// table, nor what the guard is told, unless something of them is left.
func TestFormerLivesThatHaveLeftNothingAreReaped(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"cgroup", "tree"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			options := ways[way]
			options.Guard = true
			tr := open(t, newRunner(t, options), role(t, "end"), shell(t,
				`[ -e once ] && exit; touch once; (trap "" TERM; exec env -i sh -c 'echo ready $$; exec sleep 1000') &`), role(t, "sleep"))
			tr.release(t)
			child := tr.awaitReady(t, 1, 1)[0]
			tr.await(t, "their ends", func() bool { return len(tr.ends) == 2 })
			for life := 1; life <= 2*keepLives; life++ {
				for i := range 2 {
					do(t, tr.Start(Action{Token: 2*life + i, Command: i}))
				}
				tr.await(t, "their ends", func() bool { return len(tr.ends[0]) == life+1 && len(tr.ends[1]) == life+1 })
			}
			tr.await(t, "the sleeper", func() bool { return len(tr.starts[2]) == 1 })
			first := [2]int{tr.starts[0][0].PID, tr.starts[1][0].PID}
			testkit.WaitFor(t, "most are reaped", func() bool {
				tr.Set.mu.Lock()
				defer tr.Set.mu.Unlock()
				tr.retireSome()
				return len(tr.procs) <= 3+keepLives
			})
			if d, ok := lookNow().proc(first[0]); ok && d.parent == selfPID {
				t.Errorf("the first life that left nothing is still there: %+v", d)
			}
			if d, ok := lookNow().proc(first[1]); !ok || !d.zombie {
				t.Error("the first life that left something was reaped: its group's id may be given away")
			}
			g := tr.runner.guard
			g.mu.Lock()
			if got := len(g.entries[tr.Set].Groups); got > 3+keepLives+1 {
				t.Errorf("the guard is told of %d groups", got)
			}
			g.mu.Unlock()
			tr.Stop(time.Now(), 0, 0)
			tr.end(t)
			gone(t, child)
		})
	}
}
