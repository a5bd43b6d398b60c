package report

import (
	"slices"
	"testing"
	"time"

	"downbeat/internal/results"
)

// The timeline has a line for each release after the first, each mark and each action that
// was carried out, in their order, and all lives of a process.
func TestTimelineHasTheCourseOfARun(t *testing.T) {
	t.Parallel()
	base := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return base.Add(time.Duration(seconds) * time.Second) }
	d := newDetail(results.Record{
		ReleasedAt: base, EndedAt: at(30),
		Beats:   []results.BeatRecord{{ReleasedAt: base}, {Beat: 1, Groups: []string{"load", "client"}, ReleasedAt: at(5), ClockErrorUS: 9}, {Beat: 2}},
		Marks:   []results.MarkRecord{{Mark: "loaded", Host: "alpha", Process: "load.0", At: at(9)}, {Mark: "seen", Host: "alpha", At: at(8)}},
		Actions: []results.ActionRecord{{Action: 1, Text: "signal KILL to a.0", Host: "alpha", Target: "a.0", At: at(2)}, {Action: 2, Reason: "the run ended before"}},
		Processes: []results.ProcessRecord{{Host: "alpha", Process: "a.0", ReadyAt: at(1), Lives: []results.LifeRecord{
			{StartedAt: base, EndedAt: at(2), Outcome: "stopped"}, {Life: 1, StartedAt: at(3), Outcome: "lost"},
		}}},
	})
	var got []string
	for _, m := range d.Moments {
		got = append(got, time.Duration(m.At*1000).String()+" "+m.Kind+": "+m.Text)
	}
	if want := []string{
		"2s action: action 1: signal KILL to a.0, on alpha/a.0", "5s beat: beat 1: load, client",
		"8s mark: mark seen by a process on alpha", "9s mark: mark loaded by alpha/load.0",
	}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	p := d.Processes[0]
	if p.Ready == nil || *p.Ready != 1e6 || len(p.Lives) != 2 || *p.Lives[0].End != 2e6 || p.Lives[1].End != nil || p.Lives[1].Outcome != "lost" {
		t.Errorf("%+v", p)
	}
}
