package campaign

import (
	"strings"
	"testing"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// refusedBy is the record of a run that these hosts refused: "host: reason" each.
func refusedBy(refusals ...string) results.Record {
	r := results.Record{Outcome: outcome.RunRefused}
	for _, text := range refusals {
		host, reason, _ := strings.Cut(text, ": ")
		r.Hosts = append(r.Hosts, results.HostRecord{Host: host, Outcome: outcome.HostRefused, Reason: reason})
	}
	return r
}

// Three refusals in a row by the same host for the same reason stop a campaign,
// and the second one is reason enough not to try again at once.
func TestSameRefusalStops(t *testing.T) {
	t.Parallel()
	const x, y = "alpha: ./serve is not executable", "alpha: no space left on device"
	notReady := results.Record{Outcome: outcome.RunRefused, Hosts: []results.HostRecord{{Host: "alpha", Outcome: outcome.HostNotReady, Reason: "alpha was not ready"}}}
	// quicker is a run that one host refused before the other could say anything.
	quicker := func(refusal, other string) results.Record {
		r := refusedBy(refusal)
		r.Hosts = append(r.Hosts, results.HostRecord{Host: other, Outcome: outcome.HostStopped})
		return r
	}
	const z = "bravo: ./serve is not executable"
	setup := refusedBy("alpha: setup.0 exited with status 1 after 12ms")
	setup.Hosts[0].Setup = []results.StepRecord{{CommandRecord: results.CommandRecord{Outcome: outcome.CommandFailed}}}
	for _, test := range []struct {
		name          string
		runs          []results.Record
		futile, stops bool
	}{
		{"once", []results.Record{refusedBy(x)}, false, false},
		{"twice", []results.Record{refusedBy(x), refusedBy(x)}, true, false},
		{"three times", []results.Record{refusedBy(x), refusedBy(x), refusedBy(x)}, true, true},
		{"another host", []results.Record{refusedBy(x), refusedBy(x), refusedBy("bravo: ./serve is not executable")}, false, false},
		{"another reason", []results.Record{refusedBy(x), refusedBy(y), refusedBy(x)}, false, false},
		{"a success between", []results.Record{refusedBy(x), refusedBy(x), {Outcome: outcome.RunSucceeded}, refusedBy(x)}, false, false},
		{"a failure between", []results.Record{refusedBy(x), refusedBy(x), {Outcome: outcome.RunFailed}, refusedBy(x)}, false, false},
		{"beside others", []results.Record{refusedBy(x), refusedBy(x, "bravo: full"), refusedBy("charlie: odd", x)}, true, true},
		{"a setup that fails", []results.Record{setup, setup}, false, false},
		{"a setup that always fails", []results.Record{setup, setup, setup}, false, true},
		{"each host in its turn", []results.Record{quicker(x, "bravo"), quicker(z, "alpha"), quicker(x, "bravo"), quicker(z, "alpha")}, true, false},
		{"each host in its turn, for long", []results.Record{quicker(x, "bravo"), quicker(z, "alpha"), quicker(x, "bravo"), quicker(z, "alpha"), quicker(x, "bravo")}, true, true},
		{"another host, which is the only one then", []results.Record{quicker(x, "bravo"), quicker(x, "bravo"), quicker(z, "alpha")}, false, false},
		{"a host that is away", []results.Record{notReady, notReady, notReady}, false, false},
	} {
		var said refusals
		for _, r := range test.runs {
			said = said.after(r)
		}
		if got := (Limits{}).check(0, said).Reason == SameRefusal; said.futile() != test.futile || got != test.stops {
			t.Errorf("%s: futile %t, want %t; stops %t, want %t", test.name, said.futile(), test.futile, got, test.stops)
		}
		if got := (Limits{KeepGoing: true}).check(0, said).Reason; got != NotStopped {
			t.Errorf("%s: with KeepGoing it stops: %s", test.name, got)
		}
	}
}

// Two reasons are the same whatever ids, hashes, durations, sizes and numbers are in them.
func TestEssence(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"the directory of run 01M85EF44YSPACAS2AGA8MMD0X is full", "the directory of run 01M85EG0ABCDEFGHJKMNPQRSTV is full"},
		{"gave up after 1m30s", "gave up after 2.5s"},
		{"gave up after 812 µs", "gave up after 4.2 ms"},
		{"exited with status 3 after 12ms", "exited with status 4 after 1.2s"},
		{"3 of 8 commands, the first: client.3: ./c 7", "2 of 16 commands, the first: client.12: ./c 9"},
		{"file sha256 9a3a45d01531a20e89ac6ae10b0b0beb not there", "file sha256 77aa45d01531a20e89ac6ae10b0b0b11 not there"},
		{"12 MB are free, 1.5 GB are needed", "900 kB are free, 2 GB are needed"},
		{"port 7000 is taken", "port 7001 is taken"},
	} {
		if essence(pair[0]) != essence(pair[1]) {
			t.Errorf("%q and %q differ: %q, %q", pair[0], pair[1], essence(pair[0]), essence(pair[1]))
		}
	}
	for _, pair := range [][2]string{
		{`program "./fast" not found`, `program "./safe" not found`},
		{"no space left on device", "permission denied"},
		{"./a: is not executable", "./a: no such file"},
	} {
		if essence(pair[0]) == essence(pair[1]) {
			t.Errorf("%q and %q are taken for the same", pair[0], pair[1])
		}
	}
}
