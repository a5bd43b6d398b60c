package worker

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"downbeat/internal/runner"
)

// testRunner is the runner that all tests share: a program has one.
var testRunner *runner.Runner

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// suite has the runner closed before it is looked for what was left running.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	var err error
	if testRunner, err = runner.New(runner.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := s.m.Run()
	if err := testRunner.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
