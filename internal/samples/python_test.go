package samples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The program in docs/results.md reads a file, also one that was cut off.
func TestProgramOfTheDocsReadsAFile(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	page, err := os.ReadFile("../../docs/results.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Samples\n")
	_, program, found := strings.Cut(section, "```python\n")
	program, _, closed := strings.Cut(program, "```")
	if !found || !closed {
		t.Fatal("there is no program")
	}
	dir := t.TempDir()
	var b Builder
	for i := range int64(3) {
		b.Row(epoch.Add(time.Duration(i) * time.Second))
		b.Put(Host, "", make([]int64, HostTemperature+1))
		b.Put(Process, "client.0", []int64{i * 250_000, 0, 3 << 20, Unknown, Unknown, 0, 0, 1, 1, 1})
	}
	file := Append([]byte(Header), b.Block())
	b.Row(epoch.Add(3 * time.Second))
	b.Put(Process, "client.0", []int64{1_250_000, 0, 5 << 20, Unknown, Unknown, 0, 0, 1, 1, 1})
	whole := Append(append([]byte(nil), file...), b.Block())
	for name, data := range map[string][]byte{"program.py": []byte(program), "whole": whole, "cut": whole[:len(whole)-1]} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := "1795867201.000 client.0 25.0 % of a core, 3 MiB\n1795867202.000 client.0 25.0 % of a core, 3 MiB\n"
	for name, want := range map[string]string{"cut": first, "whole": first + "1795867203.000 client.0 75.0 % of a core, 5 MiB\n"} {
		out, err := exec.Command(python, filepath.Join(dir, "program.py"), filepath.Join(dir, name)).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, out, want)
		}
	}
}
