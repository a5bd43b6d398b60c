package message

import (
	"strings"
	"testing"
)

// The phases may be mixed in a job, and a command keeps its number.
func TestCommandsOfAPhaseKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	j := Job{Commands: []Command{{Name: "down", Phase: PhaseTeardown}, {Name: "a", Phase: PhaseRun}, {Name: "up", Phase: PhaseSetup}, {Name: "b", Phase: PhaseRun}}}
	var got []string
	for n, c := range j.In(PhaseRun) {
		if c != &j.Commands[n] {
			t.Errorf("command %d is %s", n, c.Name)
		}
		got = append(got, c.Name)
	}
	if strings.Join(got, " ") != "a b" || j.Count(PhaseRun) != 2 || !j.Has(PhaseSetup) || j.Has("action") || j.Count("action") != 0 {
		t.Errorf("the processes are %v, %d", got, j.Count(PhaseRun))
	}
}
