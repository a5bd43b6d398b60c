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

// What a process is looked at by is told as a shell would read it.
func TestReadinessReadsAsItIsTyped(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]Readiness{
		"status 0 from `pg_isready -q`":               {Run: []string{"pg_isready", "-q"}},
		"status 0 from `sh -c 'test -e \"my file\"'`": {Run: []string{"sh", "-c", `test -e "my file"`}},
		`status 0 from ` + "`echo '' 'it'\\''s'`":     {Run: []string{"echo", "", "it's"}},
		"status 204 from http://a/":                   {HTTP: "http://a/", Status: 204},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
