package runner

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"downbeat/internal/streams"
)

// programs are other roles of the test binary: programs that run sets.
var programs = map[string]func(args []string) int{"exclusive": exclusiveProgram, "killed": killedProgram, "starved": starvedProgram, "unended": unendedProgram}

// exclusiveProgram runs a set whose process leaves an orphan without mark, in a
// session of its own, and prints the pid of it and what children are left at the end.
func exclusiveProgram([]string) int {
	r, err := New(Options{Exclusive: true, NoCgroup: true})
	if err != nil {
		panic(err)
	}
	said := newGatherer()
	set, err := r.Prepare(context.Background(), Spec{
		Sink: said,
		Mark: []string{"RUNNER_TEST=exclusive"},
		Commands: []Command{{
			Argv: []string{"sh", "-c", `(env -i setsid sh -c 'trap "" TERM; echo orphan $$; exec sleep 1000' &); exec sleep 1000`},
			Env:  os.Environ(),
		}},
	})
	if err != nil {
		panic(err)
	}
	if err := set.Release(time.Now()); err != nil {
		panic(err)
	}
	said.wait(1)
	set.Stop(time.Now(), 0, 0)
	<-set.Done()
	self, _ := lookNow().proc(selfPID)
	fmt.Print(said.text(), "children ", lookNow().childrenOf(self), "\n")
	if err := r.Close(); err != nil {
		return 1
	}
	return 0
}

// killedProgram runs a set with all kinds of descendants, prints their pids and
// is killed. The arguments are a way, and "guard" if its guard is killed before, or
// "lives" if the command is killed and started again before.
func killedProgram(args []string) int {
	options := ways[args[0]]
	options.Guard = true
	r, err := New(options)
	if err != nil {
		panic(err)
	}
	early(r)
	said := newGatherer()
	set, err := r.Prepare(context.Background(), Spec{
		Sink: said,
		Open: true,
		Mark: []string{fmt.Sprintf("RUNNER_TEST=%d", os.Getpid())},
		Commands: []Command{{Argv: []string{"sleep", "1000"}, Env: os.Environ(), Beat: 1}, {Argv: []string{"true"}, Env: os.Environ()}, {
			Argv: []string{"sh", "-c", `
				echo $$
				(env -i sh -c 'echo $$; exec sleep 1000' &) # in the group, without mark
				(setsid sh -c 'echo $$; exec sleep 1000' &) # with mark, in a session of its own
				setsid sh -c 'env -i setsid sh -c "echo \$\$; exec sleep 1000" & wait' & # below one that has it
				wait`},
			Env: os.Environ(),
		}},
	})
	if err != nil {
		panic(err)
	}
	if err := set.Release(time.Now()); err != nil {
		panic(err)
	}
	said.wait(4)
	switch strings.Join(args[1:], "") {
	case "guard":
		loseGuard(r)
	case "lives":
		held := liveAgain(set)
		said.wait(8)
		fmt.Print(held)
	}
	fmt.Print(strings.ReplaceAll(said.text(), "\n", " "))
	syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // the test would notice
	select {}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// liveAgain kills the third command of a set and starts it again, has another life of the second one
// held, and returns the pids of what is held.
func liveAgain(set *Set) string {
	killed := set.slots[2].life.Load()
	must(set.Signal(Action{Command: 2}, syscall.SIGKILL))
	<-killed.over
	must(set.Start(Action{Command: 2}))
	must(set.Start(Action{Command: 1, At: time.Now().Add(forever)}))
	for {
		var pids []any
		set.mu.Lock()
		for _, p := range set.procs {
			if p.phase == phaseWaiting {
				pids = append(pids, p.pid)
			}
		}
		all := len(set.procs) == 5
		set.mu.Unlock()
		if all && len(pids) == 2 {
			return fmt.Sprintln(pids...)
		}
		<-time.After(time.Millisecond)
	}
}

// loseGuard kills the guard, and waits for the next one.
func loseGuard(r *Runner) {
	pid := func() int {
		r.guard.mu.Lock()
		defer r.guard.mu.Unlock()
		return r.guard.pid
	}
	first := pid()
	syscall.Kill(first, syscall.SIGKILL) //nolint:errcheck // the test would notice
	for pid() == first || pid() == 0 {
		<-time.After(time.Millisecond)
	}
}

// A gatherer is a sink that gathers lines.
type gatherer struct {
	nobody
	mu   sync.Mutex
	cond *sync.Cond
	said strings.Builder
}

func newGatherer() *gatherer {
	g := &gatherer{}
	g.cond = sync.NewCond(&g.mu)
	return g
}

func (g *gatherer) Output(_ int, _ streams.Stream, _ time.Time, data []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.said.Write(data)
	g.cond.Broadcast()
}

func (g *gatherer) text() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.said.String()
}

// wait waits for n lines.
func (g *gatherer) wait(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for strings.Count(g.said.String(), "\n") < n {
		g.cond.Wait()
	}
}

// tracer is a program that traces one of its own, as a debugger does.
func tracer() int {
	runtime.LockOSThread() // the thread is the tracer
	pid, err := syscall.ForkExec(os.Args[0], []string{os.Args[0], childPrefix + "deaf"}, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Ptrace: true, Setsid: true},
	})
	if err != nil {
		panic(err)
	}
	fmt.Printf("ready %d\n", pid)
	return stay()
}
