package campaign

// sameRefusals is after how many refusals of the same kind in a row a campaign is
// stopped: what a host has refused three times it will refuse all night.
const sameRefusals = 3

// Limits say when a campaign is stopped before its end.
type Limits struct {
	FailFast    bool // at the first datapoint that does not succeed
	KeepGoing   bool // never because of refusals
	MaxFailures int  // after that many datapoints that did not succeed; 0: never
}

// Stopped says why a campaign was stopped before its end.
type Stopped struct {
	Reason Reason
	// Refusal is what a host said, and Times how often in a row, with [SameRefusal].
	Refusal string
	Times   int
}

// Reason is why a campaign was stopped before its end.
type Reason uint8

// The reasons.
const (
	NotStopped      Reason = iota
	SameRefusal            // a host refused for the same reason again and again
	FirstFailure           // a datapoint did not succeed, with FailFast
	TooManyFailures        // MaxFailures datapoints did not succeed
)

var reasonNames = [...]string{"not stopped", "same refusal", "first failure", "too many failures"}

// String names the reason.
func (r Reason) String() string { return reasonNames[r] }

// check says whether no further datapoint is to be begun, by how many did not succeed
// and by the latest refusals.
func (l Limits) check(failed int, refused refusals) Stopped {
	text, times := refused.longest()
	switch {
	case times >= sameRefusals && !l.KeepGoing:
		return Stopped{Reason: SameRefusal, Refusal: text, Times: times}
	case l.FailFast && failed > 0:
		return Stopped{Reason: FirstFailure}
	case l.reached(failed):
		return Stopped{Reason: TooManyFailures}
	}
	return Stopped{}
}

// reached reports whether that many datapoints that did not succeed are too many.
func (l Limits) reached(failed int) bool {
	return l.FailFast && failed > 0 || l.MaxFailures > 0 && failed >= l.MaxFailures
}
