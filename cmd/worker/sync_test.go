package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"downbeat/internal/testkit"
	"downbeat/internal/worker/rendezvous"
)

// syncOn runs `worker sync` with those arguments in a process of a run whose worker answers
// as ask does.
func syncOn(t *testing.T, ask func(rendezvous.Request) (rendezvous.Answer, error), args ...string) (status int, stdout, stderr string) {
	t.Helper()
	path := rendezvous.Path(t.TempDir())
	server, err := rendezvous.Listen(t.Context(), rendezvous.Options{
		Path: path, Ask: func(_ context.Context, r rendezvous.Request) (rendezvous.Answer, error) { return ask(r) },
	})
	testkit.Check(t, err)
	defer func() { testkit.Check(t, server.Close()) }()
	variables := map[string]string{"DOWNBEAT_SYNC": path, "DOWNBEAT_PROCESS": "server.1"}
	var out, errors strings.Builder
	status = meet(t.Context(), args, func(name string) string { return variables[name] }, strings.NewReader("from stdin"), &out, &errors)
	return status, out.String(), errors.String()
}

// The command line says what is asked for, wherever its flags stand.
func TestSyncAsksForWhatItSays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ line, asks, prints string }{
		{"barrier loaded --count 8", "barrier loaded 8 1m0s  ", ""},
		{"barrier --within 2s loaded -count=8", "barrier loaded 8 2s  ", ""},
		{"put leader 10.0.0.1:80", "put leader 0 0s 10.0.0.1:80 ", ""},
		{"put leader -", "put leader 0 0s from stdin ", ""},
		{"get leader", "get leader 0 0s  ", "the value"},
		{"get leader --wait 30s", "get leader 0 30s  ", "the value"},
		{"mark warm", "mark warm 0 0s  ", ""},
	} {
		var asks string
		status, stdout, stderr := syncOn(t, func(r rendezvous.Request) (rendezvous.Answer, error) {
			asks = fmt.Sprintf("%s %s %d %s %s ", r.What, r.Name, r.Count, r.Within, r.Value)
			return rendezvous.Answer{Value: []byte("the value")}, nil
		}, strings.Fields(tt.line)...)
		if status != exitOK || stderr != "" || asks != tt.asks || stdout != tt.prints {
			t.Errorf("%s: status %d, asks for %q, prints %q and %q; want %q and %q", tt.line, status, asks, stdout, stderr, tt.asks, tt.prints)
		}
	}
}

// A request that can't be made, and one that was not granted, are told.
func TestSyncSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line   string
		status int
		says   string
	}{
		{"", exitUsage, "say what for"},
		{"dance", exitUsage, `"dance" can't be asked for`},
		{"barrier loaded", exitUsage, "barrier: say how many have to come, as in --count 8"},
		{"barrier --count 8", exitUsage, "barrier takes a name: 0 given"},
		{"barrier a/b --count 8", exitUsage, `"a/b" is not a usable name`},
		{"barrier loaded --count -1", exitUsage, "a barrier for -1"},
		{"barrier loaded --count 8 --within soon", exitUsage, "invalid value"},
		{"put leader", exitUsage, "put takes a name and a value: 1 given"},
		{"put leader " + strings.Repeat("x", 16385), exitUsage, "at most 16384 are taken"},
		{"get leader", exitFailed, "worker sync: not here"},
	} {
		status, _, stderr := syncOn(t, func(rendezvous.Request) (rendezvous.Answer, error) {
			return rendezvous.Answer{Err: "not here"}, nil
		}, strings.Fields(tt.line)...)
		if status != tt.status || !strings.Contains(stderr, tt.says) {
			t.Errorf("%.40s: status %d, and says %q; want %d and %q", tt.line, status, stderr, tt.status, tt.says)
		}
	}
	var stdout, stderr strings.Builder
	none := func(string) string { return "" }
	if status := meet(t.Context(), []string{"mark", "m"}, none, nil, &stdout, &stderr); status != exitUsage || !strings.Contains(stderr.String(), "DOWNBEAT_SYNC is not set") {
		t.Errorf("outside of a run: status %d, and says %q", status, stderr.String())
	}
	if status := meet(t.Context(), []string{"get", "--help"}, none, nil, &stdout, &stderr); status != exitOK || !strings.Contains(stdout.String(), "worker sync barrier NAME") {
		t.Errorf("--help: status %d, and prints %q", status, stdout.String())
	}
}
