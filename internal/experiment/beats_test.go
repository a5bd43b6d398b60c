package experiment

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
)

// beatWords gives the beats as "groups: conditions".
func beatWords(d *Datapoint) string {
	list := make([]string, len(d.Beats))
	for i, b := range d.Beats {
		list[i] = strings.TrimSpace(b.String() + " " + b.Begins())
	}
	return strings.Join(list, "; ")
}

// Groups that wait for the same are on one beat; beats come in the order of what they
// wait for, and then in that of the file.
func TestBeats(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ groups, want string }{
		"without after":              {"a: {}, b: {}", "a, b first"},
		"one after the other":        {"a: {}, b: {after: a}, c: {after: b.ended}", "a first; b after a; c after b.ended"},
		"the same conditions":        {"a: {}, b: {after: a}, c: {}, d: {after: [a]}", "a, c first; b, d after a"},
		"the same in another order":  {"a: {}, b: {}, c: {after: [b.ended, a]}, d: {after: [{of: [a]}, b.ended, a]}", "a, b first; c, d after a and after b.ended"},
		"ready is not ended":         {"a: {}, b: {after: a.ended}, c: {after: a}", "a first; b after a.ended; c after a"},
		"another delay":              {"a: {}, b: {after: {of: a, delay: 1s}}, c: {after: a}, d: {after: [{of: a, delay: 1000ms}]}", "a first; b, d 1s after a; c after a"},
		"the longer delay counts":    {"a: {}, b: {after: [{of: a, delay: 1s}, {of: a, delay: 3s}, a]}", "a first; b 3s after a"},
		"against the file's order":   {"a: {after: b}, b: {after: c}, c: {}", "c first; b after c; a after b"},
		"as early as can be":         {"a: {after: e}, b: {after: d}, c: {after: d}, d: {}, e: {after: d.ended}", "d first; b, c after d; e after d.ended; a after e"},
		"an empty group":             {"a: {}, b: {after: a, count: 0}, c: {after: b.ended}, d: {after: a}", "a first; c, d after a"},
		"an empty group with delays": {"a: {}, b: {after: {of: a.ended, delay: 1s}, count: 0}, c: {after: {of: b, delay: 2s}}", "a first; c 3s after a.ended"},
		"an empty first group":       {"a: {count: 0}, b: {after: a}, c: {after: b}", "b first; c after b"},
		"a group called ended":       {"a: {}, a.ended: {after: a}, b: {after: a.ended}", "a first; a.ended after a; b after a.ended"},
	} {
		groups := strings.ReplaceAll(strings.ReplaceAll(test.groups, "{}", "{on: x, run: y}"), "{after", "{on: x, run: y, after")
		groups = strings.ReplaceAll(groups, "{count", "{on: x, run: y, count")
		d := mustExpand(t, "x.yaml", "hosts: {x: }\ngroups: {"+groups+"}")
		if got := beatWords(d); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
		for _, p := range d.Processes {
			if !strings.Contains(d.Beats[p.Beat].String(), p.Group) {
				t.Errorf("%s: %s is on beat %d", name, p.Name, p.Beat)
			}
		}
	}
}

// The commands of hosts are on the first beat, and may be alone there.
func TestCommandsOfHostsAreOnTheFirstBeat(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "x.yaml", "hosts: {x: [a, b]}\ngroups: {c: {on: x, run: y}, d: {on: x, run: z, after: c}}")
	if got := fmt.Sprint(beatWords(d), d.Processes[0].Beat, d.Processes[2].Beat, d.Processes[3].Beat); got != "c first; d after c0 0 1" {
		t.Errorf("got %s", got)
	}
}

// A process's readiness, restart and stop reach the job, in the form that workers take.
func TestCourseOfAProcess(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "x.yaml", `
hosts: {alpha: {address: 10.0.0.1}, bravo: }
matrix: {n: [7], sig: [int]}
groups:
  port: {on: [alpha, bravo], run: x, ready: {port: "{{add 7000 .index}}", within: "{{.n}}s"}}
  there: {on: alpha, run: x, ready: {port: 80, address: "127.0.0.{{.index}}", every: 2s}}
  line: {on: alpha, run: x, ready: {line: 'ready {{.n}}\d'}, restart: {on: always}, stop: {signal: SIGINT}}
  http: {on: alpha, run: x, ready: {http: "http://{{.host}}/"}, restart: {on: failure, at_most: "{{.n}}", wait: 2s}, stop: {grace: "{{.n}}s"}}
  file: {on: alpha, run: x, ready: {file: "up.{{.index}}"}, stop: {signal: "{{.sig}}", grace: 0s}}
  cmd: {on: alpha, run: x, ready: {run: "test -S {{.name}} | wc", shell: true}}
  args: {on: alpha, run: x, ready: {run: [test, "{{.name}}"], every: 5s}, stop: {}}
`)
	want := []string{
		`{"ready":{"port":7000,"address":"10.0.0.1","within_ms":7000}}`,
		`{"ready":{"port":7001,"address":"bravo","within_ms":7000}}`,
		`{"ready":{"port":80,"address":"127.0.0.0","within_ms":60000,"every_ms":2000}}`,
		`{"ready":{"line":"ready 7\\d","within_ms":60000},"restart":{"on":"always","at_most":3},"stop":{"signal":"INT"}}`,
		`{"ready":{"http":"http://alpha/","status":200,"within_ms":60000},"restart":{"on":"failure","at_most":7,"wait_ms":2000},"stop":{"grace_ms":7000}}`,
		`{"ready":{"file":"up.0","within_ms":60000},"stop":{"signal":"INT","grace_ms":0}}`,
		`{"ready":{"run":["/bin/sh","-c","test -S cmd.0 | wc"],"within_ms":60000,"every_ms":250}}`,
		`{"ready":{"run":["test","args.0"],"within_ms":60000,"every_ms":5000}}`,
	}
	for i, p := range d.Processes {
		got, err := json.Marshal(struct {
			Ready   *message.Readiness   `json:"ready,omitempty"`
			Restart *message.Restart     `json:"restart,omitempty"`
			Stop    *message.CommandStop `json:"stop,omitempty"`
		}{p.Ready, p.Restart, p.Stop})
		if err != nil || string(got) != want[i] {
			t.Errorf("%s: got\n%s (%v)\nwant\n%s", p.Name, got, err, want[i])
		}
	}
	for _, job := range d.Jobs() {
		checkAccepted(t, &job)
	}
}

// Two processes of a host that listen on one port are worth a warning.
func TestSharedPortIsWarnedOf(t *testing.T) {
	t.Parallel()
	const text = "hosts: {a: , b: }\ngroups: {g: {on: [a, b], count: %d, run: x, ready: {port: %s}}}"
	const want = `x.yaml:2:58: groups.g.ready.port: g.0 and g.2 on a both count as ready when port 80 is open (put {{.index}} into it, as in "{{port .index}}")`
	if f := mustParse(t, "x.yaml", fmt.Sprintf(text, 3, "80")); len(f.Warnings) != 1 || f.Warnings[0].Error() != want {
		t.Errorf("warnings %v, want %s", f.Warnings, want)
	}
	for _, fine := range []string{fmt.Sprintf(text, 2, "80"), fmt.Sprintf(text, 4, `"{{add 80 .index}}"`)} {
		if f := mustParse(t, "x.yaml", fine); len(f.Warnings) > 0 {
			t.Errorf("%s: warnings %v", fine, f.Warnings)
		}
	}
}

// A delay counts from the release of the process's own beat, and stop.after from that
// of the last.
func TestDelayOnBeats(t *testing.T) {
	t.Parallel()
	const text = "hosts: {a: }\ngroups: {g: {on: a, run: x, delay: %s}, h: {on: a, run: x, after: g, delay: %s}}\nstop: {after: 4s}\ntimeout: 10s"
	mustParse(t, "x.yaml", fmt.Sprintf(text, "9s", "3s"))
	for _, delays := range [][2]string{{"10s", "3s"}, {"1s", "4s"}} {
		if _, err := Parse("x.yaml", fmt.Appendf(nil, text, delays[0], delays[1])); err == nil {
			t.Errorf("delays of %s and %s are taken", delays[0], delays[1])
		}
	}
	if d := mustExpand(t, "x.yaml", fmt.Sprintf(text, "9s", "3s")); d.Processes[0].Delay() != 9*time.Second || d.Stop.After != 4*time.Second {
		t.Errorf("got %+v, %+v", d.Processes[0], d.Stop)
	}
}

// The skew of a group's beat can be limited; of an empty group there is none.
func TestRequirementOfABeat(t *testing.T) {
	t.Parallel()
	const text = `
hosts: {a: }
matrix: {n: [0, 1]}
groups: {s: {on: a, run: x}, c: {on: a, run: x, count: "{{.n}}", after: s}}
require: {start_skew: "< 1ms", start_skew.s: ["< 2ms", "> 1us"], start_skew.c: "< {{add 3 .n}}ms"}
`
	for n, want := range []string{
		"[{start_skew < 1000 < 1ms} {start_skew.s < 2000 < 2ms} {start_skew.s > 1 > 1us}]",
		"[{start_skew < 1000 < 1ms} {start_skew.s < 2000 < 2ms} {start_skew.s > 1 > 1us} {start_skew.c < 4000 < 4ms}]",
	} {
		if got := conditionsOf(at(t, text, n).Require); got != want {
			t.Errorf("n=%d: got %s, want %s", n, got, want)
		}
	}
}

// Many groups that wait for several others are no work worth mentioning, and too many
// beats are refused.
func TestManyBeats(t *testing.T) {
	t.Parallel()
	groups := func(n int) string {
		var b strings.Builder
		b.WriteString("hosts: {a: }\ngroups:\n  g0: {on: a, run: x}\n  g1: {on: a, run: x, after: g0.ended}\n")
		for i := 2; i < n; i++ {
			fmt.Fprintf(&b, "  g%d: {on: a, run: x, after: [g%d.ended, g%d.ended]}\n", i, i-1, i-2)
		}
		return b.String()
	}
	if d := mustExpand(t, "x.yaml", groups(message.MaxBeats)); len(d.Beats) != message.MaxBeats {
		t.Errorf("got %d beats", len(d.Beats))
	}
	_, err := Parse("x.yaml", []byte(groups(message.MaxBeats+1)))
	if want := "x.yaml: groups: the run would have more than 100 beats"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
