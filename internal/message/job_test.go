package message

import (
	"errors"
	"fmt"
	"testing"
)

// A job has at most as many processes as a file may ask for, whoever has signed it.
func TestJobOfTooManyProcessesIsRefused(t *testing.T) {
	t.Parallel()
	j := testJob()
	j.Commands = nil
	for i := range MaxProcesses {
		j.Commands = append(j.Commands, Command{Phase: PhaseRun, Name: fmt.Sprint("p", i), Argv: []string{"true"}})
	}
	if err := j.Check(); err != nil {
		t.Errorf("a job of %d processes: %v", len(j.Commands), err)
	}
	j.Commands = append(j.Commands, Command{Phase: PhaseRun, Name: "last", Argv: []string{"true"}})
	if err := j.Check(); !errors.Is(err, ErrMalformed) {
		t.Errorf("a job of %d processes: error %v, want %v", len(j.Commands), err, ErrMalformed)
	}
}
