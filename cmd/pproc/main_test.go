package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"downbeat/internal/runner"
)

// TestMain makes the test binary pproc, its guard, or a child, when it is
// started by one of their names.
func TestMain(m *testing.M) {
	if runner.GuardMain(os.Args) {
		return
	}
	testscript.Main(m, map[string]func(){"pproc": main, "child": child})
}

// child prints and sleeps at random, as often as its argument says, each line
// in two pieces.
func child() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	for i := range n {
		fmt.Printf("begin-%s-", os.Args[1])
		<-time.After(rand.N(3 * time.Millisecond))
		fmt.Printf("%d-end\n", i)
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"status": status},
	})
}

// status N COMMAND ARGS...: the command must exit with status N.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND ARGS...")
	}
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("got exit status %d, want %s", got, args[0])
	}
}
