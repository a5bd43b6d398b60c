//go:build soak && linux

// Package soak runs one long experiment over a RabbitMQ node of its own, breaks
// something every few datapoints, and in the end looks whether every datapoint is
// accounted for and whether anything has grown: `make soak`.
package soak

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"downbeat/internal/queue/queuetest/daemon"
)

var (
	datapoints = flag.Int("soak.datapoints", 300, "how many datapoints to run")
	seed       = flag.Uint64("soak.seed", 1, "what faults there are, and when")
	keep       = flag.String("soak.keep", "", "a new directory in which everything is kept; empty: nothing is")
)

// root is where the programs and all that they write are, and guard removes it,
// with every process, should this one be killed.
var (
	root  string
	guard *daemon.Guard
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var err error
	if *keep != "" {
		if root, err = filepath.Abs(*keep); err == nil {
			err = os.Mkdir(root, 0o700)
		}
		if err != nil {
			return fail(err)
		}
	} else {
		if root, err = os.MkdirTemp("", "downbeat-soak-"); err != nil {
			return fail(err)
		}
		defer func() { _ = os.RemoveAll(root) }()
		if guard, err = daemon.NewGuard(root); err != nil {
			return fail(err)
		}
		defer func() { _ = guard.Dismiss() }()
	}
	build := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(root, "bin")+"/", "../../cmd/publish", "../../cmd/worker")
	if out, err := build.CombinedOutput(); err != nil {
		return fail(fmt.Errorf("%w\n%s", err, out))
	}
	return m.Run()
}

// start starts a program in a process group of its own.
func start(cmd *exec.Cmd) (*daemon.Process, error) {
	p, err := daemon.Start(cmd)
	if err == nil && guard != nil {
		err = guard.Watch(p.PID())
	}
	return p, err
}
