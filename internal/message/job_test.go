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
	j.Processes = nil
	for i := range MaxProcesses {
		j.Processes = append(j.Processes, Process{Name: fmt.Sprint("p", i), Argv: []string{"true"}})
	}
	if err := j.Check(); err != nil {
		t.Errorf("a job of %d processes: %v", len(j.Processes), err)
	}
	j.Processes = append(j.Processes, Process{Name: "last", Argv: []string{"true"}})
	if err := j.Check(); !errors.Is(err, ErrMalformed) {
		t.Errorf("a job of %d processes: error %v, want %v", len(j.Processes), err, ErrMalformed)
	}
}
