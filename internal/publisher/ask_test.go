package publisher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/queue"
	"downbeat/internal/testkit"
	"downbeat/internal/testkit/fakeworker"
)

func TestCancelStopsTheRunFromElsewhere(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	for name, sign := range map[string]func(*Config){
		"unsigned": nil,
		"signed":   func(c *Config) { c.Key = key },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t, sign)
			alpha, elsewhere := l.worker("alpha"), l.publisher(sign)
			dp := l.datapoint(proc("alpha", "a", 0))
			run := l.start(dp)
			fakeworker.Release(alpha)
			testkit.Check(t, elsewhere.Cancel(t.Context(), dp.Run, "wrong file", timeout))
			if stop := alpha.Obey(0); stop.Cause != message.StopAbort {
				t.Errorf("stopped for %s, want abort", stop.Cause)
			}
			if got := run.wait(); got.Outcome != outcome.RunAborted || got.Reason != "cancelled: wrong file" {
				t.Errorf("outcome %s (%s), want aborted (cancelled: wrong file)", got.Outcome, got.Reason)
			}
		})
	}
}

func TestCancelByAStrangerIsRefused(t *testing.T) {
	t.Parallel()
	key, other := newKey(t), newKey(t)
	for name, test := range map[string]struct {
		stranger func(*Config)
		want     string
	}{
		"unsigned":  {nil, message.ErrUnsigned.Error()},
		"wrong key": {func(c *Config) { c.Key = other }, message.ErrUntrusted.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t, func(c *Config) { c.Key = key })
			alpha := l.worker("alpha")
			dp := l.datapoint(proc("alpha", "a", 0))
			run := l.start(dp)
			fakeworker.Release(alpha)
			err := l.publisher(test.stranger).Cancel(t.Context(), dp.Run, "", timeout)
			if !errors.Is(err, ErrNotCancelled) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want not cancelled: %s", err, test.want)
			}
			alpha.Exit(0, 0)
			alpha.Done(message.HostDone)
			if got := run.wait(); got.Outcome != outcome.RunSucceeded {
				t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
			}
			run.wait()
			alpha.ExpectNothingAfter()
		})
	}
}

func TestCancelOfWhatIsNotThereSaysSo(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	for run, want := range map[string]string{
		l.p.NewRun():                           "the run is over already",
		message.NewRun(message.NewPublisher()): "is over, or is not in namespace test",
	} {
		err := l.publisher(nil).Cancel(t.Context(), run, "", timeout)
		if !errors.Is(err, ErrNotCancelled) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want not cancelled: ...%s", err, want)
		}
	}
	if err := l.p.Cancel(t.Context(), "nonsense", "", timeout); !errors.Is(err, message.ErrMalformed) {
		t.Errorf("error %v, want malformed", err)
	}
}

func TestHostsAskedByNameAreMeasured(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	l.worker("alpha")
	got, err := l.p.Hosts(t.Context(), []string{"alpha", "ghost"}, timeout, false)
	testkit.Check(t, err)
	if len(got) != 2 {
		t.Fatalf("%d reports, want 2", len(got))
	}
	alpha, ghost := got[0], got[1]
	if !alpha.Answered || alpha.Version != "v9" || alpha.Missing != "" {
		t.Errorf("alpha: %+v, want an answer of v9", alpha)
	}
	if wrong := (alpha.Clock.Value() - fakeworker.Skew).Abs(); wrong > alpha.Clock.Error()+time.Millisecond {
		t.Errorf("alpha's clock %s ahead, want %s, at most %s off", alpha.Clock.Value(), fakeworker.Skew, alpha.Clock.Error())
	}
	if want := "no worker has ever served this host in namespace test"; ghost.Answered || ghost.Missing != want {
		t.Errorf("ghost: %+v, want it missing: %s", ghost, want)
	}
}

func TestHostThatDoesNotAnswerIsReported(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	l.worker("alpha").Mute()
	got, err := l.p.Hosts(t.Context(), []string{"alpha"}, 100*time.Millisecond, false)
	testkit.Check(t, err)
	if want := "a worker is connected and has not answered yet"; len(got) != 1 || got[0].Answered || got[0].Missing != want {
		t.Errorf("reports %+v, want alpha missing: %s", got, want)
	}
}

func TestAllHostsOfTheNamespaceAreFound(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	l.worker("alpha")
	l.worker("bravo")
	found := map[string]bool{}
	for attempt := 0; len(found) < 2 && attempt < 20; attempt++ { // a busy machine may need more than one look
		reports, err := l.p.Hosts(t.Context(), nil, 200*time.Millisecond, false)
		testkit.Check(t, err)
		for _, r := range reports {
			found[r.Host] = r.Answered
		}
	}
	if !found["alpha"] || !found["bravo"] || len(found) != 2 {
		t.Errorf("found %v, want alpha and bravo", found)
	}
}

// Answers are not signed: one that echoes no hello to its host is nothing, and one
// that does can name no other.
func TestForgedAnswersDoNotDisturbTheQuestion(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	l.worker("alpha")
	here := func(host, nonce string, probe *message.Probe) *answer {
		return &answer{at: time.Now(), event: &message.Event{Kind: message.Here, Host: host, Here: &message.HereInfo{Version: "forged", Nonce: nonce, Probe: probe}}}
	}
	byName := &inquiry{p: l.p, origin: clock.New(0), reports: map[string]*HostReport{"alpha": {Host: "alpha", nonce: "five"}}, order: []string{"alpha"}}
	all := &inquiry{p: l.p, origin: clock.New(0), reports: make(map[string]*HostReport), everybody: true, nonce: "seven"}
	for _, q := range []*inquiry{byName, all} {
		for _, nonce := range []string{"", "six", "FIVE"} {
			q.take(t.Context(), here("alpha", nonce, new(message.Probe)))
			q.take(t.Context(), here("ghost", nonce, new(message.Probe)))
		}
		q.take(t.Context(), here("alpha", "five", nil))
		q.take(t.Context(), here("ghost", "five", new(message.Probe)))
		q.take(t.Context(), &answer{event: &message.Event{Kind: message.Cancelled, Cancelled: &message.CancelledInfo{}}})
		q.take(t.Context(), &answer{event: &message.Event{Kind: message.Refused, Host: "ghost", Refused: &message.RefusedInfo{}}})
	}
	if len(all.reports) != 0 || len(byName.reports) != 1 || byName.reports["alpha"].Answered {
		t.Errorf("forged answers are believed: %v, %v", byName.reports, all.reports)
	}
	now := byName.origin.Now()
	for range 2 { // what comes again is nothing
		byName.take(t.Context(), here("alpha", "five", &message.Probe{SentAt: now, TakenAt: now, AnswerAt: now}))
	}
	if r := byName.reports["alpha"]; !r.Answered || r.Clock.Samples() != 1 {
		t.Errorf("alpha answered: %t, with %d samples, want one", r.Answered, r.Clock.Samples())
	}
	// A stranger who reads the hellos can invent hosts, but not end the question with them.
	for i := range mostHosts + 10 {
		all.take(t.Context(), here(fmt.Sprintf("ghost%d", i), "seven", new(message.Probe)))
	}
	if len(all.reports) != mostHosts {
		t.Errorf("%d hosts are reported, want %d", len(all.reports), mostHosts)
	}
}

// While forged answers of all kinds come in, a real one is found.
func TestHostsAreFoundAmongForgedAnswers(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	l.worker("alpha")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		forged := [][]byte{
			[]byte(`{"downbeat":2,"event":"here","host":"ghost","time":"2026-11-23T12:00:00Z","here":{"version":"x"}}`),
			[]byte(`{"downbeat":2,"event":"here","host":"../../x","time":"2026-11-23T12:00:00Z","here":{"version":"x"}}`),
			[]byte(`{"downbeat":2,"event":"here","host":"` + strings.Repeat("x", 300) + `","time":"2026-11-23T12:00:00Z","here":{"nonce":"x","probe":{}}}`),
			[]byte(`{"downbeat":2,"event":"here","host":"alpha","time":"2026-11-23T12:00:00Z","here":{"version":"` + strings.Repeat("x", 100_000) + `"}}`),
			[]byte(`{"downbeat":2,"event":"here","host":"alpha","time":"2026-11-23T12:00:00Z"}`),
			[]byte(`{"downbeat":7,"event":"here","host":"alpha","time":"2026-11-23T12:00:00Z","here":{"version":"x","probe":{"id":2}}}`),
		}
		for i := range 3000 { // more than are kept for who asks
			_ = l.broker.Publish(context.Background(), l.p.events, queue.Message{Body: forged[i%len(forged)]}) // in memory it can't fail
			runtime.Gosched()
		}
	}()
	reports, err := l.p.Hosts(t.Context(), []string{"alpha"}, timeout, false)
	<-stopped
	testkit.Check(t, err)
	if len(reports) != 1 || !reports[0].Answered || reports[0].Version != "v9" {
		t.Errorf("reports %+v, want alpha of v9", reports)
	}
}

// A worker that says why it doesn't answer is quoted.
func TestHostThatRefusesToAnswerIsReportedWithItsReason(t *testing.T) {
	t.Parallel()
	q := &inquiry{reports: map[string]*HostReport{"alpha": {Host: "alpha"}}, order: []string{"alpha"}}
	q.take(t.Context(), &answer{event: &message.Event{Kind: message.Refused, Host: "alpha", Refused: &message.RefusedInfo{Reason: "other protocol version"}}})
	if got := q.list([]string{"alpha"})[0].Missing; got != "it refuses to answer: other protocol version" {
		t.Errorf("alpha is missing: %s", got)
	}
}

// Nobody is answered anywhere but on a queue of events of the namespace.
func TestCancelCannotMakeThePublisherWriteAnywhere(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	for name, test := range map[string]struct {
		change  func(*message.Address, *message.Control)
		replyTo string
	}{
		"a queue of jobs":       {nil, message.JobsQueue(testNamespace, "alpha")},
		"any queue":             {nil, "elsewhere"},
		"another namespace":     {nil, message.EventsQueue("other", "X")},
		"a queue below events":  {nil, message.EventsQueue(testNamespace, "X.Y")},
		"for another namespace": {func(a *message.Address, _ *message.Control) { a.Namespace = "other" }, message.EventsQueue("other", "X")},
		"for a host":            {func(a *message.Address, _ *message.Control) { a.Host = "alpha" }, message.EventsQueue(testNamespace, "X")},
		"no cancel":             {func(_ *message.Address, c *message.Control) { c.Kind, c.Cause = message.Stop, message.StopAbort }, message.EventsQueue(testNamespace, "X")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, sign := range []bool{false, true} {
				l := newHarness(t, func(c *Config) { c.Key = key })
				testkit.Check(t, l.broker.Declare(t.Context(), queue.Spec{Name: test.replyTo}))
				a := message.Address{Purpose: message.PurposeControl, Namespace: testNamespace, Run: l.p.NewRun(), Serial: 1, Expires: time.Now().Add(time.Minute)}
				c := message.Control{Kind: message.Cancel, ReplyTo: test.replyTo}
				if test.change != nil {
					test.change(&a, &c)
				}
				with := key
				if !sign {
					with = nil
				}
				body, err := message.Seal(a, c, with)
				testkit.Check(t, err)
				if err := l.p.route(t.Context(), &queue.Delivery{Message: queue.Message{Body: body}}); err == nil {
					t.Error("the cancel is taken")
				}
				if info, err := l.broker.Inspect(t.Context(), test.replyTo); err != nil || info.Messages != 0 {
					t.Errorf("%d answers are on %s (%v)", info.Messages, test.replyTo, err)
				}
			}
		})
	}
}

// A cancel in version 1 is answered that this is another version, in words that a program
// of version 1 understands. The bytes are those of a real one, but for the namespace.
func TestCancelOfVersionOneIsAnswered(t *testing.T) {
	t.Parallel()
	const cancel = `{"downbeat":1,"purpose":"control","namespace":"downbeat","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","serial":1,"expires":"2026-11-23T12:00:00.123456789Z","payload":"{\"control\":\"cancel\",\"reply_to\":\"test.events.X\",\"reason\":\"r\"}","key":"af06a3e3291714e4","signature":"67UI0gEOr0Wpdz0kDu3cfeXN8bbX61ghUqHJV9OPVCdU/0wCxCzn6WKlWQR7bJ27vNYpxgAEE5f4X9Pg+8jyAQ=="}`
	l := newHarness(t, nil)
	to := message.EventsQueue(testNamespace, "X")
	testkit.Check(t, l.broker.Declare(t.Context(), queue.Spec{Name: to}))
	consumer, err := l.broker.Consume(t.Context(), to, 1)
	testkit.Check(t, err)
	if err := l.p.route(t.Context(), &queue.Delivery{Message: queue.Message{Body: []byte(cancel)}}); !errors.Is(err, message.ErrVersion) {
		t.Errorf("error %v, want %v", err, message.ErrVersion)
	}
	d, err := consumer.Receive(t.Context())
	testkit.Check(t, err)
	var got struct {
		Version   int `json:"downbeat"`
		Event     string
		Run       string
		Cancelled message.CancelledInfo
	}
	testkit.Check(t, json.Unmarshal(d.Body, &got))
	want := "other protocol version: the sender speaks 1, this build 2: cancel with the build that runs it"
	if got.Version != 1 || got.Event != "cancelled" || got.Run != "01JD5W9M4QX3T0C9V8Z7Y6R5PK" || got.Cancelled.Accepted || got.Cancelled.Reason != want {
		t.Errorf("the answer is %s", d.Body)
	}
}
