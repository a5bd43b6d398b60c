package publisher

import (
	"strings"
	"testing"

	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
)

// hanging is a run of so many servers, then clients, of which the last so many hang.
func hanging(servers, clients, hung int, when ...string) *run {
	r := &run{dp: &experiment.Datapoint{Stop: experiment.StopRule{When: when}}}
	for i := range servers {
		r.processes = append(r.processes, process{Command: proc("alpha", "server", i)})
	}
	for i := range clients {
		r.processes = append(r.processes, process{Command: proc("bravo", "client", i), ended: i < clients-hung})
	}
	return r
}

// Whoever the stop rule waits for is named first when the time is over, however many
// servers come before, and it is told how many more there are.
func TestHungProcessesAreNamedFirst(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		run  *run
		want string
	}{
		{hanging(2, 2, 2), "alpha/server.0, alpha/server.1, bravo/client.0 and bravo/client.1"},
		{hanging(0, 2, 1, "client"), "bravo/client.1"},
		{hanging(1, 2, 0, "client"), "alpha/server.0"},
		{hanging(1, 2, 1, "client"), "bravo/client.1, which the stop rule waits for, besides alpha/server.0"},
		{hanging(24, 24, 2, "client"), "bravo/client.22 and bravo/client.23, which the stop rule waits for, besides alpha/server.0, alpha/server.1 and 22 more"},
		{
			hanging(24, 24, 24, "client"), "bravo/client.0, bravo/client.1, bravo/client.2, bravo/client.3, bravo/client.4, bravo/client.5 and 18 more, " +
				"which the stop rule waits for, besides alpha/server.0, alpha/server.1 and 22 more",
		},
	} {
		if got := test.run.stillRunning(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

// So it is in the reason of a host.
func TestHungProcessesOfAHost(t *testing.T) {
	t.Parallel()
	r := hanging(9, 2, 2, "client")
	h := &host{}
	for i := range r.processes {
		h.processes = append(h.processes, i)
		r.processes[i].record.Outcome = outcome.CommandTimedOut
	}
	word, reason := r.hostOutcome(h, outcome.RunTimedOut)
	if word != outcome.HostTimedOut || !strings.HasPrefix(reason, "client.0, client.1, server.0, ") {
		t.Errorf("got %s: %s", word, reason)
	}
}
