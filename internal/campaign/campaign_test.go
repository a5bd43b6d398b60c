package campaign

import (
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
)

// Datapoints are run one after the other. The next is made as soon as no process of the
// one before is left, and opened once that is over.
func TestOrder(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config Config
		script string
	}{
		"none": {Config{Source: points(0)}, `
			begin               -> finish 0/0`},
		"one": {Config{Source: points(1)}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  ->
			over r1 succeeded   -> report r1 succeeded; finish 1/1`},
		"the next is made as soon as the hosts are free": {Config{Source: points(3)}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			over r1 succeeded   -> report r1 succeeded; open r2
			ended r2 succeeded  -> make 3
			made                ->
			over r2 succeeded   -> report r2 succeeded; open r3
			ended r3 succeeded  ->
			over r3 succeeded   -> report r3 succeeded; finish 3/3`},
		"a run may be over without its end having been told": {Config{Source: points(2)}, `
			begin               -> make 1
			made                -> open r1
			over r1 succeeded   -> report r1 succeeded; make 2
			made                -> open r2
			over r2 succeeded   -> report r2 succeeded; finish 2/2`},
		"a run that is over before the next is made": {Config{Source: points(2)}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			over r1 succeeded   -> report r1 succeeded
			made                -> open r2
			over r2 succeeded   -> report r2 succeeded; finish 2/2`},
		"one that fails does not keep the others from their turn": {Config{Source: points(2)}, `
			begin               -> make 1
			made                -> open r1
			ended r1 failed     -> make 2
			made                ->
			over r1 failed      -> report r1 failed; open r2
			over r2 succeeded   -> report r2 succeeded; finish 1/2, 1 failed`},
		"nor does one that somebody cancels": {Config{Source: points(2), Retries: 1}, `
			begin               -> make 1
			made                -> open r1
			ended r1 aborted    -> make 2
			made                ->
			over r1 aborted     -> report r1 aborted; open r2
			over r2 succeeded   -> report r2 succeeded; finish 1/2, 1 failed`},
		"what was done before counts": {Config{Source: points(1), Before: 2}, `
			begin               -> make 1
			made                -> open r1
			over r1 succeeded   -> report r1 succeeded; finish 3/3`},
		"what a prepared run has told counts in its turn": {Config{Source: points(3)}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			ended r2 refused    ->
			over r2 refused     ->
			over r1 succeeded   -> report r1 succeeded; open r2; report r2 refused; make 3
			made                -> open r3
			over r3 succeeded   -> report r3 succeeded; finish 2/3, 1 failed`},
		"also that its hosts are free again": {Config{Source: points(3)}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			ended r2 aborted    ->
			over r1 succeeded   -> report r1 succeeded; open r2; make 3
			made                ->
			over r2 aborted     -> report r2 aborted; open r3
			over r3 succeeded   -> report r3 succeeded; finish 2/3, 1 failed`},
		"what is told of other runs does no harm": {Config{Source: points(1)}, `
			begin               -> make 1
			begin               ->
			made                -> open r1
			ended r7 succeeded  ->
			over r7 succeeded   ->
			+1h                 ->
			over r1 succeeded   -> report r1 succeeded; finish 1/1
			over r1 succeeded   ->
			begin               ->`},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, test.config, test.script) })
	}
}

// A datapoint that did not succeed is tried again as often as is allowed.
func TestRetry(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config Config
		script string
	}{
		"the run of the first attempt is kept": {Config{Source: points(1), Retries: 3}, `
			begin               -> make 1
			made                -> open r1
			ended r1 failed     -> make 1 try 2 since r1
			made                ->
			over r1 failed      -> report r1 failed; retry 2 of 4; open r2
			ended r2 lost       -> make 1 try 3 since r1
			made                ->
			over r2 lost        -> report r2 lost; retry 3 of 4; open r3
			ended r3 timed_out  -> make 1 try 4 since r1
			made                ->
			over r3 timed_out   -> report r3 timed_out; retry 4 of 4; open r4
			ended r4 failed     ->
			over r4 failed      -> report r4 failed; finish 0/1, 1 failed`},
		"attempts of earlier campaigns are counted, and take none away": {Config{Source: points(1), Retries: 1}, `
			begin               -> make 1
			made 3              -> open r1
			over r1 failed      -> report r1 failed; retry 4 of 4; make 1 try 2 since r1
			made 4              -> open r2
			over r2 failed      -> report r2 failed; finish 0/1, 1 failed`},
		"a retry comes before the next datapoint": {Config{Source: points(2), Retries: 1}, `
			begin               -> make 1
			made                -> open r1
			ended r1 failed     -> make 1 try 2 since r1
			made                ->
			over r1 failed      -> report r1 failed; retry 2 of 2; open r2
			ended r2 succeeded  -> make 2
			made                ->
			over r2 succeeded   -> report r2 succeeded; open r3
			over r3 succeeded   -> report r3 succeeded; finish 2/2`},
		"each datapoint has its own": {Config{Source: points(2), Retries: 1}, `
			begin               -> make 1
			made                -> open r1
			over r1 failed      -> report r1 failed; retry 2 of 2; make 1 try 2 since r1
			made                -> open r2
			over r2 failed      -> report r2 failed; make 2
			made                -> open r3
			over r3 failed      -> report r3 failed; retry 2 of 2; make 2 try 2 since r3
			made                -> open r4
			over r4 succeeded   -> report r4 succeeded; finish 1/2, 1 failed`},
		"a run that is refused is not prepared for, as the reason decides": {Config{Source: points(2), Retries: 3}, `
			begin               -> make 1
			made                -> open r1
			ended r1 refused    ->
			over r1 refused alpha: no disk   -> report r1 refused; retry 2 of 4; make 1 try 2 since r1
			made                -> open r2
			ended r2 refused    ->
			over r2 refused alpha: no disk   -> report r2 refused; make 2
			made                -> open r3
			over r3 succeeded   -> report r3 succeeded; finish 1/2, 1 failed`},
		"a run that is aborted is not tried again, though a retry is prepared": {Config{Source: points(2), Retries: 1}, `
			begin               -> make 1
			made                -> open r1
			ended r1 failed     -> make 1 try 2 since r1
			made                ->
			over r1 aborted     -> report r1 aborted; give up r2
			over r2 error       -> make 2
			made                -> open r3
			over r3 succeeded   -> report r3 succeeded; finish 1/2, 1 failed`},
		"a run that its metrics fail is tried again; what was prepared is given up, and made again": {Config{Source: points(2), Retries: 1}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			over r1 failed      -> report r1 failed; retry 2 of 2; give up r2
			over r2 error       -> make 1 try 2 since r1
			made                -> open r3
			ended r3 succeeded  -> make 2
			made                ->
			over r3 succeeded   -> report r3 succeeded; open r4
			over r4 succeeded   -> report r4 succeeded; finish 2/2`},
		"also where it was over already": {Config{Source: points(2), Retries: 1}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			over r2 refused     ->
			over r1 failed      -> report r1 failed; retry 2 of 2; make 1 try 2 since r1
			made                -> open r3
			over r3 succeeded   -> report r3 succeeded; make 2
			made                -> open r4
			over r4 succeeded   -> report r4 succeeded; finish 2/2`},
		"also where it is made only then": {Config{Source: points(2), Retries: 1}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			over r1 failed      -> report r1 failed; retry 2 of 2
			made                -> give up r2
			over r2 error       -> make 1 try 2 since r1
			made                -> open r3
			over r3 succeeded   -> report r3 succeeded; make 2
			made                -> open r4
			over r4 succeeded   -> report r4 succeeded; finish 2/2`},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, test.config, test.script) })
	}
}

// Runs that failed, timed out, were lost or refused are tried again; no others.
func TestWhichOutcomesAreTriedAgain(t *testing.T) {
	t.Parallel()
	for word, want := range map[outcome.Run]bool{
		outcome.RunSucceeded: false, outcome.RunFailed: true, outcome.RunTimedOut: true,
		outcome.RunAborted: false, outcome.RunLost: true, outcome.RunRefused: true,
	} {
		c := New(Config{Retries: 1})
		if got := c.mayRetry(Attempt{Try: 1}, word); got != want {
			t.Errorf("%s: got %t, want %t", word, got, want)
		}
		if c.mayRetry(Attempt{Try: 2}, word) {
			t.Errorf("%s: it has a third attempt", word)
		}
	}
}

// A campaign is stopped before its end by its limits, and prepares nothing that these
// may forbid.
func TestLimits(t *testing.T) {
	t.Parallel()
	const alwaysRefused = `
			begin               -> make 1
			made                -> open r1
			over r1 refused alpha: no disk   -> report r1 refused; make 2
			made                -> open r2
			over r2 refused alpha: no disk   -> report r2 refused; make 3
			made                -> open r3
			over r3 refused alpha: no disk   -> report r3 refused; `
	for name, test := range map[string]struct {
		config Config
		script string
	}{
		"fail-fast": {Config{Source: points(3), Limits: Limits{FailFast: true}}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			over r1 succeeded   -> report r1 succeeded; open r2
			ended r2 failed     ->
			over r2 failed      -> report r2 failed; finish 1/3, 1 failed, 1 left: first failure`},
		"fail-fast lets a datapoint have its attempts": {Config{Source: points(2), Retries: 1, Limits: Limits{FailFast: true}}, `
			begin               -> make 1
			made                -> open r1
			ended r1 failed     -> make 1 try 2 since r1
			made                ->
			over r1 failed      -> report r1 failed; retry 2 of 2; open r2
			ended r2 failed     ->
			over r2 failed      -> report r2 failed; finish 0/2, 1 failed, 1 left: first failure`},
		"fail-fast gives up what was prepared, and waits until it has left": {Config{Source: points(2), Limits: Limits{FailFast: true}}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			over r1 failed      -> report r1 failed; give up r2
			over r2 error       -> finish 0/2, 1 failed, 1 left: first failure`},
		"max-failures counts datapoints, not attempts": {Config{Source: points(4), Retries: 1, Limits: Limits{MaxFailures: 2}}, `
			begin               -> make 1
			made                -> open r1
			over r1 failed      -> report r1 failed; retry 2 of 2; make 1 try 2 since r1
			made                -> open r2
			ended r2 failed     -> make 2
			made                ->
			over r2 failed      -> report r2 failed; open r3
			ended r3 failed     -> make 2 try 2 since r3
			made                ->
			over r3 failed      -> report r3 failed; retry 2 of 2; open r4
			ended r4 failed     ->
			over r4 failed      -> report r4 failed; finish 0/4, 2 failed, 2 left: too many failures`},
		"what succeeds between does not count": {Config{Source: points(3), Limits: Limits{MaxFailures: 2}}, `
			begin               -> make 1
			made                -> open r1
			over r1 failed      -> report r1 failed; make 2
			made                -> open r2
			ended r2 succeeded  -> make 3
			made                ->
			over r2 succeeded   -> report r2 succeeded; open r3
			over r3 succeeded   -> report r3 succeeded; finish 2/3, 1 failed`},
		"the same refusal": {
			Config{Source: points(4)},
			alwaysRefused + "finish 0/4, 3 failed, 1 left: same refusal",
		},
		"the same refusal, with keep-going": {Config{Source: points(4), Limits: Limits{KeepGoing: true}}, alwaysRefused + `make 4
			made                -> open r4
			over r4 refused alpha: no disk   -> report r4 refused; finish 0/4, 4 failed`},
		"the last datapoint may fail without anything having been stopped": {Config{Source: points(1), Limits: Limits{FailFast: true}}, `
			begin               -> make 1
			made                -> open r1
			over r1 failed      -> report r1 failed; finish 0/1, 1 failed`},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, test.config, test.script) })
	}
}

// An interrupt stops what is under way, gives up what is prepared, and begins nothing.
// A second one changes nothing.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config Config
		script string
	}{
		"a run": {Config{Source: points(2), Retries: 1}, `
			begin               -> make 1
			made                -> open r1
			interrupt           -> stop r1
			interrupt           ->
			ended r1 aborted    ->
			over r1 aborted     -> report r1 aborted; finish 0/2, 1 failed, 1 left: interrupted
			interrupt           ->`},
		"a run that succeeds all the same": {Config{Source: points(1)}, `
			begin               -> make 1
			made                -> open r1
			interrupt           -> stop r1
			over r1 succeeded   -> report r1 succeeded; finish 1/1: interrupted`},
		"a run that fails is not tried again": {Config{Source: points(1), Retries: 1}, `
			begin               -> make 1
			made                -> open r1
			interrupt           -> stop r1
			ended r1 failed     ->
			over r1 failed      -> report r1 failed; finish 0/1, 1 failed: interrupted`},
		"while the next is prepared": {Config{Source: points(2)}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			interrupt           -> give up r2; stop r1
			over r1 succeeded   -> report r1 succeeded
			over r2 error       -> finish 1/2, 1 left: interrupted`},
		"while the next is prepared, which is gone first": {Config{Source: points(2)}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			interrupt           -> give up r2; stop r1
			over r2 error       ->
			over r1 succeeded   -> report r1 succeeded; finish 1/2, 1 left: interrupted`},
		"while the next is made": {Config{Source: points(2)}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			interrupt           -> stop r1
			made                -> give up r2
			over r1 succeeded   -> report r1 succeeded
			over r2 error       -> finish 1/2, 1 left: interrupted`},
		"while the first is made": {Config{Source: points(1)}, `
			begin               -> make 1
			interrupt           ->
			made                -> give up r1
			over r1 error       -> finish 0/1, 1 left: interrupted`},
		"while the first can't be made": {Config{Source: points(1)}, `
			begin               -> make 1
			interrupt           ->
			not made            -> finish 0/1, 1 left: interrupted: disk full`},
		"while a run that was given up leaves": {Config{Source: points(2), Retries: 1}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			over r1 failed      -> report r1 failed; retry 2 of 2; give up r2
			interrupt           ->
			over r2 error       -> finish 0/2, 2 left: interrupted`},
		"in a pause": {Config{Source: points(2), Pause: time.Minute}, `
			begin               -> make 1
			made                -> open r1
			over r1 succeeded   -> report r1 succeeded; pause 1m0s before 2; wait 1m0s
			+1s                 -> wait 59s
			interrupt           -> finish 1/2, 1 left: interrupted`},
		"before it has begun": {Config{Source: points(1)}, `
			interrupt           ->
			begin               -> finish 0/1, 1 left: interrupted`},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, test.config, test.script) })
	}
}

// A pause passes after each datapoint but the last, while no run is prepared. There is
// none before another attempt.
func TestPause(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config Config
		script string
	}{
		"between datapoints": {Config{Source: points(2), Pause: 5 * time.Second}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  ->
			+1s                 ->
			over r1 succeeded   -> report r1 succeeded; pause 5s before 2; wait 5s
			+4s                 -> wait 1s
			+1s                 -> make 2
			made                -> open r2
			ended r2 succeeded  ->
			over r2 succeeded   -> report r2 succeeded; finish 2/2`},
		"not before a retry, which is prepared": {Config{Source: points(2), Retries: 1, Pause: 5 * time.Second}, `
			begin               -> make 1
			made                -> open r1
			ended r1 failed     -> make 1 try 2 since r1
			made                ->
			over r1 failed      -> report r1 failed; retry 2 of 2; open r2
			over r2 failed      -> report r2 failed; pause 5s before 2; wait 5s
			+5s                 -> make 2`},
		"a retry that is given up leaves meanwhile": {Config{Source: points(2), Retries: 1, Pause: 5 * time.Second}, `
			begin               -> make 1
			made                -> open r1
			ended r1 failed     -> make 1 try 2 since r1
			made                ->
			over r1 aborted     -> report r1 aborted; pause 5s before 2; give up r2
			+1s                 ->
			over r2 error       -> wait 4s
			+4s                 -> make 2`},
		"not where the limits end it": {Config{Source: points(2), Pause: 5 * time.Second, Limits: Limits{FailFast: true}}, `
			begin               -> make 1
			made                -> open r1
			over r1 failed      -> report r1 failed; finish 0/2, 1 failed, 1 left: first failure`},
		"not after an interrupt": {Config{Source: points(2), Pause: 5 * time.Second}, `
			begin               -> make 1
			made                -> open r1
			interrupt           -> stop r1
			over r1 aborted     -> report r1 aborted; finish 0/2, 1 failed, 1 left: interrupted`},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, test.config, test.script) })
	}
}

// A record that can't be written ends the campaign, once nothing is under way.
func TestErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config Config
		script string
	}{
		"a run that can't be made": {Config{Source: points(1)}, `
			begin               -> make 1
			not made            -> finish 0/1, 1 left: disk full`},
		"one that was to be prepared is made in its turn": {Config{Source: points(2)}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			not made            ->
			over r1 succeeded   -> report r1 succeeded; make 2
			not made            -> finish 1/2, 1 left: disk full`},
		"a record that can't be written": {Config{Source: points(3), Retries: 1}, `
			begin               -> make 1
			made                -> open r1
			over r1 error       -> report r1 disk full; finish 0/3, 3 left: disk full`},
		"a record that can't be written, while the next is prepared": {Config{Source: points(3)}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			over r1 error       -> report r1 disk full; give up r2
			over r2 error       -> finish 0/3, 3 left: disk full`},
		"the record of a run that was prepared": {Config{Source: points(3)}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			over r2 error       ->
			over r1 succeeded   -> report r1 succeeded; open r2; report r2 disk full; finish 1/3, 2 left: disk full`},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, test.config, test.script) })
	}
}

// untilTwo repeats a datapoint until it has succeeded twice.
type untilTwo struct{}

func (untilTwo) Next(given int, settled []Settled) (experiment.Point, bool) {
	succeeded := 0
	for _, s := range settled {
		if s.Outcome == outcome.RunSucceeded {
			succeeded++
		}
	}
	if succeeded == 2 || given-len(settled) > 0 && succeeded == 1 {
		return experiment.Point{}, false
	}
	return experiment.Point{Index: given + 1, Repetition: given + 1}, true
}

func (untilTwo) Planned() (int, bool) { return 3, false }

// A source may choose the next datapoint by how those before went, and wait for that.
func TestSourceThatChooses(t *testing.T) {
	t.Parallel()
	play(t, Config{Source: untilTwo{}}, `
			begin               -> make 1
			made                -> open r1
			ended r1 succeeded  -> make 2
			made                ->
			over r1 succeeded   -> report r1 succeeded; open r2
			ended r2 failed     ->
			over r2 failed      -> report r2 failed; make 3
			made                -> open r3
			ended r3 succeeded  ->
			over r3 succeeded   -> report r3 succeeded; finish 2/3, 1 failed`)
}
