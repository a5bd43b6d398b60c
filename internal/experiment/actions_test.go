package experiment

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"downbeat/internal/message"
)

const course = `
hosts: {alpha: , bravo: , charlie: }
matrix: {victim: [1], sig: [SIGUSR1]}
groups:
  server: {on: [alpha, bravo], count: 3, run: s}
  client: {on: [bravo, charlie], count: 2, run: c, after: server}
setup: prepare
at:
`

// actionsOf gives what of a host's job its actions are.
func actionsOf(t *testing.T, d *Datapoint) (list []string) {
	t.Helper()
	for _, job := range d.Jobs() {
		checkAccepted(t, &job)
		got, err := json.Marshal([]any{job.Actions, job.Watches})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, job.Host+" "+strings.ReplaceAll(string(got), `"`, ""))
	}
	return list
}

// Each form of action says in words what it does, and reaches the hosts that it
// concerns.
func TestActions(t *testing.T) {
	t.Parallel()
	for action, want := range map[string][]string{
		"{t: 20s, signal: KILL, to: server.1}": {
			"KILL to server.1, 20s after the release of client",
			"bravo [[{action:0,do:signal,beat:1,after_ms:20000,commands:[0],signal:KILL}],null]",
		},
		`{t: 1s, since: server, signal: "{{.sig}}", to: "server.{{.victim}}"}`: {
			"USR1 to server.1, 1s after the release of server",
			"bravo [[{action:0,do:signal,after_ms:1000,commands:[0],signal:USR1}],null]",
		},
		"{t: 1500ms, pause: server, for: 5s}": {
			"pause server for 5s, 1.5s after the release of client",
			"alpha [[{action:0,do:pause,beat:1,after_ms:1500,commands:[0,1],for_ms:5000}],null]",
			"bravo [[{action:0,do:pause,beat:1,after_ms:1500,commands:[0],for_ms:5000}],null]",
		},
		"{t: 1s, stop: [server.2, client.1, server.2]}": {
			"stop server.2, client.1, server.2, 1s after the release of client",
			"alpha [[{action:0,do:stop,beat:1,after_ms:1000,commands:[1]}],null]",
			"charlie [[{action:0,do:stop,beat:1,after_ms:1000,commands:[0]}],null]",
		},
		"{mark: loaded, t: 2s, stop: bravo/client.0}": {
			"stop bravo/client.0, 2s after the mark loaded",
			"bravo [[{action:0,do:stop,called:true}],null]",
		},
		"{mark: loaded, start: client.0, optional: true}": {
			"start client.0 again, after the mark loaded",
			"bravo [[{action:0,do:start,called:true}],null]",
		},
		`{line: 'leader {{.victim}}', of: server, t: 2s, signal: KILL, to: {that: line}}`: {
			`KILL to the process that wrote the line, 2s after a line of server that matches "leader 1"`,
			"alpha [[{action:0,do:signal,called:true,signal:KILL}],[{action:0,line:leader 1,commands:[0,1],most:1}]]",
			"bravo [[{action:0,do:signal,called:true,signal:KILL}],[{action:0,line:leader 1,commands:[0],most:1}]]",
		},
		`{mark: leader, t: 2s, signal: KILL, to: {that: mark}}`: {
			"KILL to the process that made the mark, 2s after the mark leader",
			"alpha [[{action:0,do:signal,called:true,signal:KILL}],null]",
			"bravo [[{action:0,do:signal,called:true,signal:KILL}],null]",
			"charlie [[{action:0,do:signal,called:true,signal:KILL}],null]",
		},
		`{line: done, times: "{{add 2 .victim}}", pause: client.1, for: 1s}`: {
			`pause client.1 for 1s, after a line of any process that matches "done", 3 times at most`,
			"alpha [null,[{action:0,line:done,commands:[0,1],most:3}]]",
			"bravo [null,[{action:0,line:done,commands:[0,1],most:3}]]",
			"charlie [[{action:0,do:pause,called:true,for_ms:1000}],[{action:0,line:done,commands:[0],most:3}]]",
		},
		"{t: 4s, run: compact all, on: [alpha, charlie]}": {
			"run `compact all` on alpha, charlie, 4s after the release of client",
			"alpha [[{action:0,do:run,beat:1,after_ms:4000,commands:[3]}],null]",
			"charlie [[{action:0,do:run,beat:1,after_ms:4000,commands:[2]}],null]",
		},
		"{t: 4s, run: 'a {{.host}} | b', shell: true, env: {A: '{{.name}}'}, ok_exit: 3, timeout: 3s, dir: d}": {
			"run `/bin/sh -c 'a alpha | b'` (or similar) on alpha, bravo, charlie, 4s after the release of client",
			"alpha [[{action:0,do:run,beat:1,after_ms:4000,commands:[3]}],null]",
			"bravo [[{action:0,do:run,beat:1,after_ms:4000,commands:[3]}],null]",
			"charlie [[{action:0,do:run,beat:1,after_ms:4000,commands:[2]}],null]",
		},
		"{t: 0s, run: x, on: alpha}": {
			"run `x` on alpha, after the release of client",
			"alpha [[{action:0,do:run,beat:1,commands:[3]}],null]",
		},
	} {
		d := mustExpand(t, "x.yaml", course+"  - "+action)
		if len(d.Actions) != 1 || d.Actions[0].Text != want[0] {
			t.Errorf("%s: got %+v, want %s", action, d.Actions, want[0])
		}
		got := slices.DeleteFunc(actionsOf(t, d), func(s string) bool { return strings.HasSuffix(s, "[null,null]") })
		if !slices.Equal(got, want[1:]) {
			t.Errorf("%s: got\n%s\nwant\n%s", action, strings.Join(got, "\n"), strings.Join(want[1:], "\n"))
		}
	}
}

// The commands of actions are like those of a setup, and named by their action.
func TestActionCommands(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "x.yaml", course+`
  - {t: 1s, stop: server.0}
  - {t: 4s, run: 'a {{.name}} {{address "server.1"}}', env: {A: "{{.host}}"}, ok_exit: [0, 3], timeout: 3s, dir: d, pty: true, on: [bravo, alpha]}
`)
	if len(d.Acts) != 2 || d.Acts[0].Host != "alpha" || d.Acts[1].Host != "bravo" {
		t.Fatalf("got %+v", d.Acts)
	}
	got := fmt.Sprintf("%+v", d.Acts[1].Command)
	want := fmt.Sprintf("%+v", message.Command{
		Name: "action.1", Phase: message.PhaseAction, Argv: []string{"a", "action.1", "bravo"}, Env: map[string]string{"A": "bravo"},
		OKExit: []int{0, 3}, TimeoutMS: 3000, Dir: "d", Pty: true,
	})
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	all := d.Commands()
	for i, n := range d.Actions[1].Targets {
		if all[n].Name != "action.1" || all[n].Host != d.Acts[i].Host {
			t.Errorf("target %d is %s on %s", n, all[n].Name, all[n].Host)
		}
	}
}

// The target that is chosen depends on the seed, the datapoint and the action; `that` is
// the target of an action further up.
func TestChosenTargets(t *testing.T) {
	t.Parallel()
	const text = `
hosts: {a: }
seed: %d
repeat: 30
groups: {server: {on: a, count: 4, run: s}, spare: {on: a, count: 1, run: s}}
at:
  - {t: 1s, signal: KILL, to: {any: [server, spare]}}
  - {t: 2s, start: {that: 0}}
  - {t: 3s, stop: {all_but_one: server}}
  - {t: 4s, pause: [{that: 2}, {any: spare}], for: 1s}
`
	var first, second []string
	firsts, spared := make(map[string]bool), make(map[string]bool)
	for n := range 30 {
		d := at(t, fmt.Sprintf(text, 1), n)
		texts := make([]string, len(d.Actions))
		for i, a := range d.Actions {
			texts[i] = a.Text
		}
		words := strings.Join(texts, "; ")
		first = append(first, words)
		one := at(t, fmt.Sprintf(text, 2), n)
		second = append(second, one.Actions[0].Text)
		victim := d.Processes[d.Actions[0].Targets[0]].Name
		firsts[victim] = true
		if len(d.Actions[0].Targets) != 1 || !slices.Equal(d.Actions[1].Targets, d.Actions[0].Targets) ||
			texts[0] != "KILL to "+victim+" (any of server, spare), 1s after the release" || texts[1] != "start "+victim+" (any of server, spare) again, 2s after the release" {
			t.Errorf("got %s, %+v", words, d.Actions)
		}
		left := slices.DeleteFunc([]int{0, 1, 2, 3}, func(n int) bool { return slices.Contains(d.Actions[2].Targets, n) })
		if len(left) != 1 || len(d.Actions[2].Targets) != 3 {
			t.Fatalf("got %s, %+v", words, d.Actions)
		}
		spared[fmt.Sprint(left)] = true
		if want := fmt.Sprintf("stop all of server but server.%d, 3s after the release", left[0]); texts[2] != want {
			t.Errorf("got %s, want %s", texts[2], want)
		}
		if !slices.Equal(d.Actions[3].Targets, append(slices.Clone(d.Actions[2].Targets), 4)) {
			t.Errorf("got %+v", d.Actions[3])
		}
		if again := at(t, fmt.Sprintf(text, 1), n); again.Actions[0].Text != texts[0] || again.Actions[2].Text != texts[2] {
			t.Errorf("at the next try %s, want %s", again.Actions[0].Text, words)
		}
	}
	if len(firsts) < 4 || len(spared) < 3 {
		t.Errorf("in 30 repetitions only %v and %v are chosen", firsts, spared)
	}
	for i := range first {
		first[i], _, _ = strings.Cut(first[i], "; ")
	}
	if slices.Equal(first, second) {
		t.Error("the seed makes no difference")
	}
}

// An optional action is left out where there is nobody; what refers to it is, too.
func TestOptionalActionsAreLeftOut(t *testing.T) {
	t.Parallel()
	const text = `
hosts: {a: , b: }
matrix: {n: [0, 1]}
groups: {server: {on: a, run: s}, client: {on: b, count: "{{.n}}", run: s, after: server}}
at:
  - {t: 1s, signal: KILL, to: {any: client}, optional: true}
  - {t: 2s, start: {that: 0}, optional: true}
  - {t: 2s, since: client, stop: server, optional: true}
  - {line: x, of: client, stop: server, optional: true}
  - {t: 3s, run: x, on: b, optional: true}
  - {t: 4s, stop: server.0}
`
	for n, want := range []string{"5", "0 1 2 3 4 5"} {
		d := at(t, text, n)
		var got []string
		for _, a := range d.Actions {
			got = append(got, fmt.Sprint(a.Number))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("n=%d: got actions %v, want %s", n, got, want)
		}
		actionsOf(t, d)
	}
}

// Starting what nothing ends is allowed, since it may end by itself, and worth a warning.
func TestStartOfWhatNothingEndsIsWarnedOf(t *testing.T) {
	t.Parallel()
	const text = "hosts: {a: }\ngroups: {g: {on: a, count: 2, run: x}}\nat:\n  - {t: 1s, %s}\n  - {t: 2s, start: g.1}"
	for before, warned := range map[string]bool{
		"signal: KILL, to: g.1": false, "stop: g": false, "signal: STOP, to: g": true, "stop: g.0": true, "pause: g, for: 1s": true, "run: x": true,
	} {
		f := mustParse(t, "x.yaml", fmt.Sprintf(text, before))
		if (len(f.Warnings) == 1) != warned {
			t.Errorf("%s: warnings %v, want one: %t", before, f.Warnings, warned)
		}
	}
	f := mustParse(t, "x.yaml", fmt.Sprintf(text, "run: x"))
	if want := "x.yaml:5:20: at[1].start: no action ends g.1 before it is started again (a process that still runs can't be started)"; f.Warnings[0].Error() != want {
		t.Errorf("got %v, want %s", f.Warnings, want)
	}
}
