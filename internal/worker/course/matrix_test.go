package course

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
)

var update = flag.Bool("update", false, "write testdata anew")

// testdata/matrix.txt says what every input does in every state, for people to read: an
// input that is not listed for a state does nothing there.
func TestEveryInputInEveryState(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, kind := range []kindOfJob{
		{"a run of processes alone", nil},
		{"a run with setup and teardown, shipped files, and files to collect", []func(*message.Job){steps, collecting, shipping}},
		{"a run in time: of two beats, with readiness, restarts, actions, and what processes ask", []func(*message.Job){eventful}},
	} {
		fmt.Fprintf(&b, "# %s\n", kind.name)
		for state := Waiting; state <= Over; state++ {
			if !kind.steps() && (state == SettingUp || state == TearingDown || state == Collecting) {
				continue // it does not go there
			}
			fmt.Fprintf(&b, "\n%s\n", state)
			for _, try := range kind.inputs() {
				s := newSite(t, kind.change...)
				s.reach(state)
				before := s.run.State()
				try.feed(s)
				if after := s.run.State(); after != before || len(s.did) > 0 {
					moved := ""
					if after != before {
						moved = " → " + after.String()
					}
					fmt.Fprintf(&b, "\t%s%s: %s\n", try.name, moved, strings.Join(s.did, ", "))
				}
			}
		}
		b.WriteString("\n")
	}
	path := filepath.Join("testdata", "matrix.txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil { // as the others
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(wanted)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(wanted) {
			w = wanted[i]
		}
		if g != w {
			t.Fatalf("%s, line %d (go test -update writes it):\n got %s\nwant %s", path, i+1, g, w)
		}
	}
}

// A kindOfJob is one that the matrix is written for.
type kindOfJob struct {
	name   string
	change []func(*message.Job)
}

func (k *kindOfJob) steps() bool { return job(k.change...).Has(message.PhaseSetup) }

func (k *kindOfJob) inputs() []attempt {
	if isInTime(job(k.change...)) {
		return append(inputs(), inputsInTime()...)
	}
	return inputs()
}

// eventful gives a job what happens in time: p.0 begins, p.1 is on the second beat.
func eventful(j *message.Job) {
	onBeat(1, 1)(j)
	readyBy(0, message.Readiness{Port: 80, WithinMS: 60_000})(j)
	restarting(0, message.RestartOnFailure, 1, 100*time.Millisecond)(j)
	acting(
		message.Action{Number: 0, Do: message.ActSignal, Signal: "KILL", AfterMS: 60_000, Commands: []int{0}},
		message.Action{Number: 1, Do: message.ActPause, ForMS: 1000, Called: true},
	)(j)
	j.Watches = []message.Watch{{Action: 1, Line: "x", Commands: []int{0}, Most: 1}}
	j.Sync = true
}

// inputsInTime are those that a plain job never sees.
func inputsInTime() []attempt {
	ifBegun := func(name string, feed func(*site)) attempt {
		return attempt{name, func(s *site) {
			if s.run.State() >= Armed && s.run.State() <= Stopping {
				s.in(s.life(0, 0)).skip()
				feed(s)
			}
		}}
	}
	return []attempt{
		{"start of beat 1", func(s *site) { s.tell(start(1, time.Minute)) }},
		{"stop from beat 1", func(s *site) { s.tell(message.Control{Kind: message.Stop, Cause: message.StopRule, FromBeat: 1}) }},
		{"term sent from beat 1", func(s *site) {
			s.tell(message.Control{Kind: message.Stop, Cause: message.StopRule, FromBeat: 1}).skip().in(TermSent{At: s.now, FromBeat: 1})
		}},
		{"act", func(s *site) { s.tell(message.Control{Kind: message.Act, Action: 1, At: s.now, Commands: []int{0}}) }},
		{"answer", func(s *site) { s.in(s.asked(1, time.Minute)).skip().answer(message.Answer{ID: 1}) }},
		{"Asked", func(s *site) { s.in(s.asked(1, time.Minute)) }},
		ifBegun("process begins", func(s *site) { s.in(s.life(0, 1)) }),
		ifBegun("process is ready", func(s *site) { s.in(Probed{At: s.now}) }),
		ifBegun("process fails", func(s *site) { s.in(s.end(0, 0, 1)) }),
		ifBegun("process fails, and its wait is over", func(s *site) { s.in(s.end(0, 0, 1)).skip().pass(100 * time.Millisecond) }),
		ifBegun("action is done", func(s *site) { s.in(Acted{Token: 1, At: s.now}) }),
		ifBegun("line is seen", func(s *site) { s.in(Seen{At: s.now}) }),
	}
}

// An attempt is something that may happen in any state.
type attempt struct {
	name string
	feed func(*site)
}

func inputs() []attempt {
	all := []attempt{
		{"keepalive", func(s *site) { s.ask(message.Keepalive) }},
		{"commit", func(s *site) { s.ask(message.Commit) }},
		{"uncommit", func(s *site) { s.ask(message.Uncommit) }},
		{"start", func(s *site) { s.tell(message.Control{Kind: message.Start, At: s.now.Add(time.Second)}) }},
		{"stop", func(s *site) { s.stop() }},
		{"stop for silence", func(s *site) { s.tell(message.Control{Kind: message.Stop, Cause: message.StopLease}) }},
		{"lease", func(s *site) { s.now = s.now.Add(testLease); s.take(s.run.Step(s.now, nil)) }},
		{"command ends", func(s *site) {
			if s.run.State() == SettingUp || s.run.State() == TearingDown {
				s.in(s.ended(s.run.sequence.running, 0))
			}
		}},
		{"command fails", func(s *site) {
			if s.run.State() == SettingUp || s.run.State() == TearingDown {
				s.in(s.ended(s.run.sequence.running, 1))
			}
		}},
		{"prepared", func(s *site) {
			if s.run.task == preparing {
				s.in(Prepared{Hold: "ptrace"})
			}
		}},
		{"not prepared", func(s *site) {
			if s.run.task == preparing {
				s.in(Prepared{Err: "no such file"})
			}
		}},
		{"dir not made", func(s *site) {
			if s.run.task == makingDir {
				s.in(DirMade{Err: "no space"})
			}
		}},
		{"process exits", func(s *site) {
			if s.run.State() >= Armed && s.run.State() <= Stopping {
				s.in(s.exit(0))
			}
		}},
		{"all ended", func(s *site) {
			if s.run.State() >= Armed && s.run.State() <= Stopping {
				s.in(setDone())
			}
		}},
	}
	for _, in := range []Input{
		Granted{},
		Wounded{},
		Queued{Behind: "01OTHER"},
		Released{},
		Cleared{},
		TermSent{At: epoch},
		AllAcked{},
		PublisherGone{},
		LogFailed{"no space"},
		LogUnreadable{"damaged"},
		LastFailed{"no space"},
		Leaving{},
		Noted{"odd"},
	} {
		name := strings.TrimPrefix(fmt.Sprintf("%T", in), "course.")
		all = append(all, attempt{name, func(s *site) { s.in(in) }})
	}
	return all
}
