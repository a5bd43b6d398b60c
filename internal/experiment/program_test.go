package experiment

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// judges is a directory with programs, in which experiments may be.
func judges(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"judge.py": 0o700, "check": 0o700, "rules.json": 0o600} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A program arrives with its words, with the parameters' values, and starts where the file is.
func TestProgramsThatJudge(t *testing.T) {
	t.Parallel()
	dir := judges(t)
	d := mustExpand(t, filepath.Join(dir, "x.yaml"), `
hosts: {a: [x]}
matrix: {n: [3]}
metrics:
  lin: {run: "./judge.py --keys '{{.n}} x'", timeout: "{{.n}}s"}
  ops: {run: [./judge.py, --keys, "{{.n}} x"], field: "by.{{.n}}", parse: si, scale: 2, unit: op, partial: true}
require: {safe: {run: ./check, timeout: 5s}, lin.lost: "< {{.n}}"}
`)
	lin, ops, safe, lost := d.Metrics[0], d.Metrics[1], d.Require[0], d.Require[1]
	if got := lin.Program.String(); got != "./judge.py --keys '3 x'" || lin.Program.Dir != dir || lin.Program.Timeout != 3*time.Second || !lin.Program.Same(ops.Program) {
		t.Errorf("got %s: %+v, %+v", got, lin.Program, ops.Program)
	}
	if ops.Program.Timeout != time.Minute || ops.Field != "by.3" || ops.Parse != NotationSI || ops.Scale != 2 || !ops.Partial || len(ops.Sources) > 0 {
		t.Errorf("got %+v", ops)
	}
	if safe.Name != "safe" || safe.Text != "./check" || safe.Program.Timeout != 5*time.Second || safe.Definition == "" || lost.Program != nil || lost.Limit != 3 {
		t.Errorf("got %+v, %+v", safe, lost)
	}
	if !lin.Gives("lin.lost") || lin.Gives("lin") || lin.Gives("linear.lost") || ops.Gives("ops.x") {
		t.Error("a program without a field gives what begins with its name and a dot")
	}
	if _, err := lin.Part("a b"); err == nil {
		t.Error("a b names a metric")
	}
}

// A definition changes with the files that the command names, and with the command, but not with
// its time.
func TestDefinitionOfPrograms(t *testing.T) {
	t.Parallel()
	dir := judges(t)
	define := func(metric string) (metrics, require string) {
		f, err := ParseJudges(Origin{Path: filepath.Join(dir, "x.yaml")}, []byte("hosts: {a: [x]}\nmetrics: {m: {"+metric+"}}\nrequire: {r: {"+metric+"}}\n"))
		if err != nil {
			t.Fatal(err)
		}
		by, err := f.Judges(Past{})
		if err != nil {
			t.Fatal(err)
		}
		return by.Metrics[0].Definition, by.Require[0].Definition
	}
	const command = "run: ./judge.py --rules rules.json"
	first, check := define(command)
	if again, checkAgain := define(command + ", timeout: 7s"); again != first || checkAgain != check {
		t.Error("the time belongs to the definition")
	}
	if other, _ := define("run: ./judge.py --rules  rules.json --all"); other == first || SameDefinition(first, other) {
		t.Error("the arguments do not belong to the definition")
	}
	for _, name := range []string{"judge.py", "rules.json"} {
		before, checkBefore := define(command)
		if err := os.WriteFile(filepath.Join(dir, name), []byte("changed"), 0o700); err != nil { //nolint:gosec // programs
			t.Fatal(err)
		}
		if now, checkNow := define(command); now == before || checkNow == checkBefore || SameDefinition(before, now) {
			t.Errorf("%s does not belong to the definition", name)
		}
	}
	before, checkBefore := define(command)
	if err := os.Remove(filepath.Join(dir, "judge.py")); err != nil {
		t.Fatal(err)
	}
	if now, checkNow := define(command); !SameDefinition(before, now) || !SameDefinition(checkBefore, checkNow) || SameDefinition(now, before) {
		t.Errorf("without the program: got %s and %s, before %s and %s", now, checkNow, before, checkBefore)
	}
}

// Before anything is started, each program must be there.
func TestProgramsMustBeThere(t *testing.T) {
	t.Parallel()
	dir := judges(t)
	for command, want := range map[string]string{
		"./judge":         "metrics.m.run: there is no program " + dir + "/judge (a relative path starts in the directory of the experiment's file)",
		"./rules.json":    "metrics.m.run: " + dir + "/rules.json can't be executed (mode -rw-------) (chmod +x " + dir + "/rules.json)",
		"/":               "metrics.m.run: / is a directory, not a program",
		"no-such-program": `metrics.m.run: there is no program "no-such-program" in PATH (one beside the experiment's file is ./no-such-program)`,
	} {
		_, err := Parse(filepath.Join(dir, "x.yaml"), []byte("hosts: {a: [x]}\nmetrics: {m: {run: "+command+"}}\n"))
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", command, err, want)
		}
	}
	_, err := Parse(filepath.Join(dir, "x.yaml"), []byte("hosts: {a: [x]}\nrequire: {r: {run: ./check me}, s: {run: ./none}}\n"))
	if err == nil || !strings.Contains(err.Error(), "require.s.run: there is no program "+dir+"/none") {
		t.Errorf("got %v", err)
	}
}

// Within one reading of the file, a program that changes is seen to.
func TestContentsThatChangeAreSeen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "judge")
	var c contents
	for _, text := range []string{"one", "one and more", "two and more"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Duration(len(c.known)+int(text[0])) * time.Second) // whatever the file system keeps of it
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
		want, _ := hashOfFile(path)
		for range 2 {
			if got, ok := c.hashOf(path); !ok || got != want {
				t.Errorf("%s: got %s, want %s", text, got, want)
			}
		}
	}
	if _, ok := c.hashOf(filepath.Dir(path)); ok {
		t.Error("a directory has a content")
	}
}
