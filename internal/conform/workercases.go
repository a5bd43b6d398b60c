package conform

import (
	"slices"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// workerCases are the cases for a worker whose run is one of the real publisher's, and
// then those with a publisher that is played by hand.
func workerCases() []Case {
	return slices.Concat(runCases(), featureCases(), timeCases(), handCases())
}

// runCases are runs of the real publisher's.
func runCases() []Case {
	return []Case{
		{
			Name: "plain", Shows: "Two processes are held, started together, and their output comes home byte for byte.",
			play: datapoint{outcome: outcome.RunSucceeded, check: checkPlain, file: `
hosts:
  HOST:
    - {run: "pwd; printf 'one\\n\\377\\000two\\nno newline'; echo to stderr >&2", shell: true, name: talks}
    - "true"
`}.play,
		},
		{
			Name: "identity", Shows: "A process finds out who it is from its environment, and nothing of the worker's own settings.",
			play: datapoint{outcome: outcome.RunSucceeded, check: checkIdentity, file: `
hosts: {HOST: {}}
groups:
  client: {on: [HOST], count: 2, env: {OWN: "of the job"}, shell: true, run: "env"}
`}.play,
		},
		{
			Name: "delay", Shows: "A process with a delay starts that much after the others.",
			play: datapoint{outcome: outcome.RunSucceeded, file: `
hosts:
  HOST: ["true", {run: "true", delay: 300ms}]
`}.play,
		},
		{
			Name: "exit-status", Shows: "The exit status of a process is told as it is.",
			play: datapoint{outcome: outcome.RunFailed, check: endedAs("0", 3, ""), file: `
hosts: {HOST: [{run: "exit 3", shell: true}]}
`}.play,
		},
		{
			Name: "signal", Shows: "A process that is ended by a signal is told with the signal's name.",
			play: datapoint{outcome: outcome.RunFailed, check: endedAs("0", -1, "SIGKILL"), file: `
hosts: {HOST: [{run: "kill -KILL $$", shell: true}]}
`}.play,
		},
		{
			Name: "window", Shows: "20 MB of output come whole, and never more at a time than the window has room for.",
			play: datapoint{outcome: outcome.RunSucceeded, check: checkBig, file: `
hosts: {HOST: [{run: "yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 20000000", shell: true}]}
timeout: 60s
`}.play,
		},
		{
			Name: "missing-program", Shows: "Where one program is not there, the host refuses, names the process, and starts nothing.",
			play: datapoint{outcome: outcome.RunRefused, check: checkRefused("absent", "DIR/started"), file: `
hosts:
  HOST:
    - {run: "touch DIR/started", name: present}
    - {run: /nonexistent/program, name: absent}
`}.play,
		},
		{
			Name: "stop-rule", Shows: "A stop sends TERM at its instant, and what ignores that is killed when the grace is over.",
			play: datapoint{outcome: outcome.RunSucceeded, check: checkStopped, file: `
hosts:
  HOST:
    - {run: "exec sleep 600", shell: true, name: heeds}
    - {run: "trap '' TERM; echo deaf; while :; do sleep 0.1; done", shell: true, name: ignores}
stop: {after: 500ms, grace: 500ms}
`}.play,
		},
		{
			Name: "grandchildren", Shows: "What a process has started, and what has left its process group, is gone when the run is done.",
			play: datapoint{outcome: outcome.RunSucceeded, file: `
hosts:
  HOST:
    - {run: "setsid sleep 600 >/dev/null 2>&1 & sleep 600 >/dev/null 2>&1 & echo left two", shell: true}
`}.play,
		},
		{
			Name: "shuffled", Shows: "Controls that come twice, late and out of order do no harm, and neither does a job that comes twice.", net: shuffled,
			play: datapoint{outcome: outcome.RunSucceeded, check: checkOnce, file: manyProcesses}.play,
		},
		{
			Name: "lossy", Shows: "With a tenth of all messages lost, all is there in the end, once.", net: lossy,
			play: datapoint{outcome: outcome.RunSucceeded, check: checkOnce, file: manyProcesses}.play,
		},
	}
}

// featureCases are runs that need what not every worker knows.
func featureCases() []Case {
	return []Case{
		{
			Name: "setup", Shows: "Setup and teardown are run around the processes, one command after the other.",
			Needs: []message.Feature{message.FeatureSetup, message.FeatureTeardown},
			play: datapoint{outcome: outcome.RunSucceeded, check: checkLines("DIR/steps", "setup one", "setup two", "process", "teardown"), file: `
hosts: {HOST: [{run: "echo process >> DIR/steps", shell: true}]}
setup: [{run: "sleep 0.2; echo setup one >> DIR/steps", shell: true}, {run: "echo setup two >> DIR/steps; echo output", shell: true}]
teardown: [{run: "echo teardown >> DIR/steps", shell: true}]
`}.play,
		},
		{
			Name: "setup-fails", Shows: "A setup that fails has no process started, and the teardown run.",
			Needs: []message.Feature{message.FeatureSetup, message.FeatureTeardown},
			play: datapoint{outcome: outcome.RunRefused, check: checkLines("DIR/steps", "teardown"), file: `
hosts: {HOST: [{run: "echo process >> DIR/steps", shell: true}]}
setup: [{run: "exit 4", shell: true}, {run: "echo second >> DIR/steps", shell: true}]
teardown: [{run: "echo teardown >> DIR/steps", shell: true}]
`}.play,
		},
		{
			Name: "teardown-fails", Shows: "A teardown that fails does not keep the rest of it from being run.",
			Needs: []message.Feature{message.FeatureTeardown},
			play: datapoint{outcome: outcome.RunSucceeded, check: checkLines("DIR/steps", "process", "second"), file: `
hosts: {HOST: [{run: "echo process >> DIR/steps", shell: true}]}
teardown: ["false", {run: "echo second >> DIR/steps", shell: true}]
`}.play,
		},
		{
			Name: "collect", Shows: "Files that the job's patterns pick come home, whole.",
			Needs: []message.Feature{message.FeatureCollect},
			play: datapoint{outcome: outcome.RunSucceeded, check: checkCollected, file: `
hosts: {HOST: [{run: "mkdir sub; echo a > sub/a.txt; yes | head -c 1000000 > big.txt; echo no > not.csv", shell: true}]}
collect: ["**/*.txt"]
`}.play,
		},
		{
			Name: "collect-lossy", Shows: "So they do where a tenth of all messages is lost.", net: lossy,
			Needs: []message.Feature{message.FeatureCollect},
			play: datapoint{outcome: outcome.RunSucceeded, check: checkCollected, file: `
hosts: {HOST: [{run: "mkdir sub; echo a > sub/a.txt; yes | head -c 1000000 > big.txt", shell: true}]}
collect: ["**/*.txt"]
`}.play,
		},
		{
			Name: "files", Shows: "Files of the job are in the run's directory before anything is run: texts, and content that is asked for.",
			Needs: []message.Feature{message.FeatureFiles},
			play:  playShipped,
		},
		{
			Name: "pty", Shows: "A process with a terminal has one, and all that it writes is standard output.",
			Needs: []message.Feature{message.FeaturePty},
			play: datapoint{outcome: outcome.RunSucceeded, check: says("0", "a terminal"), file: `
hosts: {HOST: [{run: "test -t 0 && test -t 1 && test -t 2 && printf 'a terminal' >&2", shell: true, pty: true}]}
`}.play,
		},
	}
}
