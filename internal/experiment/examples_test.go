package experiment

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// exampleFiles are the experiments that come with the project.
func exampleFiles(t testing.TB) []string {
	t.Helper()
	files := []string{filepath.Join(root, "sample.json")}
	err := filepath.WalkDir(filepath.Join(root, "examples"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(path)) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestExamples: every example is right, without a warning, is named in
// examples/README.md, and the scripts it starts are there and executable.
func TestExamples(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, "examples", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	files := exampleFiles(t)
	if len(files) < 4 {
		t.Fatalf("found no more than %v", files)
	}
	for _, path := range files {
		f, err := Load(path, nil)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if len(f.Warnings) > 0 {
			t.Errorf("%v", f.Warnings)
		}
		if !strings.Contains(string(readme), filepath.Base(path)) {
			t.Errorf("examples/README.md doesn't mention %s", filepath.Base(path))
		}
		d, err := f.Points()[0].Expand(trial)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Processes {
			checkScript(t, path, p.Argv[0])
		}
	}
}

// checkScript looks for a script where a worker started in the clone finds it.
func checkScript(t *testing.T, path, program string) {
	t.Helper()
	if !strings.HasPrefix(program, "./") {
		return
	}
	info, err := os.Stat(filepath.Join(root, program))
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 != 0o111 {
		t.Errorf("%s: %s is not executable: %v, %v", path, program, info, err)
	}
}

// TestSampleIsReal: the first thing a newcomer runs shows what the tool is for.
func TestSampleIsReal(t *testing.T) {
	t.Parallel()
	f, err := Load(filepath.Join(root, "sample.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Hosts) != 4 || len(f.Groups) < 3 || len(f.stop.when) == 0 {
		t.Errorf("sample.json has %d hosts, %d groups, stop %+v", len(f.Hosts), len(f.Groups), f.stop)
	}
}

// TestFortyEight: the example has the shape of the datapoints that Downbeat is
// made for: 24 servers, 24 clients, each told something else, on 4 hosts.
func TestFortyEight(t *testing.T) {
	t.Parallel()
	f, err := Load(filepath.Join(root, "examples", "48-processes.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.Points()[0].Expand(trial)
	if err != nil {
		t.Fatal(err)
	}
	groups := make(map[string]int)
	lines := make(map[string]bool)
	for _, p := range d.Processes {
		groups[p.Group]++
		lines[strings.Join(p.Argv, " ")] = true
	}
	if groups["replica"] != 24 || groups["client"] != 24 || len(lines) != 48 || len(d.Hosts) != 4 {
		t.Errorf("got %v, %d different commands, hosts %v", groups, len(lines), d.Hosts)
	}
}
