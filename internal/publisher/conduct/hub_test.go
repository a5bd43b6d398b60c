package conduct

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
)

// meeting is a run of two hosts with two processes each, which may ask things of each other.
func meeting(t *testing.T) (l *harness, alpha, bravo *worker) {
	t.Helper()
	l = newHarness(t)
	alpha, bravo = l.worker("alpha", proc("a", 0), proc("a", 1)), l.worker("bravo", proc("b", 0), proc("b", 1))
	alpha.job.Sync, bravo.job.Sync = true, true
	l.start()
	release(alpha, bravo)
	return l, alpha, bravo
}

// answers waits for the answers that a host gets next.
func (w *worker) answers(n int) []message.Answer {
	w.t.Helper()
	var all []message.Answer
	for len(all) < n {
		all = append(all, w.expect(message.Respond).Answers...)
	}
	return all
}

func barrier(id uint64, name, process string, count int) message.AskedInfo {
	return message.AskedInfo{ID: id, What: message.AskBarrier, Name: name, Process: process, Count: count, WithinMS: 10_000}
}

// All who have come to a barrier go on at one instant, about a round trip after the last
// has come, whichever host they are on; and the name can be used again.
func TestBarrierOpensForAllAtOneInstant(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := meeting(t)
	for round := range uint64(2) {
		id := 2*round + 1
		alpha.asked(barrier(id, "loaded", "a.0", 4))
		alpha.asked(barrier(id+1, "loaded", "a.1", 4))
		bravo.asked(barrier(id, "loaded", "b.0", 4))
		alpha.expectNothing()
		last := l.now
		bravo.asked(barrier(id+1, "loaded", "b.1", 4))
		var at time.Time
		for _, w := range []*worker{alpha, bravo} {
			got := w.answers(2)
			if len(w.controls) > 0 {
				t.Errorf("%s gets %d more controls", w.host, len(w.controls))
			}
			for i, a := range got {
				if at.IsZero() {
					at = a.At
				}
				if a.ID != id+uint64(i) || a.Error != "" || !a.At.Equal(at) {
					t.Errorf("%s gets %+v, and others go on at %s", w.host, a, at)
				}
			}
		}
		if after := at.Add(-hostSkew).Sub(last); after < oneWay || after > 3*oneWay+oneWay/2 {
			t.Errorf("they go on %s after the last has come, and a message takes %s", after, oneWay)
		}
	}
	opened := l.run.hub.opened
	if len(opened) != 2 || opened[0].Count != 4 || !opened[0].OpenedAt.After(opened[0].LastAt) || opened[0].FirstAt.After(opened[0].LastAt) {
		t.Errorf("%+v", opened)
	}
}

// An answer that is lost is given again when it is asked for again, with the same instant;
// who still waits gets none.
func TestAnswerIsGivenAgain(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := meeting(t)
	first := barrier(1, "loaded", "a.0", 2)
	alpha.asked(first)
	alpha.unlogged(message.Event{Kind: message.Asked, Asked: &first})
	alpha.expectNothing()
	bravo.asked(barrier(1, "loaded", "b.0", 2))
	was := alpha.answers(1)[0]
	l.advance(time.Second)
	alpha.unlogged(message.Event{Kind: message.Asked, Asked: &first})
	if again := alpha.answers(1)[0]; again.ID != 1 || again.At.Sub(was.At).Abs() > 100*time.Microsecond || was.At.IsZero() {
		t.Errorf("%+v, and then %+v", was, again)
	}
	other := barrier(7, "loaded", "a.0", 2) // of which nothing has come in its turn
	alpha.unlogged(message.Event{Kind: message.Asked, Asked: &other})
	alpha.expectNothing()
}

// A question that is asked again, and has not come in its turn, tells that something of the log is
// missing: the host is asked for it at once, and not more often than once in a while.
func TestQuestionThatIsMissingIsAskedFor(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := meeting(t)
	lost := message.AskedInfo{ID: 1, What: message.AskMark, Name: "loaded", Process: "a.0"}
	alpha.logs(Event{&message.Event{Kind: message.Asked, Asked: &lost}}, 100)
	bravo.asked(message.AskedInfo{ID: 1, What: message.AskMark, Name: "loaded", Process: "b.0"})
	resends := func() (n int) {
		for _, e := range l.effects {
			if s, ok := e.(Send); ok && s.Control.Resend {
				n++
			}
		}
		return n
	}
	for range 3 {
		alpha.unlogged(message.Event{Kind: message.Asked, Asked: &lost})
		bravo.unlogged(message.Event{Kind: message.Asked, Asked: &message.AskedInfo{ID: 1, What: message.AskMark, Name: "loaded"}})
	}
	if n := resends(); n != 1 {
		t.Errorf("hosts are asked %d times for what is missing, want once", n)
	}
}

// A barrier that does not fill ends with who has come and who has not; who comes later waits
// for others, and not for those who have gone.
func TestBarrierThatDoesNotFill(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := meeting(t)
	alpha.asked(barrier(1, "loaded", "a.0", 3))
	l.advance(4 * time.Second)
	bravo.asked(barrier(1, "loaded", "b.1", 3))
	began := l.now
	got := alpha.answers(1)[0]
	if want := "after 10s: barrier loaded: 2 of 3 have come: a.0 and b.1; not a.1 on alpha and b.0 on bravo"; got.Error != want || !got.TimedOut || got.ID != 1 {
		t.Errorf("%+v, want %s", got, want)
	}
	if took := l.now.Sub(began); took < 5*time.Second || took > 7*time.Second {
		t.Errorf("told after %s more", took)
	}
	alpha.asked(barrier(2, "loaded", "a.1", 3))
	alpha.expectNothing()
	got = bravo.answers(1)[0]
	if !strings.Contains(got.Error, "3 of 3 have come: a.0, b.1 and a.1; no longer there: a.0; not b.0 on bravo") {
		t.Errorf("%+v", got)
	}
	alpha.asked(barrier(3, "loaded", "a.0", 3)) // again
	if got = alpha.answers(1)[0]; !strings.Contains(got.Error, "3 of 3 have come: b.1, a.1 and a.0; no longer there: b.1; not b.0 on bravo") {
		t.Errorf("%+v", got)
	}
	if got = alpha.answers(1)[0]; !strings.Contains(got.Error, "no longer there: b.1 and a.1; not b.0 on bravo") {
		t.Errorf("%+v", got)
	}
	if h := l.run.hub; len(h.barriers)+len(h.gone) != 0 {
		t.Errorf("kept of a barrier at which nobody waits: %v and %v", h.barriers, h.gone)
	}
}

// Of two whose time is over moments apart, the second is told that the first had come.
func TestBarrierCountsThoseWhoHaveJustGone(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := meeting(t)
	alpha.asked(barrier(1, "loaded", "a.0", 3))
	l.advance(50 * time.Millisecond)
	bravo.asked(barrier(1, "loaded", "b.0", 3))
	for _, w := range []*worker{alpha, bravo} {
		if got := w.answers(1)[0]; !strings.Contains(got.Error, "2 of 3 have come: a.0 and b.0;") {
			t.Errorf("%s: %+v", w.host, got)
		}
	}
}

// A value comes to all who wait for it as soon as there is one, and to who asks later at once.
func TestValues(t *testing.T) {
	t.Parallel()
	_, alpha, bravo := meeting(t)
	get := func(id uint64, within int64) message.AskedInfo {
		return message.AskedInfo{ID: id, What: message.AskGet, Name: "leader", WithinMS: within}
	}
	alpha.asked(get(1, 60_000))
	alpha.asked(get(2, 1000))
	alpha.asked(get(3, 0))
	if a := alpha.answers(1)[0]; a.ID != 3 || a.Error != "there is no value leader" || a.TimedOut {
		t.Errorf("%+v", a)
	}
	if a := alpha.answers(1)[0]; a.ID != 2 || a.Error != "after 1s: nobody has put the value leader" || !a.TimedOut {
		t.Errorf("%+v", a)
	}
	bravo.asked(message.AskedInfo{ID: 1, What: message.AskPut, Name: "leader", Value: []byte("b.0")})
	if a := bravo.answers(1)[0]; a.ID != 1 || a.Error != "" {
		t.Errorf("%+v", a)
	}
	if a := alpha.answers(1)[0]; a.ID != 1 || string(a.Value) != "b.0" || !a.At.IsZero() {
		t.Errorf("%+v", a)
	}
	alpha.asked(get(4, 0))
	if a := alpha.answers(1)[0]; a.ID != 4 || string(a.Value) != "b.0" {
		t.Errorf("%+v", a)
	}
}

// A question that makes no sense is answered with the reason; it is not held against the host.
func TestWhatCannotBeAskedFor(t *testing.T) {
	t.Parallel()
	_, alpha, _ := meeting(t)
	alpha.asked(barrier(1, "loaded", "a.0", 3))
	id := uint64(1)
	for want, info := range map[string]message.AskedInfo{
		"barrier loaded is for 3, as a.0 has said, and not for 2": barrier(0, "loaded", "a.1", 2),
		"a barrier for 0":            barrier(0, "other", "a.1", 0),
		`"dance" can't be asked for`: {What: "dance", Name: "x"},
		"a value of 20000 bytes":     {What: message.AskPut, Name: "x", Value: make([]byte, 20_000)},
	} {
		id++
		info.ID = id
		alpha.asked(info)
		if a := alpha.answers(1)[0]; a.ID != id || !strings.Contains(a.Error, want) || a.TimedOut {
			t.Errorf("%+v, want %s", a, want)
		}
	}
}

// Names, values and marks of a run are bounded, all together.
func TestHubIsBounded(t *testing.T) {
	t.Parallel()
	var b hub
	last := func() string { return b.out[len(b.out)-1].answer.Error }
	for i := range 1024 {
		b.ask(&message.AskedInfo{What: message.AskPut, Name: fmt.Sprint("v", i), Value: make([]byte, message.MaxSyncValue)}, asker{})
	}
	if last() != "" {
		t.Fatalf("16 MiB of values: %s", last())
	}
	b.ask(&message.AskedInfo{What: message.AskPut, Name: "one", Value: []byte("x")}, asker{})
	if !strings.Contains(last(), "more than 16777216 bytes") {
		t.Errorf("one byte more: %q", last())
	}
	b.ask(&message.AskedInfo{What: message.AskPut, Name: "v0", Value: []byte("x")}, asker{})
	b.ask(&message.AskedInfo{What: message.AskPut, Name: "one", Value: []byte("x")}, asker{})
	if last() != "" {
		t.Errorf("where one was replaced: %q", last())
	}
	for i := range message.MaxSyncNames {
		b.ask(&message.AskedInfo{What: message.AskGet, Name: fmt.Sprint("v", i)}, asker{})
	}
	if !strings.Contains(last(), "10000 names already") {
		t.Errorf("one name more: %q", last())
	}
	b.ask(&message.AskedInfo{What: message.AskGet, Name: "one"}, asker{})
	if last() != "" {
		t.Errorf("a name that is known: %q", last())
	}
}

// Answers are split so that no control is too large.
func TestAnswersAreSplit(t *testing.T) {
	t.Parallel()
	_, alpha, bravo := meeting(t)
	for id := range uint64(7) {
		alpha.asked(message.AskedInfo{ID: id + 1, What: message.AskGet, Name: "large", WithinMS: 60_000})
	}
	bravo.asked(message.AskedInfo{ID: 1, What: message.AskPut, Name: "large", Value: make([]byte, message.MaxSyncValue)})
	for n := 0; n < 7; {
		c := alpha.expect(message.Respond)
		if len(c.Answers) != 1 {
			t.Errorf("%d answers of 16 KiB in one control", len(c.Answers))
		}
		n += len(c.Answers)
	}
}
