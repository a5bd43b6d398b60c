package campaign

import "testing"

// Datapoints that did not succeed stop a campaign at the bound that was given.
func TestFailuresStop(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		limits Limits
		failed int
		want   Reason
		next   bool // one more would be too many
	}{
		{Limits{}, 9, NotStopped, false},
		{Limits{MaxFailures: 2}, 0, NotStopped, false},
		{Limits{MaxFailures: 2}, 1, NotStopped, true},
		{Limits{MaxFailures: 2}, 2, TooManyFailures, true},
		{Limits{FailFast: true}, 0, NotStopped, true},
		{Limits{FailFast: true, MaxFailures: 5}, 1, FirstFailure, true},
		{Limits{KeepGoing: true, MaxFailures: 1}, 1, TooManyFailures, true},
	} {
		got := test.limits.check(test.failed, nil)
		if next := test.limits.reached(test.failed + 1); got.Reason != test.want || next != test.next {
			t.Errorf("%+v after %d: got %s, want %s; at the next %t, want %t", test.limits, test.failed, got.Reason, test.want, next, test.next)
		}
	}
}
