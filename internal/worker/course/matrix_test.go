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

// What every input does in every state is written down in testdata/matrix.txt, for
// people to read: an input that is not listed for a state does nothing there.
func TestEveryInputInEveryState(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, kind := range []struct {
		name   string
		change []func(*message.Job)
	}{
		{"a run of processes alone", nil},
		{"a run with setup and teardown, shipped files, and files to collect", []func(*message.Job){steps, collecting, shipping}},
	} {
		fmt.Fprintf(&b, "# %s\n", kind.name)
		for state := Waiting; state <= Over; state++ {
			if kind.change == nil && (state == SettingUp || state == TearingDown || state == Collecting) {
				continue // it does not go there
			}
			fmt.Fprintf(&b, "\n%s\n", state)
			for _, try := range inputs() {
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
