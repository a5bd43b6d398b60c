package sim

import (
	"slices"
	"testing"
	"time"
)

// Only those parts of a plan stay that the violation needs.
func TestShrinkKeepsWhatMatters(t *testing.T) {
	t.Parallel()
	hasCancel := func(p *Plan) bool {
		return slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind == Cancelled })
	}
	var plan *Plan
	for seed := uint64(1); plan == nil; seed++ {
		p := Generate(seed, Usual)
		if hasCancel(p) && len(p.Hosts) > 2 && len(p.Faults) > 2 && len(p.Publishers) > 1 {
			plan = p
		}
	}
	small := shrink(plan, 5000, func(p *Plan) []string {
		if hasCancel(p) && len(p.Hosts) > 1 {
			return []string{"a promise: is broken"}
		}
		return []string{"another: is, always"}
	})
	if len(small.Hosts) != 2 || len(small.Faults) != 1 || len(small.Publishers) != 1 || len(small.Publishers[0].Runs) != 1 || small.Network.Delay != time.Millisecond {
		t.Errorf("what is left is\n%s", small)
	}
	run := &small.Publishers[0].Runs[0]
	for i := range run.Parts {
		if len(run.Parts[i].Commands) != 1 || run.Parts[i].Commands[0].Phase != "run" {
			t.Errorf("part %d has %d commands, want one process", i, len(run.Parts[i].Commands))
		}
	}
}
