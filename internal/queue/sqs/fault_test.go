package sqs_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/queue/queuetest"
	"downbeat/internal/queue/sqs"
	"downbeat/internal/testkit"
)

const (
	name   = "ns.jobs.alpha"
	remote = "ns-jobs-alpha"
)

// It keeps every promise on a queue that gives out its messages in no order.
func TestConformanceWithoutOrder(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	queuetest.Run(t, queuetest.Harness{
		Open:      func(t *testing.T) queue.Broker { return open(t, f.URL) },
		Unordered: true, Lazy: true,
	})
}

// start opens a broker at the fake and declares the queue.
func start(t *testing.T, f *fake) *sqs.Broker {
	t.Helper()
	b := open(t, f.URL)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := b.Declare(t.Context(), queue.Spec{Name: name}); err != nil {
		t.Fatal(err)
	}
	return b
}

func consume(t *testing.T, b *sqs.Broker, prefetch int) queue.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), name, prefetch)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func publish(t *testing.T, b *sqs.Broker, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := b.Publish(t.Context(), name, queue.Message{Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
}

func receive(t *testing.T, c queue.Consumer) *queue.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d, err := c.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ack(t *testing.T, d *queue.Delivery) {
	t.Helper()
	if err := d.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Throttled and failing requests are made again until they succeed, and nothing
// is lost.
func TestThrottling(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	b := start(t, f)
	f.set(func() {
		f.fault = func(action string, call int) (int, string) {
			switch call % 3 {
			case 1:
				return http.StatusBadRequest, "RequestThrottled"
			case 2:
				return http.StatusServiceUnavailable, "ServiceUnavailable"
			}
			return 0, ""
		}
	})
	c := consume(t, b, 10)
	publish(t, b, "one", "two")
	got := map[string]bool{}
	for len(got) < 2 {
		d := receive(t, c)
		got[string(d.Body)] = true
		ack(t, d)
	}
	testkit.WaitFor(t, "both are forgotten", func() bool { return f.left(remote) == 0 })
}

// Of a batch that SQS takes in part, what failed by its fault goes again, what
// failed by the sender's is reported to its caller, and the rest is not sent twice.
func TestPartlyFailedBatch(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	b := start(t, f)
	tries := make(map[string]int)
	f.set(func() {
		f.entry = func(action, body string) (string, bool) {
			if action != "SendMessageBatch" {
				return "", false
			}
			tries[body]++
			switch {
			case strings.Contains(body, "unlucky") && tries[body] < 3:
				return "InternalError", false
			case strings.Contains(body, "bad"):
				return "InvalidMessageContents", true
			}
			return "", false
		}
	})
	const n = 40
	results := make([]error, n)
	kind := func(i int) string { return []string{"good", "unlucky", "good", "bad"}[i%4] }
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			results[i] = b.Publish(t.Context(), name, queue.Message{Body: fmt.Appendf(nil, "%s %d", kind(i), i)})
		})
	}
	wg.Wait()
	for i, err := range results {
		if (kind(i) == "bad") != (err != nil) || err != nil && !strings.Contains(err.Error(), "InvalidMessageContents") {
			t.Errorf("%s message: got %v", kind(i), err)
		}
	}
	if got := f.left(remote); got != n*3/4 {
		t.Errorf("%d messages are in the queue, want %d", got, n*3/4)
	}
}

// A delete and a put back that SQS does in part are asked for again.
func TestPartlyFailedAnswers(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	b := start(t, f)
	calls := 0
	f.set(func() {
		f.entry = func(action, _ string) (string, bool) {
			if calls++; action != "SendMessageBatch" && calls%2 == 0 {
				return "InternalError", false
			}
			return "", false
		}
	})
	c := consume(t, b, 10)
	publish(t, b, "one", "two", "three")
	for range 3 {
		ack(t, receive(t, c))
	}
	testkit.WaitFor(t, "all are forgotten", func() bool { return f.left(remote) == 0 })
	publish(t, b, "four")
	if err := receive(t, c).Nack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := receive(t, c); string(d.Body) != "four" || !d.Redelivered {
		t.Errorf("got %q, redelivered %v", d.Body, d.Redelivered)
	}
}

// A message that SQS delivers twice arrives twice, the second time marked, and
// two acknowledgements do no harm.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.twice = true
	b := start(t, f)
	c := consume(t, b, 1)
	publish(t, b, "twin")
	first := receive(t, c)
	if err := first.Nack(t.Context()); err != nil { // the other one is out already
		t.Fatal(err)
	}
	if second := receive(t, c); string(second.Body) != "twin" || !second.Redelivered {
		t.Errorf("got %q, redelivered %v", second.Body, second.Redelivered)
	} else {
		ack(t, second)
	}
	testkit.WaitFor(t, "it is forgotten", func() bool { return f.left(remote) == 0 })
}

// A consumer that holds a message for longer than SQS hides it keeps it hidden. If that
// fails because SQS shows it already, it comes again, and the old delivery's
// answer does nothing to the new one.
func TestExpiredVisibility(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	b := start(t, f)
	c := consume(t, b, 2)
	publish(t, b, "slow")
	late := receive(t, c)
	extended := f.count("ChangeMessageVisibilityBatch")
	testkit.WaitFor(t, "the time is extended", func() bool { return f.count("ChangeMessageVisibilityBatch") > extended })
	f.show(remote)
	again := receive(t, c)
	if string(again.Body) != "slow" || !again.Redelivered {
		t.Errorf("got %q, redelivered %v", again.Body, again.Redelivered)
	}
	if err := late.Nack(t.Context()); err != nil {
		t.Error(err)
	}
	ack(t, again)
	testkit.WaitFor(t, "it is forgotten", func() bool { return f.left(remote) == 0 })
}

// A queue that somebody deletes is made again for its consumer if it was declared
// here; publishers of others are told that it is gone.
func TestDeletedQueue(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.refused = 300 * time.Millisecond
	b := start(t, f)
	other := open(t, f.URL)
	t.Cleanup(func() { _ = other.Close() })
	publish(t, other, "known")
	c := consume(t, b, 1)
	ack(t, receive(t, c))
	f.set(func() {
		delete(f.queues, remote)
		f.deleted[remote] = time.Now()
		f.wake()
	})
	if err := other.Publish(t.Context(), name, queue.Message{}); !errors.Is(err, queue.ErrNoQueue) {
		t.Errorf("got %v, want ErrNoQueue", err)
	}
	testkit.WaitFor(t, "the queue is back", func() bool { return f.left(remote) >= 0 })
	publish(t, other, "after")
	if d := receive(t, c); string(d.Body) != "after" {
		t.Errorf("got %q", d.Body)
	}
}

// A clock that is hours off signs requests that SQS refuses; the broker corrects
// for it, and for the age of messages only SQS's clock counts.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.skew = skew
			b := start(t, f)
			c := consume(t, b, 1)
			if err := b.Publish(t.Context(), name, queue.Message{Body: []byte("mortal"), TTL: time.Minute}); err != nil {
				t.Fatal(err)
			}
			if d := receive(t, c); string(d.Body) != "mortal" {
				t.Errorf("got %q", d.Body)
			}
		})
	}
}

// Closing waits for the long poll, which it ends early, and what that brought in
// the last moment is back in the queue at once.
func TestCloseLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	b := start(t, f)
	for i := range 20 {
		c := consume(t, b, 4)
		polls := f.count("ReceiveMessage")
		testkit.WaitFor(t, "a poll is under way", func() bool { return f.count("ReceiveMessage") > polls || i == 0 })
		sent := make(chan error, 1)
		go func() {
			sent <- b.Publish(context.WithoutCancel(t.Context()), name, queue.Message{Body: []byte("last moment")})
		}()
		began := time.Now()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("closing took %v", took)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		info, err := b.Inspect(t.Context(), name)
		if err != nil || info.Messages != 1 || f.left(remote) != 1 {
			t.Fatalf("visible are %d, %v; want the one; %v", info.Messages, err, f)
		}
		rest := consume(t, b, 1)
		ack(t, receive(t, rest))
		if err := rest.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Without permission to create queues those that are there are used; of one that
// is missing the error says what to do.
func TestNoPermissionToCreate(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	start(t, f)
	f.set(func() {
		f.fault = func(action string, _ int) (int, string) {
			if action == "CreateQueue" || action == "ListQueueTags" || action == "GetQueueAttributes" {
				return http.StatusForbidden, "AccessDenied"
			}
			return 0, ""
		}
	})
	b := open(t, f.URL)
	t.Cleanup(func() { _ = b.Close() })
	if err := b.Declare(t.Context(), queue.Spec{Name: name}); err != nil {
		t.Errorf("a queue that is there: %v", err)
	}
	publish(t, b, strings.Repeat("long ", 1000))
	if d := receive(t, consume(t, b, 1)); len(d.Body) != 5000 {
		t.Errorf("got %d bytes", len(d.Body))
	}
	err := b.Declare(t.Context(), queue.Spec{Name: "ns.jobs.bravo"})
	if !errors.Is(err, queue.ErrDenied) || !strings.Contains(err.Error(), "ns-jobs-bravo") || !strings.Contains(err.Error(), "sqs:CreateQueue") {
		t.Errorf("got %v, want ErrDenied with the queue's name and what to allow", err)
	}
}

// Refused credentials end Open, and don't show in its error.
func TestRefusedCredentials(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.fault = func(string, int) (int, string) { return http.StatusForbidden, "InvalidClientTokenId" }
	_, err := sqs.OpenConfig(t.Context(), configuration(f.URL), queue.Options{})
	if !errors.Is(err, queue.ErrDenied) || !strings.Contains(err.Error(), "check the credentials") {
		t.Errorf("got %v, want ErrDenied that says what to check", err)
	}
}

// A message that is too large for the queue travels in pieces.
func TestSmallQueue(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	b := start(t, f)
	f.set(func() { f.queues[remote].attributes["MaximumMessageSize"] = "4096" })
	body := make([]byte, 100_000)
	_, _ = rand.Read(body)
	c := consume(t, b, 1)
	for range 2 {
		if err := b.Publish(t.Context(), name, queue.Message{Body: body, Header: map[string]string{"k": "v"}}); err != nil {
			t.Fatal(err)
		}
		d := receive(t, c)
		if !bytes.Equal(d.Body, body) || d.Header["k"] != "v" {
			t.Errorf("%d bytes came as %d others", len(body), len(d.Body))
		}
		ack(t, d)
	}
	testkit.WaitFor(t, "all pieces are forgotten", func() bool { return f.left(remote) == 0 })
}

// An idle consumer makes no request but its long poll.
func TestIdleConsumerOnlyPolls(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	b := start(t, f)
	consume(t, b, 4)
	testkit.WaitFor(t, "a poll is under way", func() bool { return f.count("ReceiveMessage") == 1 })
	before := f.total()
	began := time.Now()
	testkit.WaitFor(t, "the poll is over", func() bool { return f.count("ReceiveMessage") == 2 })
	if took := time.Since(began); took < 19*time.Second {
		t.Errorf("the next poll came after %v, want 20 s", took)
	}
	if got := f.total() - before; got != 1 {
		t.Errorf("%d requests in that time, want the next poll alone", got)
	}
}

func (f *fake) total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := 0
	for _, n := range f.calls {
		sum += n
	}
	return sum
}

// The queue gets the attributes and tags by which it is known, and dead letters
// by redrive policy.
func TestAttributesOfQueues(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	b := open(t, f.URL)
	t.Cleanup(func() { _ = b.Close() })
	for _, spec := range []queue.Spec{
		{Name: "ns.dead", MaxMessages: 10},
		{Name: name, Group: "ns.jobs", DeadLetter: "ns.dead"},
		{Name: "ns.events.x", Expires: time.Hour},
	} {
		if err := b.Declare(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	jobs, events := f.queues[remote], f.queues["ns-events-x"]
	if got, want := jobs.attributes["RedrivePolicy"], `{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:1:ns-dead","maxReceiveCount":20}`; got != want {
		t.Errorf("redrive policy is %s, want %s", got, want)
	}
	if jobs.tags["downbeat:group"] != "ns.jobs" || jobs.tags["downbeat:name"] != name || events.tags["downbeat:expires"] != "3600000" || events.tags["downbeat:used"] == "" {
		t.Errorf("tags are %v and %v", jobs.tags, events.tags)
	}
}
