package report

import "testing"

// Runs failed alike though they took another time, and other processes of the same
// group on the same host were the first and the next to fail.
func TestFailuresAlike(t *testing.T) {
	t.Parallel()
	same := []string{
		"client.3 on bravo exited with status 3 after 1ms; then client.2 on alpha, client.1 on bravo and 1 more failed",
		"client.1 on bravo exited with status 3 after 1.2s; then client.0 on alpha failed",
		"client.11 on bravo exited with status 3 after 7ms",
	}
	for _, reason := range same {
		if got, want := alike(reason), alike(same[0]); got != want {
			t.Errorf("%q is %q, want %q", reason, got, want)
		}
	}
	for _, other := range []string{
		"client.3 on alpha exited with status 3 after 1ms",
		"client.3 on bravo exited with status 4 after 1ms",
		"server.3 on bravo exited with status 3 after 1ms",
	} {
		if got := alike(other); got == alike(same[0]) {
			t.Errorf("%q is taken for the failure of another host, status or group: %q", other, got)
		}
	}
}
