package publisher

import (
	"testing"
	"time"

	"downbeat/internal/clock"
)

// A skew's bound covers whatever the instants' own bounds leave open: between two
// hosts both errors count, within one host none. A skew below its bound can be
// anything up to it.
func TestSkewBoundCoversWhatTheClocksLeaveOpen(t *testing.T) {
	t.Parallel()
	type at struct {
		host  string
		us    int64
		error int64
	}
	for name, test := range map[string]struct {
		instants    []at
		skew, error int64
	}{
		"nothing":                       {nil, 0, 0},
		"one instant":                   {[]at{{"a", 5, 300}}, 0, 1},
		"one host":                      {[]at{{"a", 5, 300}, {"a", 12, 300}, {"a", 9, 300}}, 7, 1},
		"two hosts, beyond doubt":       {[]at{{"a", 0, 100}, {"b", 900, 200}}, 900, 300},
		"two hosts, below the bound":    {[]at{{"a", 0, 100}, {"b", 40, 200}}, 40, 340},
		"two hosts at once":             {[]at{{"a", 0, 100}, {"b", 0, 200}}, 0, 300},
		"one host proves what's within": {[]at{{"a", 0, 100}, {"a", 500, 100}, {"b", 250, 200}}, 500, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zero := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
			var s spread
			for _, i := range test.instants {
				ours := zero.Add(time.Duration(i.us) * time.Microsecond)
				s.add(i.host, clock.Instant{Time: ours, Error: time.Duration(i.error) * time.Microsecond, Theirs: ours.Add(time.Hour)}, 0)
			}
			if got := s.width().Microseconds(); got != test.skew {
				t.Errorf("skew %d µs, want %d", got, test.skew)
			}
			if got := s.errorUS(); got != test.error {
				t.Errorf("bound %d µs, want %d", got, test.error)
			}
		})
	}
}
