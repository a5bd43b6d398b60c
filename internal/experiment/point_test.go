package experiment

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// labels are the names of a file's datapoints in the order in which they run.
func labels(f *File) []string {
	var all []string
	for _, p := range f.Points() {
		all = append(all, p.Label())
	}
	return all
}

func TestPoints(t *testing.T) {
	t.Parallel()
	const host = "hosts: {a: [\"x {{with $}}{{end}}\"]}\n"
	tests := map[string]struct{ text, want string }{
		"no matrix": {"", "0001"},
		"repeat":    {"repeat: 3", "0001 0002 0003"},
		"product":   {"matrix: {m: [b, a], n: [1, 2.5]}", "0001-m=b,n=1 0002-m=b,n=2.5 0003-m=a,n=1 0004-m=a,n=2.5"},
		"all once, then again": {
			"matrix: {n: [1, 2]}\nrepeat: 2", "0001-n=1 0002-n=2 0003-n=1 0004-n=2",
		},
		"kinds": {"matrix: {v: [10.50, true, 'true', 1e3, x, 2.0]}", "0001-v=10.5 0002-v=true 0003-v=true 0004-v=1000 0005-v=x 0006-v=2"},
		"exclude": {
			"matrix: {m: [a, b], n: [1, 2], exclude: [{m: a, n: 2}]}", "0001-m=a,n=1 0002-m=b,n=1 0003-m=b,n=2",
		},
		"exclude by one of two": {"matrix: {m: [a, b], n: [1, 2], exclude: [{n: 2}]}", "0001-m=a,n=1 0002-m=b,n=1"},
		"include alone":         {"matrix: {include: [{m: a}, {m: b, n: 2}]}", "0001-m=a 0002-m=b,n=2"},
		"include adds to what agrees": {
			"matrix: {m: [a, b], include: [{m: b, n: 2}]}", "0001-m=a 0002-m=b,n=2",
		},
		"include adds to all": {"matrix: {m: [a, b], include: [{n: 2}]}", "0001-m=a,n=2 0002-m=b,n=2"},
		"include replaces what was included, not an axis": {
			"matrix: {m: [a, b], include: [{n: 2}, {m: b, n: 3}, {m: c}]}", "0001-m=a,n=2 0002-m=b,n=3 0003-m=c",
		},
		"an included combination is not added to": {
			"matrix: {m: [a], include: [{m: b}, {m: b, n: 3}]}", "0001-m=a 0002-m=b 0003-m=b,n=3",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(labels(mustParse(t, "x.yaml", host+tt.text)), " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRandomOrder(t *testing.T) {
	t.Parallel()
	order := func(seed int) []string {
		return labels(mustParse(t, "x.yaml", fmt.Sprintf("hosts: {a: [x]}\nrepeat: 20\norder: random\nseed: %d", seed)))
	}
	one, again, two := order(1), order(1), order(2)
	if !slices.Equal(one, again) {
		t.Error("the same seed gives another order")
	}
	if slices.Equal(one, two) || slices.IsSorted(one) {
		t.Errorf("the order is not random: %v and %v", one, two)
	}
	slices.Sort(one)
	if want := labels(mustParse(t, "x.yaml", "hosts: {a: [x]}\nrepeat: 20")); !slices.Equal(one, want) {
		t.Errorf("in all it is %v, want %v", one, want)
	}
}

func TestParametersReachEveryTemplate(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", `
hosts: {a: , b: }
matrix: {n: [1, 3], mode: [fast]}
timeout: "{{mul 10 .n}}s"
stop: {after: "{{.n}}s", grace: "{{.n}}00ms"}
groups: {g: {on: a, count: "{{.n}}", name: "{{.mode}}{{.index}}", dir: "/{{.mode}}", env: {N: "{{.n}}"}, delay: "{{.n}}0ms", run: "x{{if eq .mode \"fast\"}} -f{{end}} {{add .n 1}}"}}
`)
	d, err := f.Points()[1].Expand(trial)
	if err != nil {
		t.Fatal(err)
	}
	p := d.Processes[2]
	got := fmt.Sprint(len(d.Processes), d.Timeout, d.Stop.After, d.Stop.Grace, p.Name, p.Dir, p.Env, p.DelayMS, p.Argv, d.Parameters, d.Index, d.Repetition)
	if want := "3 30s 3s 300msfast2/fastmap[N:3] 30 [x -f 4] [{mode fast} {n 3}] 2 1"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(f.Warnings) != 1 { // b takes no part
		t.Errorf("warnings %v, want one", f.Warnings)
	}
}

func TestUnusedParameterIsWarnedOf(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", "hosts: {a: ['x {{.n}}']}\nmatrix: {n: [1], idle: [2], exclude: [{n: 7}]}")
	if len(f.Warnings) != 2 || !strings.Contains(f.Warnings[0].Error(), "nothing is excluded") ||
		!strings.Contains(f.Warnings[1].Error(), "no template uses .idle") {
		t.Errorf("warnings %v, want the exclusion and .idle", f.Warnings)
	}
}

// A definition is that of what is run, wherever it stands in the file.
func TestDefinition(t *testing.T) {
	t.Parallel()
	definitions := func(text string) []string {
		var all []string
		for _, p := range mustParse(t, "x.yaml", text).Points() {
			d, err := p.Definition()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, d)
		}
		return all
	}
	base := definitions("hosts: {a: ['x {{.n}} {{port}}']}\nmatrix: {n: [1, 2]}\nrepeat: 2")
	if len(slices.Compact(slices.Sorted(slices.Values(base)))) != 4 {
		t.Errorf("two datapoints have one definition: %v", base)
	}
	if again := definitions("hosts: {a: ['x {{.n}} {{port}}']}\nmatrix: {n: [0, 1, 2]}\nrepeat: 2"); again[1] != base[0] || again[5] != base[3] {
		t.Error("a definition depends on what else there is")
	}
	for _, other := range []string{
		"hosts: {a: ['y {{.n}} {{port}}']}\nmatrix: {n: [1, 2]}", "hosts: {b: ['x {{.n}} {{port}}']}\nmatrix: {n: [1, 2]}",
		"hosts: {a: ['x {{.n}} {{port}}']}\nmatrix: {n: [1, 2]}\ntimeout: 7s",
	} {
		if definitions(other)[0] == base[0] {
			t.Errorf("the same definition for %s", other)
		}
	}
}
