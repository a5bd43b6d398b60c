package facts

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func run(name string, change func(*Run)) Run {
	r := Run{Name: name, Git: &Git{Commit: "0123456789abcdef", Branch: "main"}}
	for _, host := range []string{"alpha", "bravo", "charlie"} {
		r.Hosts = append(r.Hosts, Host{host, &HostFacts{Machine: host, Kernel: "Linux 6.1", CPU: "EPYC", MemoryBytes: 64 << 30, Load: new(float64)}})
		r.Programs = append(r.Programs, Program{host, "./server", ProgramFacts{Path: "/opt/server", SHA256: "aaaaaaaaaaaaaaaa", Build: "go1.26"}})
	}
	if change != nil {
		change(&r)
	}
	return r
}

func TestRunsThatAreAlikeHaveNoDifferences(t *testing.T) {
	t.Parallel()
	if got := Differences([]Run{run("1", nil), run("2", func(r *Run) { *r.Hosts[0].Facts.Load = 3 })}); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	if got := Differences(nil); len(got) != 0 {
		t.Errorf("of nothing: %q", got)
	}
}

func TestDifferencesAreSaidOnce(t *testing.T) {
	t.Parallel()
	other := func(r *Run) {
		r.Hosts[2].Facts.Kernel, r.Hosts[1].Facts.MemoryBytes = "Linux 6.8", 32<<30
		r.Programs[1].SHA256 = "bbbbbbbbbbbbbbbb"
	}
	got := Differences([]Run{run("1", other), run("2", other)})
	want := []string{
		"the hosts differ in kernel: Linux 6.1 on alpha, bravo; Linux 6.8 on charlie",
		"the hosts differ in memory: 64 GiB on alpha, charlie; 32 GiB on bravo",
		"the hosts differ in the program ./server: aaaaaaaaaaaa (go1.26) on alpha, charlie; bbbbbbbbbbbb (go1.26) on bravo",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestChangesBetweenRunsAreTold(t *testing.T) {
	t.Parallel()
	later := func(r *Run) {
		for i := range r.Hosts {
			r.Hosts[i].Facts.Kernel = "Linux 6.8"
			r.Programs[i].SHA256 = "cccccccccccccccc"
		}
		r.Git = &Git{Commit: "fedcba9876543210", Branch: "main", Dirty: true}
	}
	unknown := func(r *Run) { r.Hosts[0].Facts, r.Programs, r.Git = nil, nil, nil } // as of an old worker
	got := Differences([]Run{run("0001", nil), run("0002", unknown), run("0003", later), run("0004", later)})
	want := []string{
		"kernel of alpha, bravo, charlie changed from Linux 6.1 to Linux 6.8 with 0003",
		"on alpha, bravo, charlie the program /opt/server changed from aaaaaaaaaaaa (go1.26) to cccccccccccc (go1.26) with 0003",
		"the experiment's directory changed from commit 0123456789ab on main to commit fedcba987654 on main with changes with 0003",
		"2 of 4 runs were made from a git directory with changes that are in no commit",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// Each field of a host's facts is one that can be shown, compared and required, but for what
// identifies it and the list of processes.
func TestEveryFactHasARow(t *testing.T) {
	t.Parallel()
	for f := range reflect.TypeFor[HostFacts]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if _, ok := RowOf(name); !ok && name != "boot" && name != "foreign" && name != "measured_ms" {
			t.Errorf("%s has no row", name)
		}
	}
}

func TestFactsAreShown(t *testing.T) {
	t.Parallel()
	load := 0.25
	f := &HostFacts{Kernel: "Linux 6.1", Cores: 8, CPUs: 1.5, MemoryBytes: 1536 << 20, Load: &load}
	for name, want := range map[string]string{"kernel": "Linux 6.1", "cores": "8", "cpus": "1.5", "memory_bytes": "1.5 GiB", "load": "0.25", "governor": "", "foreign_cpu": ""} {
		row, _ := RowOf(name)
		if got := row.Show(f); got != want {
			t.Errorf("%s is shown as %q, want %q", name, got, want)
		}
	}
}
