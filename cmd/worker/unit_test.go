package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"downbeat/internal/settings"
)

// units is the directory of what systemd is given.
const units = "../../deploy/systemd"

// worstExposure is what `systemd-analyze security` may give the unit at most,
// in tenths; 100 is a service that nothing is kept from. What is left of it is
// what ordinary users' programs need.
const worstExposure = "35"

// unit copies the unit to where it can be analyzed: on a machine without the
// worker and its user.
func unit(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze here: install Debian's package systemd")
	}
	text, err := os.ReadFile(filepath.Join(units, "downbeat-worker.service"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("ExecStart=/usr/local/bin/worker\n"), []byte("ExecStart="+program+"\n"), 1)
	path := filepath.Join(t.TempDir(), "downbeat-worker.service")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUnitIsRight: systemd understands every line of the unit.
func TestUnitIsRight(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", unit(t)).CombinedOutput()
	if about := linesAbout(string(out), "downbeat-worker"); err != nil || about != "" {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// linesAbout keeps what verify says of other units of this machine out.
func linesAbout(out, name string) string {
	var about strings.Builder
	for line := range strings.Lines(out) {
		if strings.Contains(line, name) {
			about.WriteString(line)
		}
	}
	return about.String()
}

// TestUnitKeepsProcessesFromMuch: the unit leaves what it runs no more than it needs.
func TestUnitKeepsProcessesFromMuch(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=yes", "--no-pager",
		"--threshold="+worstExposure, unit(t)).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// TestEnvironmentFileNamesEveryVariable: the file has a line for each variable, with
// its default, and none besides.
func TestEnvironmentFileNamesEveryVariable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(units, "worker.env"))
	if err != nil {
		t.Fatal(err)
	}
	names := settings.Names(&settings.Worker{})
	for _, v := range settings.Variables(&settings.Worker{}) {
		line := "DOWNBEAT_" + v.Name + "="
		if v.Default != "" {
			line += v.Default + "\n"
		}
		if !strings.Contains(string(text), "\n"+line) && !strings.Contains(string(text), "\n#"+line) {
			t.Errorf("worker.env has no line %q", line)
		}
	}
	for line := range strings.Lines(string(text)) {
		name, _, ok := strings.Cut(strings.TrimPrefix(line, "#"), "=")
		short, ours := strings.CutPrefix(name, "DOWNBEAT_")
		if ok && ours && !slices.Contains(names, short) {
			t.Errorf("worker.env has %s, which the worker doesn't know", name)
		}
	}
}
