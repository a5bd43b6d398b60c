package settings_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"downbeat/internal/settings"
)

// A variable that is nearly one of ours is an error that names the one meant.
func TestMisspeltVariableIsNamedWithWhatWasMeant(t *testing.T) {
	t.Parallel()
	for name, meant := range map[string]string{
		"DOWNBEAT_HOSTS": "DOWNBEAT_HOST", "DOWNBEAT_HOSTNAME": "DOWNBEAT_HOST", "DOWNBEAT_HSOT": "DOWNBEAT_HOST",
		"DOWNBEAT_TRUSTED_KEY": "DOWNBEAT_TRUSTED_KEYS", "DOWNBEAT_TRUST_KEYS": "DOWNBEAT_TRUSTED_KEYS",
		"DOWNBEAT_STATE": "DOWNBEAT_STATE_DIR", "DOWNBEAT_STATEDIR": "DOWNBEAT_STATE_DIR", "DOWNBEAT_NAME_SPACE": "DOWNBEAT_NAMESPACE",
		"DOWNBEAT_METRICS": "DOWNBEAT_METRICS_ADDR", "DOWNBEAT_LOGLEVEL": "DOWNBEAT_LOG_LEVEL", "DOWNBEAT_LEASES": "DOWNBEAT_LEASE",
		"DOWNBEAT_QUEUE_ULR": "DOWNBEAT_QUEUE_URL", "DOWNBEAT_QUEUEURL": "DOWNBEAT_QUEUE_URL", "downbeat_host": "DOWNBEAT_HOST",
		"Downbeat_Lease": "DOWNBEAT_LEASE", "DOWNBEAT_ALLOW_UNSIGNED_JOBS": "DOWNBEAT_ALLOW_UNSIGNED", "DOWNBEAT_READY_TIMOUT": "DOWNBEAT_READY_TIMEOUT",
	} {
		errs, warnings := settings.Unknown("worker", &settings.Worker{}, []string{name + "=x"})
		if len(errs) != 1 || len(warnings) != 0 || !strings.Contains(errs[0].Error(), name+" is not a variable of worker: did you mean "+meant+"?") {
			t.Errorf("%s: got %v and %q, want an error that names %s", name, errs, warnings, meant)
		}
	}
}

// There is a warning for a variable that is unlike all of ours, as it may be meant for
// something else.
func TestStrangeVariableIsWarnedOf(t *testing.T) {
	t.Parallel()
	errs, warnings := settings.Unknown("publish", &settings.Publish{}, []string{"DOWNBEAT_ZOO=secret"})
	if len(errs) != 0 || len(warnings) != 1 || !strings.HasPrefix(warnings[0], "DOWNBEAT_ZOO ") {
		t.Fatalf("got %v and %q, want one warning", errs, warnings)
	}
	if strings.Contains(warnings[0], "secret") {
		t.Error("the warning shows the value")
	}
}

// The variables of both programs, of a run's processes, of tests and of service
// links are passed over, and so are empty ones.
func TestVariablesOfOthersArePassedOver(t *testing.T) {
	t.Parallel()
	environ := []string{
		"PATH=x", "DOWNBEAT=x", "DOWNBEAT_RUN=x", "DOWNBEAT_RANK=x", "DOWNBEAT_LOCAL=x", "DOWNBEAT_TEST_AMQP_URL=x", "DOWNBEAT_COMPOSE_QUEUE=x", "DOWNBEAT_HOSTS=",
		"DOWNBEAT_SERVICE_HOST=x", "DOWNBEAT_RABBITMQ_SERVICE_PORT_AMQP=x", "DOWNBEAT_PORT=x", "DOWNBEAT_RABBITMQ_PORT_5672_TCP_ADDR=x",
	}
	for _, name := range append(settings.Names(&settings.Worker{}), settings.Names(&settings.Publish{})...) {
		environ = append(environ, "DOWNBEAT_"+name+"=x")
	}
	for program, own := range map[string]any{"worker": &settings.Worker{}, "publish": &settings.Publish{}} {
		if errs, warnings := settings.Unknown(program, own, environ); len(errs)+len(warnings) != 0 {
			t.Errorf("%s: got %v and %q, want nothing", program, errs, warnings)
		}
	}
}

// A file with the URL is read if it is its owner's alone and holds nothing else.
func TestReadURL(t *testing.T) {
	t.Parallel()
	const url = "amqp://user:hidden@host/"
	for name, test := range map[string]struct {
		text string
		mode os.FileMode
		says string // empty: it is read
	}{
		"good": {url, 0o600, ""}, "newline": {url + "\n", 0o400, ""},
		"group": {url, 0o640, "chmod 600"}, "world": {url, 0o644, "chmod 600"}, "writable": {url, 0o602, "chmod 600"},
		"empty": {"\n", 0o600, "on one line"}, "two lines": {url + "\n" + url, 0o600, "on one line"}, "large": {strings.Repeat("x", 2<<20), 0o600, "bytes"},
	} {
		path := filepath.Join(t.TempDir(), "url")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		got, err := settings.ReadURL(path)
		switch {
		case test.says == "" && (err != nil || got != url):
			t.Errorf("%s: got %q, %v", name, got, err)
		case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "hidden")):
			t.Errorf("%s: got %v, want an error that says %q and where, and not the URL", name, err, test.says)
		}
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		if _, err := settings.ReadURL(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error that names it", path, err)
		}
	}
}

// docs/configuration.md has each flag and variable with the names and the default
// that the tags say, and no others.
func TestConfigurationIsDocumented(t *testing.T) {
	t.Parallel()
	publish := make([]string, 0, 20)
	for _, v := range settings.Variables(&settings.Publish{}) {
		publish = append(publish, fmt.Sprintf("--%s | %s | %s", v.Flag(), strings.Join(v.Keys(), ", else "), v.Unset))
	}
	compare(t, documented(t, "## publish", "| flag | variable |", 3), publish)
	worker := make([]string, 0, 20)
	for _, v := range settings.Variables(&settings.Worker{}) {
		worker = append(worker, v.Keys()[0]+" | "+v.Unset)
	}
	compare(t, documented(t, "## worker", "| variable | default |", 2), worker)
}

// documented are the first cells of the rows of a table in docs/configuration.md,
// without marks and without what stands for a flag's value.
func documented(t *testing.T, section, header string, cells int) (rows []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n"+section+"\n")
	_, rest, ok := strings.Cut(rest, "\n"+header)
	if !ok {
		t.Fatalf("%s has no table %s", section, header)
	}
	for line := range strings.Lines(rest) {
		row := strings.Split(strings.ReplaceAll(line, "`", ""), " | ")
		if line == "\n" {
			break
		}
		if len(row) <= cells || strings.Contains(row[0], "--help") || strings.Contains(row[0], "--version") {
			continue
		}
		row[0], _, _ = strings.Cut(strings.TrimPrefix(row[0], "| "), " ")
		rows = append(rows, strings.Join(row[:cells], " | "))
	}
	return rows
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	for _, row := range want {
		if !slices.Contains(got, row) {
			t.Errorf("docs/configuration.md has no row\n%s\nbut\n%s", row, strings.Join(got, "\n"))
		}
	}
	for _, row := range got {
		if !slices.Contains(want, row) {
			t.Errorf("docs/configuration.md has a row that no setting has: %s", row)
		}
	}
}
