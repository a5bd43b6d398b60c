package course

import (
	"slices"
	"testing"
	"time"

	"downbeat/internal/message"
)

func syncing(j *message.Job) { j.Sync = true }

func (s *site) asked(token uint64, within time.Duration) Asked {
	return Asked{Token: token, At: s.now, Info: message.AskedInfo{What: message.AskBarrier, Name: "b", Count: 2, WithinMS: within.Milliseconds()}}
}

func (s *site) answer(answers ...message.Answer) *site {
	s.t.Helper()
	return s.tell(message.Control{Kind: message.Respond, Answers: answers})
}

// A request is logged, sent again each second until the answer comes, and answered once.
func TestAskedUntilAnswered(t *testing.T) {
	t.Parallel()
	s := newSite(t, syncing).released().skip()
	s.in(s.asked(50, time.Minute)).want(Running, "log started, log asked").saying(message.Asked, "1: barrier b")
	s.pass(999*time.Millisecond).want(Running, "")
	s.in(s.asked(51, time.Minute)).want(Running, "log asked").saying(message.Asked, "2: barrier b")
	s.pass(time.Millisecond).want(Running, "reply asked").saying(message.Asked, "1: barrier b")
	s.pass(time.Second).want(Running, "reply asked, reply asked")
	s.answer(message.Answer{ID: 2, At: epoch.Add(5 * time.Second), Value: []byte("v")}, message.Answer{ID: 3}).want(Running, "answer #51 at 5s with v")
	s.answer(message.Answer{ID: 2}).pass(time.Second).want(Running, "reply asked")
	s.answer(message.Answer{ID: 1, Error: "two are missing", TimedOut: true}).want(Running, "answer #50 too late: two are missing")
	s.pass(10*time.Second).want(Running, "")
}

// A publisher that never answers is not waited for longer than its own time and some.
func TestAskedInVain(t *testing.T) {
	t.Parallel()
	s := newSite(t, syncing).released()
	s.in(s.asked(50, 5*time.Second)).pass(14999 * time.Millisecond).skip()
	s.pass(time.Millisecond).want(Running, "answer #50 too late: the publisher has not answered")
	s.pass(time.Second).want(Running, "")
}

// Nobody waits for an answer once the run is stopped, or over.
func TestAskedInARunThatEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t, syncing).released()
	s.in(s.asked(50, time.Minute), s.asked(51, time.Minute)).skip()
	s.stop().want(Stopping, "stop at 1s with 1s, answer #50: the run is over, or is being stopped, answer #51: the run is over, or is being stopped")
	s.in(s.asked(52, time.Minute)).want(Stopping, "answer #52: the run is over, or is being stopped")
	s = newSite(t, syncing).released()
	s.in(s.asked(50, time.Minute)).skip()
	s.in(setDone()).pass(time.Second).want(Clearing, "answer #50: the run is over, or is being stopped, clear")
}

func TestAsksAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, syncing).released()
	for n := range uint64(maxAsked) {
		s.in(s.asked(n, time.Minute))
	}
	s.skip().in(s.asked(5000, time.Minute)).want(Running, "answer #5000: 1000 requests wait for an answer already")
	s.answer(message.Answer{ID: 1}).skip().in(s.asked(5001, time.Minute)).want(Running, "log asked")
	if !slices.IsSortedFunc(s.run.asks, func(a, b ask) int { return a.sendAt.Compare(b.sendAt) }) {
		t.Error("they are not in the order in which they are sent again")
	}
}

func TestNonsenseIsNotPassedOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, syncing).released().skip()
	in := s.asked(50, time.Minute)
	in.Info.Count = 0
	s.in(in).want(Running, "answer #50: a barrier for 0; at least 1 and at most 10000 can come")
}
