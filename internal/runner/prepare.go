package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"downbeat/internal/streams"

	"golang.org/x/sys/unix"
)

// Prepare checks and loads every command, and holds it before its first instruction. After an
// error nothing is left and nothing was executed; if commands are at fault, the error is a
// [*PrepareError] that names all of them.
func (r *Runner) Prepare(ctx context.Context, spec Spec) (*Set, error) {
	s := newSet(r, spec)
	if err := r.enter(s); err != nil {
		return nil, err
	}
	problems := s.lookUp()
	loaded, err := s.load(ctx)
	if err == nil {
		var more []Problem
		more, err = s.loadProblems(ctx, loaded)
		problems = append(problems, more...)
	}
	if err == nil && len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return a.Command - b.Command })
		err = &PrepareError{problems}
	}
	if err != nil {
		s.undo(loaded)
		return nil, err
	}
	r.guard.watch(s)
	go s.conduct()
	return s, nil
}

// enter adds the set to those that Close waits for.
func (r *Runner) enter(s *Set) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	r.sets[s] = true
	return nil
}

// lookUp finds the programs, and returns the problems.
func (s *Set) lookUp() []Problem {
	var problems []Problem
	for _, sl := range s.slots {
		path, err := lookUp(sl.command)
		if err == nil {
			sl.path = path
			sl.holds = s.runner.holds && !privileged(inDir(sl.command.Dir, path))
			if !sl.holds {
				err = checkFormat(inDir(sl.command.Dir, path))
			}
		}
		if err != nil {
			sl.path = ""
			problems = append(problems, Problem{sl.index, sl.command.Name, err})
		}
	}
	return problems
}

// load makes the outputs of the processes, and has those that are held started on the thread;
// the channel is closed when that is done.
func (s *Set) load(ctx context.Context) (<-chan struct{}, error) {
	loaded := make(chan struct{})
	s.cgroup = s.runner.newCgroup()
	for _, sl := range s.slots {
		if err := sl.makeOutputs(); err != nil {
			close(loaded)
			return loaded, fmt.Errorf("prepare %s: %w", sl.command.Name, err)
		}
	}
	go func() {
		defer close(loaded)
		for _, p := range s.procs {
			if !p.holds || p.path == "" {
				continue
			}
			started := make(chan struct{})
			if !s.runner.thread.do(ctx.Done(), func() {
				defer close(started)
				p.failure = s.runner.start(p, true)
			}) {
				return
			}
			<-started
		}
	}()
	return loaded, nil
}

// loadProblems waits for the load and returns the problems. The error is one that is not a
// command's fault.
func (s *Set) loadProblems(ctx context.Context, loaded <-chan struct{}) ([]Problem, error) {
	select {
	case <-loaded:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("prepare: %w", context.Cause(ctx))
	}
	var problems []Problem
	for _, p := range s.procs {
		switch {
		case p.failure == nil:
		case isCommands(p.failure):
			problems = append(problems, Problem{p.index, p.command.Name, p.explainFailure()})
		default:
			return nil, fmt.Errorf("start %q: %w", p.path, p.failure)
		}
	}
	return problems, nil
}

// explainFailure says why a program that had been found could not be loaded. It first looks for
// it again, because the program or its directory may be gone by now.
func (p *process) explainFailure() error {
	if _, err := lookUp(p.command); err != nil {
		return err
	}
	return explainStart(p.path, p.failure)
}

// isCommands reports whether an error of a start is the command's fault, and not due to this
// machine's limits.
func isCommands(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, errno) {
			return false
		}
	}
	return true
}

// makeOutputs makes the pipes of a command, or its terminal.
func (sl *slot) makeOutputs() error {
	if sl.command.Pty {
		return sl.makeTerminal()
	}
	for _, stream := range streams.Both() {
		o, err := newOutput(sl, stream)
		if err != nil {
			return err
		}
		sl.outputs[stream] = o
	}
	return nil
}

// undo takes back what Prepare has done, once loaded is closed. It does not wait for a start
// that hangs (a program on a file system that doesn't answer): that is undone when it is done.
func (s *Set) undo(loaded <-chan struct{}) {
	undone := make(chan struct{})
	go func() {
		defer close(undone)
		<-loaded
		for _, p := range s.procs {
			p.closeOutputs()
			p.undo()
		}
		s.closeCgroup()
		s.leave()
	}()
	select {
	case <-undone:
	case <-time.After(time.Second):
		s.runner.log.Error("a program can't be loaded; does its file system answer?")
	}
}

// undo ends a process that was held.
func (p *process) undo() {
	if p.pidFile != nil {
		p.pidFile.Close()
	}
	if p.pid == 0 {
		return
	}
	unix.Kill(p.pid, unix.SIGKILL) //nolint:errcheck // it exists until it is reaped
	reap(p.pid)
	p.set.runner.forget(p.pid)
}

// marked is env with the entries of mark, which replace those of the same name.
func marked(env, mark []string) []string {
	all := make([]string, 0, len(env)+len(mark))
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		if !slices.ContainsFunc(mark, func(m string) bool { return strings.HasPrefix(m, name+"=") }) {
			all = append(all, entry)
		}
	}
	return append(all, mark...)
}
