package conform

import (
	"os"
	"strings"

	"downbeat/internal/message"
)

// courseCases are experiments in which something comes after something else.
func courseCases() []Case {
	beats := asksFor("beats", uses(message.FeatureBeats), publication{
		hosts: both, check: ranInOrder("first", "first", "second", "second"),
		file: `{"name": "beats", "hosts": {"alpha": {}, "bravo": {}}, "groups": {
			"first": {"on": ["alpha", "bravo"], "run": "sh -c 'sleep 0.2; echo first >> DIR/steps'"},
			"second": {"on": ["alpha", "bravo"], "after": "first.ended", "run": "sh -c 'echo second >> DIR/steps; echo here'"}}}`,
		lines: map[string][]string{"alpha/second.0": {"here"}, "bravo/second.1": {"here"}},
	})
	return []Case{
		{Name: "beats", Shows: "A beat is started at one instant on all hosts, once all that it waits for has ended everywhere.", play: beats},
		{Name: "beats-lossy", Shows: "So it is where a tenth of all messages is lost.", net: lossy, play: beats},
		{
			Name: "ready", Shows: "What waits for a process is started once that is ready.",
			play: asksFor("readiness", uses(message.FeatureReady), publication{
				hosts: both, check: ranInOrder("serving", "client"),
				file: `{"name": "ready", "hosts": {"alpha": {}, "bravo": {}}, "stop": {"when": "client"}, "groups": {
					"server": {"on": ["alpha"], "ready": {"file": "up"}, "run": "sh -c 'sleep 0.2; echo serving >> DIR/steps; touch up; exec sleep 600'"},
					"client": {"on": ["bravo"], "after": "server", "run": "sh -c 'echo client >> DIR/steps'"}}}`,
			}),
		},
		{
			Name: "not-ready", Shows: "When a process is not ready in time, it is named, what waits for it is not started, and the exit status is 1.",
			play: asksFor("readiness", uses(message.FeatureReady), publication{
				hosts: both, status: 1, names: []string{"server.0"}, stops: message.StopFailure, check: notStarted,
				file: `{"name": "unready", "hosts": {"alpha": {}, "bravo": {}}, "groups": {
					"server": {"on": ["alpha"], "ready": {"file": "up", "within": "400ms"}, "run": "sleep 600"},
					"client": {"on": ["bravo"], "after": "server", "run": "touch DIR/started"}}}`,
			}),
		},
		{
			Name: "restart", Shows: "A process that begins anew has not failed, as long as it may.",
			play: asksFor("restarts", uses(message.FeatureRestart), publication{
				hosts: alone, lines: map[string][]string{"alpha/p.0": {"life", "life", "life"}},
				file: `{"name": "restart", "hosts": {"alpha": {}}, "groups": {"p": {"on": ["alpha"], "restart": {"on": "failure", "at_most": 4, "wait": "50ms"},
					"run": "sh -c 'echo life; echo life >> DIR/lives; test $(grep -c . DIR/lives) = 3'"}}}`,
			}),
		},
		{
			Name: "action", Shows: "What an action ends has not failed.",
			play: asksFor("actions", uses(message.FeatureActions), publication{
				hosts: both,
				file: `{"name": "action", "hosts": {"alpha": {}, "bravo": {}}, "groups": {"p": {"on": ["alpha", "bravo"], "run": "sleep 600"}},
					"at": [{"t": "300ms", "signal": "KILL", "to": "p"}]}`,
			}),
		},
		{
			Name: "action-line", Shows: "An action after a line is carried out on another host, once.", net: lossy,
			play: asksFor("actions", uses(message.FeatureActions), publication{
				hosts: both, lines: map[string][]string{"alpha/p.0": {"now"}}, check: ranInOrder("told"),
				file: `{"name": "line", "hosts": {"alpha": {}, "bravo": {}}, "timeout": "60s", "stop": {"when": "q"}, "groups": {
					"p": {"on": ["alpha"], "run": "sh -c 'echo now; exec sleep 600'"},
					"q": {"on": ["bravo"], "run": "sh -c 'trap \"echo told >> DIR/steps; exit 0\" USR1; while :; do sleep 0.05; done'"}},
					"at": [{"line": "^now$", "of": "p", "t": "500ms", "signal": "USR1", "to": "q"}]}`,
			}),
		},
		{
			Name: "action-undone", Shows: "When an action can't be carried out, the exit status is 1.",
			play: asksFor("actions", uses(message.FeatureActions), publication{
				hosts: alone, status: 1, names: []string{"p.0"},
				file: `{"name": "undone", "hosts": {"alpha": {}}, "groups": {"p": {"on": ["alpha"], "run": "true"}, "q": {"on": ["alpha"], "run": "sleep 3"}},
					"at": [{"t": "1500ms", "signal": "USR1", "to": "p"}]}`,
			}),
		},
		{
			Name: "asked", Shows: "Processes on two hosts meet at a barrier.",
			play: asksFor("a socket on which processes meet", func(j *message.Job) bool { return j.Sync }, publication{
				hosts: both, lines: map[string][]string{"alpha/p.0": {"met"}, "bravo/p.1": {"met"}},
				file: `{"name": "asked", "hosts": {"alpha": {}, "bravo": {}}, "groups": {"p": {"on": ["alpha", "bravo"],
					"run": "sh -c 'command -v curl >/dev/null || { echo met; exit 0; }; curl -sSf --unix-socket \"$DOWNBEAT_SYNC\" -X POST \"http://worker/barrier/b?count=2&within=60s\" && echo met'"}}}`,
			}),
		},
	}
}

// ranInOrder compares what processes have appended to a file, one after the other.
func ranInOrder(want ...string) func(*stage) error {
	return func(s *stage) error {
		data, err := os.ReadFile(s.path("steps"))
		if got := strings.Fields(string(data)); err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
			return s.failed(RuleCase, "what was run is %q (%v), and should be %q", got, err, want)
		}
		return nil
	}
}
