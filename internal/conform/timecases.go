package conform

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// timeCases are runs in which something comes after something else: beats, readiness, lives,
// actions, and what processes ask of each other.
func timeCases() []Case {
	return slices.Concat(beatCases(), readyCases(), lifeCases(), stopCases(), actionCases(), askedCases())
}

// beatCases are about what begins when, and ends when.
func beatCases() []Case {
	beats := message.FeatureBeats
	return []Case{
		{
			Name: "beats", Shows: "Processes of a later beat are held until its instant has come, and those of the first have ended.",
			Needs: []message.Feature{beats},
			play:  datapoint{outcome: outcome.RunSucceeded, check: checkLines("DIR/steps", "first", "second", "third"), file: threeBeats}.play,
		},
		{
			Name: "beats-lossy", Shows: "So they are where a tenth of all messages is lost.", net: lossy,
			Needs: []message.Feature{beats},
			play:  datapoint{outcome: outcome.RunSucceeded, check: checkLines("DIR/steps", "first", "second", "third"), file: threeBeats}.play,
		},
		{
			Name: "beat-missing", Shows: "A program of a later beat that is not there has the host refuse, and nothing is started.",
			Needs: []message.Feature{beats},
			play: datapoint{outcome: outcome.RunRefused, check: checkRefused("second.0", "DIR/started"), file: `
hosts: {HOST: {}}
groups:
  first: {on: [HOST], run: "touch DIR/started"}
  second: {on: [HOST], after: first.ended, run: /nonexistent/program}
`}.play,
		},
	}
}

// readyCases are about when a process can be used.
func readyCases() []Case {
	beats, ready := message.FeatureBeats, message.FeatureReady
	return []Case{
		{
			Name: "ready-line", Shows: "A process is ready once it has written the line that is waited for, and not before.",
			Needs: []message.Feature{beats, ready},
			play:  datapoint{outcome: outcome.RunSucceeded, check: checkReady, file: serving(`{line: "^up$"}`, "echo upwards; sleep 0.2; echo serving >> DIR/steps; echo up")}.play,
		},
		{
			Name: "ready-file", Shows: "A process is ready once the file is there.",
			Needs: []message.Feature{beats, ready},
			play:  datapoint{outcome: outcome.RunSucceeded, check: checkReady, file: serving("{file: up}", "sleep 0.2; echo serving >> DIR/steps; touch up")}.play,
		},
		{
			Name: "ready-run", Shows: "A process is ready once the command has status 0, which runs where the process does.",
			Needs: []message.Feature{beats, ready},
			play:  datapoint{outcome: outcome.RunSucceeded, check: checkReady, file: serving("{run: [test, -e, up], every: 50ms}", "sleep 0.2; echo serving >> DIR/steps; touch up")}.play,
		},
		{
			Name: "not-ready", Shows: "A process that is not ready in time is told so, and what waits for it is not started.",
			Needs: []message.Feature{beats, ready},
			play:  datapoint{outcome: outcome.RunFailed, check: checkLines("DIR/steps", ""), file: serving("{file: up, within: 400ms}", "true")}.play,
		},
		{
			Name: "ended-unready", Shows: "So is one that ends before it is ready.",
			Needs: []message.Feature{beats, ready},
			play:  datapoint{outcome: outcome.RunFailed, check: checkLines("DIR/steps", ""), file: serving("{file: up}", "exit 0")}.play,
		},
	}
}

// lifeCases are about processes that begin anew.
func lifeCases() []Case {
	return []Case{
		{
			Name: "restart", Shows: "A process that fails begins anew as its policy says, and each of its lives is told.",
			Needs: []message.Feature{message.FeatureRestart},
			play: datapoint{outcome: outcome.RunSucceeded, check: lived(3), file: `
hosts: {HOST: {}}
groups: {p: {on: [HOST], run: "echo life >> DIR/lives; test $(grep -c . DIR/lives) = 3", shell: true, restart: {on: failure, at_most: 5, wait: 50ms}}}
`}.play,
		},
		{
			Name: "restart-at-most", Shows: "It does so as often as it may, and then it has failed.",
			Needs: []message.Feature{message.FeatureRestart},
			play: datapoint{outcome: outcome.RunFailed, check: lived(3), file: `
hosts: {HOST: {}}
groups: {p: {on: [HOST], run: "echo life >> DIR/lives; exit 3", shell: true, restart: {on: failure, at_most: 2, wait: 50ms}}}
`}.play,
		},
	}
}

// stopCases are about how processes are stopped.
func stopCases() []Case {
	return []Case{
		{
			Name: "stop-signal", Shows: "A command has a signal of its own with which it is asked to end, and a grace of its own.",
			Needs: []message.Feature{message.FeatureStops},
			play: datapoint{outcome: outcome.RunSucceeded, check: checkLines("DIR/steps", "INT"), file: `
hosts: {HOST: {}}
groups:
  p: {on: [HOST], shell: true, stop: {signal: INT, grace: 20s}, run: "trap 'sleep 0.5; echo INT >> DIR/steps; exit 0' INT; trap 'echo TERM >> DIR/steps' TERM; while :; do sleep 0.05; done"}
stop: {after: 500ms, grace: 100ms}
`}.play,
		},
		{
			Name: "stop-order", Shows: "Where the last beat is stopped first, the first one goes on until that is over.",
			Needs: []message.Feature{message.FeatureBeats},
			play: datapoint{outcome: outcome.RunSucceeded, check: checkLines("DIR/steps", "second", "first"), file: `
hosts: {HOST: {}}
groups:
  first: {on: [HOST], shell: true, run: "trap 'echo first >> DIR/steps; exit 0' TERM; while :; do sleep 0.05; done"}
  second: {on: [HOST], after: first, shell: true, run: "trap 'sleep 0.3; echo second >> DIR/steps; exit 0' TERM; while :; do sleep 0.05; done"}
stop: {after: 500ms, order: last-beat-first}
`}.play,
		},
	}
}

// actionCases are about what is done to processes in mid-run.
func actionCases() []Case {
	return []Case{
		{
			Name: "action-signal", Shows: "A signal is sent at its time after the release, and the end that it brings about is told to be the action's.",
			Needs: []message.Feature{message.FeatureActions},
			play: datapoint{outcome: outcome.RunSucceeded, check: lived(1), file: `
hosts: {HOST: {}}
groups: {p: {on: [HOST], run: "echo life >> DIR/lives; exec sleep 600", shell: true}}
at: [{t: 400ms, signal: KILL, to: p}]
`}.play,
		},
		{
			Name: "action-start", Shows: "An action starts a process again that has ended, in the same place.",
			Needs: []message.Feature{message.FeatureActions},
			play: datapoint{outcome: outcome.RunSucceeded, check: lived(2), file: `
hosts: {HOST: {}}
groups:
  p: {on: [HOST], run: "echo life >> DIR/lives", shell: true}
  other: {on: [HOST], run: sleep 3}
at: [{t: 1500ms, start: p}]
`}.play,
		},
		{
			Name: "action-pause", Shows: "A process that is paused stands still with all that it has started, and goes on afterwards.",
			Needs: []message.Feature{message.FeatureActions},
			play: datapoint{outcome: outcome.RunSucceeded, check: checkLines("DIR/steps", "still there", "T"), file: `
hosts: {HOST: {}}
groups:
  p: {on: [HOST], run: "echo $$ > DIR/pid; sleep 1; sleep 1; sleep 1; echo still there >> DIR/steps; cat DIR/stood >> DIR/steps", shell: true}
at:
  - {t: 300ms, pause: p, for: 3s}
  - {t: 1s, run: "cut -d' ' -f3 /proc/$(cat DIR/pid)/stat > DIR/stood", shell: true, on: HOST}
`}.play,
		},
		{
			Name: "action-run", Shows: "The command of an action is run beside the processes, and logged.",
			Needs: []message.Feature{message.FeatureActions},
			play: datapoint{outcome: outcome.RunSucceeded, check: checkLines("DIR/steps", "action", "process"), file: `
hosts: {HOST: {}}
groups: {p: {on: [HOST], run: "sleep 3; echo process >> DIR/steps", shell: true}}
at: [{t: 300ms, run: "echo action >> DIR/steps", shell: true, on: HOST}]
`}.play,
		},
		{
			Name: "action-line", Shows: "A line that an action waits for is told, and the action is carried out when the publisher says.",
			Needs: []message.Feature{message.FeatureActions},
			play:  datapoint{outcome: outcome.RunSucceeded, check: checkLines("DIR/steps", "told"), file: afterALine}.play,
		},
		{
			Name: "action-line-lossy", Shows: "So it is where a tenth of all messages is lost, and once.", net: lossy,
			Needs: []message.Feature{message.FeatureActions},
			play:  datapoint{outcome: outcome.RunSucceeded, check: checkLines("DIR/steps", "told"), file: afterALine}.play,
		},
		{
			Name: "action-undone", Shows: "An action that can't be carried out, as its process has ended, is told with the reason.",
			Needs: []message.Feature{message.FeatureActions},
			play: datapoint{outcome: outcome.RunFailed, file: `
hosts: {HOST: {}}
groups: {p: {on: [HOST], run: "true"}, other: {on: [HOST], run: sleep 3}}
at: [{t: 1500ms, signal: USR1, to: p}]
`}.play,
		},
	}
}

// askedCases are about what processes ask of each other.
func askedCases() []Case {
	return []Case{
		{Name: "asked", Shows: "Processes meet at a barrier, hand a value over, and make a mark.", play: playAsked},
		{Name: "asked-lossy", Shows: "So they do where a tenth of all messages is lost.", net: lossy, play: playAsked},
	}
}

const threeBeats = `
hosts: {HOST: {}}
groups:
  a: {on: [HOST], shell: true, run: "sleep 0.2; echo first >> DIR/steps"}
  b: {on: [HOST], after: a.ended, shell: true, run: "sleep 0.2; echo second >> DIR/steps"}
  c: {on: [HOST], after: {of: b.ended, delay: 100ms}, shell: true, run: "echo third >> DIR/steps"}
`

const afterALine = `
hosts: {HOST: {}}
groups: {p: {on: [HOST], shell: true, run: "trap 'echo told >> DIR/steps; exit 0' USR1; echo not yet; echo now; while :; do sleep 0.05; done"}}
at: [{line: "^now$", of: p, t: 100ms, signal: USR1, to: {that: line}}]
timeout: 60s
`

// serving is a server that is to be ready, and a client that comes after it.
func serving(ready, run string) string {
	return fmt.Sprintf(`
hosts: {HOST: {}}
groups:
  server: {on: [HOST], shell: true, ready: %s, run: "%s; exec sleep 600"}
  client: {on: [HOST], after: server, shell: true, run: "echo client >> DIR/steps"}
stop: {when: client}
`, ready, run)
}

// checkReady makes sure that the client came after the server was ready, which was told.
func checkReady(s *stage, g *gathered) error {
	if g.process("server.0").ReadyAt.IsZero() {
		return s.failed(RuleCase, "it was not told when the server became ready")
	}
	return checkLines("DIR/steps", "serving", "client")(s, g)
}

// lived compares how many lives the process p.0 had with what it has written in each.
func lived(want int) func(*stage, *gathered) error {
	return func(s *stage, g *gathered) error {
		p := g.process("p.0")
		if got := max(len(p.Lives), 1); got != want {
			return s.failed(RuleCase, "process p.0 is said to have had %d lives, and should have had %d", got, want)
		}
		return checkLines("DIR/lives", strings.Split(strings.Repeat("life\n", want), "\n")[:want]...)(s, g)
	}
}

// playAsked is skipped where processes have nothing to ask with: a job may have sync, and a worker
// needn't know it.
func playAsked(s *stage) error {
	if _, err := exec.LookPath("curl"); err != nil {
		return fmt.Errorf("%w: it needs curl, with which its processes ask", errSkip)
	}
	if err := s.startWorker(); err != nil {
		return err
	}
	got, err := s.gather("hosts: {HOST: {}}\ngroups: {p: {on: [HOST], count: 2, shell: true, run: " + strconv.Quote(asking) + "}}\ntimeout: 120s\n")
	if err != nil {
		return err
	}
	if _, err := os.Stat(s.path("no-socket")); err == nil {
		return fmt.Errorf("%w: its processes have no DOWNBEAT_SYNC", errSkip)
	}
	r := &got.record
	switch {
	case r.Outcome != outcome.RunSucceeded:
		return s.failed(RuleCase, "the run is %s and should be succeeded: %s", r.Outcome, r.Reason)
	case len(r.Barriers) != 1 || r.Barriers[0].Count != 2 || len(r.Marks) != 1 || r.Marks[0].Mark != "told":
		return s.failed(RuleCase, "barriers %+v and marks %+v have come, and should have been one for two, and one called told", r.Barriers, r.Marks)
	}
	if err := says("p.1", "10.0.0.1:80")(s, got); err != nil {
		return err
	}
	if err := s.sweep(s.ctx, r.Run); err != nil {
		return err
	}
	return s.leave()
}

// asking is a process that meets another one at a barrier; the first of them then hands a value
// over and makes a mark, and the second one prints the value.
const asking = `[ -n "$DOWNBEAT_SYNC" ] || { touch DIR/no-socket; exit 0; }; ` +
	`ask() { curl -sSf --unix-socket "$DOWNBEAT_SYNC" "$@"; }; ` +
	`ask -X POST 'http://worker/barrier/both?count=2&within=60s' || exit 1; ` +
	`if [ {{.index}} = 0 ]; then printf 10.0.0.1:80 | ask -T - http://worker/value/address && ask -X POST http://worker/mark/told; ` +
	`else ask 'http://worker/value/address?wait=60s'; fi`
