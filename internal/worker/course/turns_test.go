package course

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// told gives notices in short.
func told(notices []Notice) string {
	var all []string
	for _, n := range notices {
		all = append(all, strings.TrimPrefix(fmt.Sprintf("%s %T%v", n.Run, n.Input, n.Input), "course."))
	}
	return strings.ReplaceAll(strings.Join(all, ", "), "course.", "")
}

func TestTurns(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string][]struct {
		do   func(*Turns) []Notice
		want string
	}{
		"the first gets the host, the next waits": {
			{func(t *Turns) []Notice { return t.Admit("a", "1") }, "a Granted{}"},
			{func(t *Turns) []Notice { return t.Admit("b", "2") }, "b Queued{a}"},
			{func(t *Turns) []Notice { return t.Leave("a") }, "b Granted{}"},
			{func(t *Turns) []Notice { return t.Leave("b") }, ""},
		},
		"an older one wounds a younger one": {
			{func(t *Turns) []Notice { return t.Admit("young", "2") }, "young Granted{}"},
			{func(t *Turns) []Notice { return t.Admit("old", "1") }, "old Queued{young}, young Wounded{}"},
			{func(t *Turns) []Notice { return t.Yield("young") }, "old Granted{}, young Queued{old}"},
			{func(t *Turns) []Notice { return t.Yield("young") }, ""}, // it has not got the host
			{func(t *Turns) []Notice { return t.Leave("old") }, "young Granted{}"},
		},
		"a wounded one keeps the host when the older has gone": {
			{func(t *Turns) []Notice { return t.Admit("young", "2") }, "young Granted{}"},
			{func(t *Turns) []Notice { return t.Admit("old", "1") }, "old Queued{young}, young Wounded{}"},
			{func(t *Turns) []Notice { return t.Leave("old") }, ""},
			{func(t *Turns) []Notice { return t.Yield("young") }, "young Granted{}"},
		},
		"the oldest goes first, and of two that are as old the first": {
			{func(t *Turns) []Notice { return t.Admit("a", "5") }, "a Granted{}"},
			{func(t *Turns) []Notice { return t.Admit("b", "7") }, "b Queued{a}"},
			{func(t *Turns) []Notice { return t.Admit("c", "6") }, "c Queued{a}"},
			{func(t *Turns) []Notice { return t.Admit("d", "6") }, "d Queued{a}"},
			{func(t *Turns) []Notice { return t.Admit("e", "5") }, "e Queued{a}"}, // as old: no wound
			{func(t *Turns) []Notice { return t.Leave("a") }, "e Granted{}"},
			{func(t *Turns) []Notice { return t.Leave("e") }, "c Granted{}"},
			{func(t *Turns) []Notice { return t.Leave("c") }, "d Granted{}"},
			{func(t *Turns) []Notice { return t.Leave("d") }, "b Granted{}"},
		},
		"to leave twice changes nothing": {
			{func(t *Turns) []Notice { return t.Admit("a", "1") }, "a Granted{}"},
			{func(t *Turns) []Notice { return t.Admit("b", "2") }, "b Queued{a}"},
			{func(t *Turns) []Notice { return t.Leave("a") }, "b Granted{}"},
			{func(t *Turns) []Notice { return t.Leave("a") }, ""},
			{func(t *Turns) []Notice { return t.Leave("nobody") }, ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var turns Turns
			for i, step := range steps {
				if got := told(step.do(&turns)); got != step.want {
					t.Fatalf("step %d told %q, want %q", i+1, got, step.want)
				}
			}
		})
	}
}

// However runs come and go, one has the host as long as any is there, and the one who
// gets it is the oldest that waits.
func TestTurnsNeverLoseTheHost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var turns Turns
		since := map[string]string{}
		var present []string
		granted := ""
		note := func(notices []Notice) {
			for _, n := range notices {
				if _, ok := n.Input.(Granted); ok {
					granted = n.Run
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"admit": func(t *rapid.T) {
				run := fmt.Sprint("run", len(since))
				since[run] = rapid.StringMatching("[0-9]{3}").Draw(t, "since")
				present = append(present, run)
				note(turns.Admit(run, since[run]))
			},
			"leave": func(t *rapid.T) {
				if len(present) == 0 {
					t.Skip("none is there")
				}
				i := rapid.IntRange(0, len(present)-1).Draw(t, "which")
				if granted == present[i] {
					granted = ""
				}
				note(turns.Leave(present[i]))
				present = slices.Delete(present, i, i+1)
			},
			"yield": func(t *rapid.T) {
				if turns.Active() == "" {
					t.Skip("none has the host")
				}
				note(turns.Yield(turns.Active()))
				for _, run := range present {
					if since[run] < since[turns.Active()] {
						t.Fatalf("%s got the host before %s", since[turns.Active()], since[run])
					}
				}
			},
			"": func(t *rapid.T) {
				if granted != turns.Active() || (granted == "") != (len(present) == 0) {
					t.Fatalf("%d runs are there, %q was given the host, and %q has it", len(present), granted, turns.Active())
				}
				if want := max(len(present)-1, 0); len(turns.waiting) != want {
					t.Fatalf("%d runs wait, want %d", len(turns.waiting), want)
				}
			},
		})
	})
}
