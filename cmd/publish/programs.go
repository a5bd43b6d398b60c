package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"downbeat/internal/metric"
	"downbeat/internal/program"
	"downbeat/internal/runner"
	"downbeat/internal/secrecy"
)

// Everything that publish runs on this machine is run by one runner: the processes of embedded
// workers, and the programs that judge runs. Two would take each other's children for orphans.

// A localRunner is made when it is needed first.
type localRunner struct {
	mu     sync.Mutex
	runner *runner.Runner
}

// startRunner returns the runner. While it is there, nothing else may start children.
func (a *app) startRunner(ctx context.Context) (*runner.Runner, error) {
	a.runs.mu.Lock()
	defer a.runs.mu.Unlock()
	if a.runs.runner != nil {
		return a.runs.runner, nil
	}
	r, err := runner.New(runner.Options{Log: a.inner(ctx), Exclusive: true, Guard: true})
	if err != nil {
		return nil, fmt.Errorf("start the runner: %w", err)
	}
	a.runs.runner = r
	return r, nil
}

// closeRunner ends whatever the runner still runs, and the runner.
func (a *app) closeRunner() error {
	a.runs.mu.Lock()
	defer a.runs.mu.Unlock()
	r := a.runs.runner
	if a.runs.runner = nil; r == nil {
		return nil
	}
	return r.Close()
}

// inner is the log for what runs within this program, all of which the publisher reports.
func (a *app) inner(ctx context.Context) *slog.Logger {
	if a.log.Enabled(ctx, slog.LevelInfo) {
		return a.log
	}
	return slog.New(slog.DiscardHandler)
}

// programs say how programs are run that judge runs. They see nothing of what publish knows.
func (a *app) programs() *metric.Programs {
	return &metric.Programs{
		Environ: secrecy.Environ(os.Environ(), a.flags.PassEnv),
		Run: func(ctx context.Context, c program.Command) program.Result {
			r, err := a.startRunner(ctx)
			if err != nil {
				return program.Result{Err: fmt.Errorf("can't be run: %w", err), Undecided: true}
			}
			return program.Run(ctx, r, c)
		},
	}
}
