package worker

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"downbeat/internal/message"
)

func deskRun(since string) *run {
	return &run{job: &message.Job{Run: "run-" + since, Since: since}, mail: newMailbox()}
}

// last is the newest thing that the desk has told a run, or nil.
func last(r *run) any {
	items := r.mail.take()
	if len(items) == 0 {
		return nil
	}
	return items[len(items)-1]
}

func TestFirstRunGetsTheHostAndTheNextWaits(t *testing.T) {
	t.Parallel()
	var d desk
	a, b := deskRun("1"), deskRun("2")
	d.admit(a)
	d.admit(b)
	if got := last(a); got != (granted{}) {
		t.Errorf("the first was told %#v, want granted", got)
	}
	if got := last(b); got != (queued{behind: "run-1"}) {
		t.Errorf("the second was told %#v, want to be queued behind the first", got)
	}
	d.leave(a)
	if got := last(b); got != (granted{}) || d.busy() != b {
		t.Errorf("when the first left, the second was told %#v, want granted", got)
	}
}

func TestElderRunWoundsTheYounger(t *testing.T) {
	t.Parallel()
	var d desk
	young, old := deskRun("2"), deskRun("1")
	d.admit(young)
	d.admit(old)
	if got := last(young); got != (wounded{}) {
		t.Fatalf("the younger was told %#v, want wounded", got)
	}
	d.yield(young)
	if got := last(old); got != (granted{}) {
		t.Errorf("the elder was told %#v, want granted", got)
	}
	if got := last(young); got != (queued{behind: "run-1"}) {
		t.Errorf("the younger was told %#v, want to be queued behind the elder", got)
	}
}

func TestWoundedRunGetsTheHostBackWhenTheElderIsGone(t *testing.T) {
	t.Parallel()
	var d desk
	young, old := deskRun("2"), deskRun("1")
	d.admit(young)
	d.admit(old)
	d.leave(old)
	d.yield(young)
	if got := last(young); got != (granted{}) || d.busy() != young {
		t.Errorf("the younger was told %#v, want granted", got)
	}
}

// However runs come and go, one has the host as long as any is there, and who
// gets it is the eldest that waits.
func TestDeskNeverLosesTheHost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var d desk
		var present []*run
		t.Repeat(map[string]func(*rapid.T){
			"admit": func(t *rapid.T) {
				r := deskRun(rapid.StringMatching("[0-9]{3}").Draw(t, "since"))
				d.admit(r)
				present = append(present, r)
			},
			"leave": func(t *rapid.T) {
				if len(present) == 0 {
					t.Skip("nobody there")
				}
				i := rapid.IntRange(0, len(present)-1).Draw(t, "who")
				d.leave(present[i])
				present = slices.Delete(present, i, i+1)
			},
			"yield": func(t *rapid.T) {
				if d.busy() == nil {
					t.Skip("nobody has the host")
				}
				d.yield(d.busy())
				for _, r := range present {
					if r.job.Since < d.busy().job.Since {
						t.Fatalf("%s got the host before %s", d.busy().job.Since, r.job.Since)
					}
				}
			},
			"": func(t *rapid.T) {
				if (d.busy() == nil) != (len(present) == 0) {
					t.Fatalf("%d runs are there, and the host is free: %t", len(present), d.busy() == nil)
				}
				if want := max(len(present)-1, 0); len(d.waiting) != want {
					t.Fatalf("%d runs wait, want %d", len(d.waiting), want)
				}
			},
		})
	})
}
