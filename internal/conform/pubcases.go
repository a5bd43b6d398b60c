package conform

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"downbeat/internal/message"
)

// Hosts of cases, each with how wrong its clock is.
var (
	alone = map[string]time.Duration{"alpha": 0}
	both  = map[string]time.Duration{"alpha": 0, "bravo": 0}
)

// publisherCases are the cases for a publisher: with the real worker, and then with
// one that is played by hand.
func publisherCases() []Case {
	return slices.Concat(experimentCases(), courseCases(), scriptedCases())
}

// counted are the lines "1" to "100".
func counted() []string {
	var lines []string
	for i := range 100 {
		lines = append(lines, fmt.Sprint(i+1))
	}
	return lines
}

// chatty has four processes on two hosts print a hundred lines each.
var chatty = publication{
	hosts: both,
	file: `{"name": "chatty", "hosts": {
		"alpha": ["sh -c 'for i in $(seq 100); do echo $i; sleep 0.005; done'", "sh -c 'for i in $(seq 100); do echo $i; sleep 0.005; done'"],
		"bravo": ["sh -c 'for i in $(seq 100); do echo $i; sleep 0.005; done'", "sh -c 'seq 100; echo run >> DIR/once'"]}}`,
	lines: map[string][]string{"alpha/0": counted(), "alpha/1": counted(), "bravo/0": counted(), "bravo/1": counted()},
	check: func(s *stage) error {
		if data, err := os.ReadFile(s.path("once")); err != nil || string(data) != "run\n" {
			return s.failed(RuleCase, "a process was to be run once, and was so %q (%v)", data, err)
		}
		return nil
	},
}

// experimentCases are experiments that the real worker carries out.
func experimentCases() []Case {
	return []Case{
		{
			Name: "plain", Shows: "Two processes on each of two hosts are started together, their lines are printed with their tags, and the exit status is 0.",
			play: publication{
				hosts: both,
				file: `{"name": "plain", "hosts": {
					"alpha": ["echo one", "sh -c 'echo two; echo three; printf four; echo to stderr >&2'"], "bravo": ["true", "echo five"]}}`,
				lines: map[string][]string{"alpha/0": {"one"}, "alpha/1": {"two", "three", "four"}, "bravo/1": {"five"}},
				names: []string{"to stderr"},
			}.play,
		},
		{
			Name: "clocks", Shows: "The instant of the start is one, though the hosts' clocks are wrong by half a minute.",
			play: publication{
				hosts: map[string]time.Duration{"alpha": 30 * time.Second, "bravo": -20 * time.Second},
				file:  `{"name": "clocks", "hosts": {"alpha": ["echo a"], "bravo": ["echo b"]}}`,
				lines: map[string][]string{"alpha/0": {"a"}, "bravo/0": {"b"}},
			}.play,
		},
		{
			Name: "process-fails", Shows: "When a process fails, all others are stopped, and the exit status is 1.",
			play: publication{
				hosts: both, status: 1, stops: message.StopFailure,
				file: `{"name": "fails", "hosts": {"alpha": ["sh -c 'sleep 0.2; exit 3'"], "bravo": ["sleep 600"]}}`,
			}.play,
		},
		{
			Name: "host-refuses", Shows: "When a host refuses, no process is started anywhere, and the exit status is 1.",
			play: publication{
				hosts: both, status: 1, names: []string{"alpha"}, check: notStarted,
				file: `{"name": "refuses", "hosts": {"alpha": ["/nonexistent/program"], "bravo": ["touch DIR/started"]}}`,
			}.play,
		},
		{
			Name: "no-worker", Shows: "When a host has no worker, no process is started anywhere, the host is named, and the exit status is 3.",
			play: publication{
				hosts: alone, status: 3, names: []string{"bravo"}, check: notStarted,
				file: `{"name": "nobody", "hosts": {"alpha": ["touch DIR/started"], "bravo": ["true"]}}`,
			}.play,
		},
		{Name: "waits", Shows: "A host that is busy with an older run is waited for.", play: playWaits},
		{Name: "shuffled", Shows: "Events that come twice, late and out of order do no harm.", net: shuffled, play: chatty.play},
		{Name: "lossy", Shows: "With a tenth of all messages lost, all is there in the end, once.", net: lossy, play: chatty.play},
		{
			Name: "large", Shows: "10 MB of output are taken, and acknowledged as they come.",
			play: publication{
				hosts: alone,
				file:  `{"name": "large", "hosts": {"alpha": ["sh -c 'yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -n 150000'"]}}`,
				lines: map[string][]string{"alpha/0": repeated("0123456789012345678901234567890123456789012345678901234567890123456789", 150_000)},
			}.play,
		},
		{Name: "interrupted", Shows: "SIGINT stops the run everywhere, and then the exit status is 130.", play: playInterrupted},
		{
			Name: "collect", Shows: "Files that come home are taken, and acknowledged.",
			play: asksFor("files", func(j *message.Job) bool { return len(j.Collect) > 0 }, publication{
				hosts: alone,
				file:  `{"name": "collect", "hosts": {"alpha": ["sh -c 'echo home > result.txt; yes | head -c 600000 > large.txt'"]}, "collect": ["*.txt"]}`,
			}),
		},
	}
}

func repeated(line string, n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = line
	}
	return lines
}

// playWaits has an older run hold a host for a while.
func playWaits(s *stage) error {
	if err := s.startHost("alpha", 0); err != nil {
		return err
	}
	other, err := s.newHandPublisher()
	if err != nil {
		return err
	}
	elder, err := other.send(older(other.newJob(sleeps)), sealing{})
	if err == nil {
		err = other.startAll(elder)
	}
	if err != nil {
		return err
	}
	p := publication{
		file:  `{"name": "waits", "hosts": {"alpha": ["echo at last"]}}`,
		lines: map[string][]string{"alpha/0": {"at last"}},
	}
	if err := s.publish(p.file); err != nil {
		return err
	}
	if err := s.await("waiting", isEvent(message.Waiting)); err != nil {
		return err
	}
	if err := s.pause(500 * time.Millisecond); err != nil {
		return err
	}
	if err := other.stopNow(elder); err != nil {
		return err
	}
	return p.conclude(s)
}

// isEvent reports whether a message is an event of that kind.
func isEvent(k message.EventKind) func(*seen) bool {
	return func(m *seen) bool { return m.event != nil && m.event.Kind == k }
}

func playInterrupted(s *stage) error {
	for host := range both {
		if err := s.startHost(host, 0); err != nil {
			return err
		}
	}
	p := publication{status: 130, stops: message.StopAbort}
	if err := s.publish(`{"name": "interrupted", "hosts": {"alpha": ["sleep 600"], "bravo": ["sleep 600"]}}`); err != nil {
		return err
	}
	started := make(map[string]bool)
	err := s.await("started of both hosts", func(m *seen) bool {
		if isEvent(message.Started)(m) {
			started[m.event.Host] = true
		}
		return len(started) == 2
	})
	if err != nil {
		return err
	}
	s.mayEnd = true
	s.subject.signal(syscall.SIGINT)
	return p.conclude(s)
}

// asksFor plays an experiment, and is skipped where the publisher doesn't know how to have a job
// ask for that.
func asksFor(what string, asks func(*message.Job) bool, p publication) func(*stage) error {
	return func(s *stage) error {
		err := p.play(s)
		for _, m := range s.received() {
			if m.job != nil && asks(m.job) {
				return err
			}
		}
		if s.subject != nil && s.subject.status() == 2 || err == nil {
			return fmt.Errorf("%w: its job doesn't ask for %s", errSkip, what)
		}
		return err
	}
}

// uses reports whether a job uses a feature.
func uses(f message.Feature) func(*message.Job) bool {
	return func(j *message.Job) bool { return slices.Contains(j.Uses(), f) }
}
