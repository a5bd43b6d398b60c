// Package queuetest is the conformance suite for implementations of [queue.Broker]: a test for
// each behaviour that they promise.
package queuetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/queue"
)

// A Harness is what an implementation provides to the suite.
type Harness struct {
	// Open makes a new connection to the one broker of the suite, which
	// closes it. It is also called while a test cleans up.
	Open func(t *testing.T) queue.Broker

	// Restart stops the broker and starts it again, with what it has on its disk; it returns
	// when the broker accepts connections. If it is nil, the broker can't be restarted, and the
	// behaviours around that are left out.
	Restart func(t *testing.T)

	// Unordered says that the broker keeps no order, and may deliver a message twice.
	Unordered bool

	// Lazy says that the broker drops expired messages only on their way to a consumer, removes
	// abandoned queues only when another expiring one is declared, and doesn't bound queues by
	// number or size.
	Lazy bool
}

// needsEager are the behaviours that a lazy broker can't have.
var needsEager = map[string]bool{"beyond MaxMessages the oldest are dropped": true, "beyond MaxBytes the oldest are dropped": true}

// waitLimit bounds every wait of the suite. It is long because machines are slow; with a
// working broker it is never reached.
const waitLimit = 60 * time.Second

// Run runs the whole suite.
func Run(t *testing.T, h Harness) {
	for name, behaviour := range behaviours {
		if h.Lazy && needsEager[name] {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behaviour(newSubject(t, h))
		})
	}
	if h.Restart != nil {
		t.Run("restart", func(t *testing.T) { RunRestart(t, h) })
	}
}

var behaviours = map[string]func(*subject){
	"a message published before consuming is delivered once":     deliveredPublishedBefore,
	"a message published while consuming is delivered once":      deliveredPublishedWhile,
	"a message crosses from one connection to another":           crossesConnections,
	"a body arrives byte for byte":                               bodyPreserved,
	"headers arrive with the message":                            headersPreserved,
	"persistence is told to the consumer":                        persistenceTold,
	"the caller may reuse the body after publishing":             bodyCopied,
	"a delivery is stamped with the time it came":                receivedAt,
	"publishing to a queue nobody declared is ErrNoQueue":        publishNoQueue,
	"one unroutable message among many is told from the others":  publishNoQueueAmongOthers,
	"publishing a body over the limit is ErrTooLarge":            publishTooLarge,
	"publishing a header over the limit is ErrTooLarge":          publishHeaderTooLarge,
	"publishing with an ended context returns its error":         publishEndedContext,
	"a name that is empty or too long is an error":               badNames,
	"one publisher's messages arrive in order":                   inOrder,
	"messages that are under way together arrive in order":       inOrderPipelined,
	"each message that is under way has its own outcome":         outcomesPipelined,
	"enqueueing with an ended context returns its error":         enqueueEndedContext,
	"at most prefetch deliveries are unacknowledged":             prefetchBounds,
	"a prefetch out of range is an error":                        prefetchRange,
	"a nacked message comes again, marked as redelivered":        nackRedelivers,
	"closing the consumer puts unanswered messages back":         consumerCloseRedelivers,
	"closing the broker puts unanswered messages back":           brokerCloseRedelivers,
	"an acknowledged message does not come again":                ackForgets,
	"a second answer to a delivery does nothing":                 secondAnswer,
	"an answer after the consumer was closed does nothing":       answerAfterClose,
	"consumers of one queue share its messages":                  consumersShare,
	"a message is dropped when its TTL is over":                  ttlDrops,
	"a message that is consumed within its TTL arrives":          ttlKeeps,
	"a queue without consumer is gone when Expires is over":      expires,
	"a queue with a consumer outlives Expires":                   expiresNotConsumed,
	"beyond MaxMessages the oldest are dropped":                  maxMessages,
	"beyond MaxBytes the oldest are dropped":                     maxBytes,
	"a broadcast reaches each queue of the group and no other":   broadcastReaches,
	"a broadcast to a group without queues is not an error":      broadcastNobody,
	"a deleted queue has left its group":                         deletedLeavesGroup,
	"declaring a queue again changes nothing":                    declareIdempotent,
	"declaring a queue again with another spec is an error":      declareConflict,
	"a spec that makes no sense is an error":                     declareNonsense,
	"deleting a queue that does not exist is not an error":       deleteAbsent,
	"publishing to a deleted queue is ErrNoQueue":                deleteThenPublish,
	"a deleted queue takes its messages with it":                 deleteDropsMessages,
	"a consumer goes on when its queue is deleted and declared":  deleteUnderConsumer,
	"consuming from a queue nobody declared is ErrNoQueue":       consumeNoQueue,
	"a queue that one consumes alone is refused to others":       aloneRefusesOthers,
	"an exclusive queue is free when its consumer is closed":     aloneGoesOver,
	"an exclusive queue is free when its connection is closed":   aloneGoesOverWithBroker,
	"one of many consumers that want a queue alone gets it":      aloneOneOfMany,
	"consuming alone from a queue nobody declared is ErrNoQueue": aloneNoQueue,
	"a queue can be consumed alone without a holder":             aloneWithoutHolder,
	"inspecting a queue nobody declared is ErrNoQueue":           inspectNoQueue,
	"inspecting counts waiting messages and consumers":           inspectCounts,
	"Receive returns its context's error":                        receiveContext,
	"closing the consumer ends Receive with ErrClosed":           closeEndsReceive,
	"closing the broker ends Receive with ErrClosed":             brokerCloseEndsReceive,
	"a closed broker returns ErrClosed from every method":        closedBroker,
	"Close can be called again, and concurrently":                closeTwice,
	"closing while publishing loses nothing that was confirmed":  closeWhilePublishing,
	"thousands of messages published concurrently all arrive":    concurrentLosesNothing,
	"a dead-lettered message keeps its body and says why":        deadLetter,
	"dead-lettering to a queue nobody declared keeps it":         deadLetterNoQueue,
}

// A subject is one test with its two connections to the broker.
type subject struct {
	*testing.T
	h       Harness
	a, b    queue.Broker // two connections
	context context.Context
	queues  []string // declared so far
}

func newSubject(t *testing.T, h Harness) *subject {
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	t.Cleanup(cancel)
	s := &subject{T: t, h: h, context: ctx}
	s.a, s.b = s.open(), s.open()
	return s
}

// open makes another connection, closed at the end of the test.
func (s *subject) open() queue.Broker {
	s.Helper()
	b := s.h.Open(s.T)
	s.Cleanup(func() {
		if err := b.Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
	})
	return b
}

// name makes a name that no other test has.
func (s *subject) name() string { return "queuetest." + rand.Text() }

// queue declares a queue of a new name.
func (s *subject) queue() string {
	s.Helper()
	return s.declare(queue.Spec{})
}

// declare declares a queue, gives it a new name if it has none, and deletes it
// at the end of the test.
func (s *subject) declare(spec queue.Spec) string {
	s.Helper()
	if spec.Name == "" {
		spec.Name = s.name()
	}
	s.must(s.a.Declare(s.context, spec))
	s.queues = append(s.queues, spec.Name)
	s.deleteLater(spec.Name)
	return spec.Name
}

func (s *subject) deleteLater(name string) {
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
		defer cancel()
		b := s.h.Open(s.T) // the test may have closed its own
		if err := b.Delete(ctx, name); err != nil {
			s.Errorf("delete queue %s: %v", name, err)
		}
		_ = b.Close()
	})
}

func (s *subject) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *subject) publish(name string, bodies ...string) {
	s.Helper()
	for _, body := range bodies {
		s.must(s.a.Publish(s.context, name, queue.Message{Body: []byte(body)}))
	}
}

// consume takes deliveries over the second connection.
func (s *subject) consume(name string, prefetch int) queue.Consumer {
	s.Helper()
	c, err := s.b.Consume(s.context, name, prefetch)
	s.must(err)
	return c
}

// receive waits for a delivery that has to come.
func (s *subject) receive(c queue.Consumer) *queue.Delivery {
	s.Helper()
	d, err := c.Receive(s.context)
	if err != nil {
		s.Fatalf("nothing is received: %v; in the queues there is %s", err, s.state())
	}
	return d
}

// state describes the test's queues, to explain a failure.
func (s *subject) state() string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.context), waitLimit)
	defer cancel()
	var all []string
	for _, name := range s.queues {
		info, err := s.a.Inspect(ctx, name)
		if err != nil {
			all = append(all, err.Error())
			continue
		}
		all = append(all, fmt.Sprintf("%s: %d waiting, %d consumers", name, info.Messages, info.Consumers))
	}
	return strings.Join(all, "; ")
}

// take receives a delivery that has to be this one, and acknowledges it.
func (s *subject) take(c queue.Consumer, want string) *queue.Delivery {
	s.Helper()
	d := s.receive(c)
	if got := string(d.Body); got != want {
		s.Fatalf("received %.80q, want %.80q", got, want)
	}
	s.must(d.Ack(s.context))
	return d
}

// takeAll receives these deliveries, in their order if the broker keeps one, and
// acknowledges them.
func (s *subject) takeAll(c queue.Consumer, want ...string) {
	s.Helper()
	if !s.h.Unordered {
		for _, body := range want {
			s.take(c, body)
		}
		return
	}
	for left := slices.Clone(want); len(left) > 0; {
		d := s.receive(c)
		s.must(d.Ack(s.context))
		body := string(d.Body)
		if !slices.Contains(want, body) {
			s.Fatalf("received %.80q, want one of %.80q", body, left)
		}
		left = slices.DeleteFunc(left, func(other string) bool { return other == body })
	}
}

// nothing makes sure that the queue has nothing more for the consumer. It
// sends a message after all that may be there and sees that it comes first.
func (s *subject) nothing(name string, c queue.Consumer) {
	s.Helper()
	last := "last-" + rand.Text()
	s.publish(name, last)
	s.take(c, last)
}

// empty makes sure that nothing waits in the queue and nothing is unanswered:
// of a new consumer's deliveries the first is one sent afterwards.
func (s *subject) empty(name string) {
	s.Helper()
	c := s.consume(name, 1)
	s.nothing(name, c)
	s.must(c.Close())
}

// eventually polls until the condition holds.
func (s *subject) eventually(what string, condition func() bool) {
	s.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ticker.C:
		case <-s.context.Done():
			s.Fatalf("never: %s", what)
		}
	}
}

// is tells whether Inspect shows so many messages and consumers.
func (s *subject) is(name string, messages, consumers int) func() bool {
	return func() bool {
		info, err := s.a.Inspect(s.context, name)
		s.must(err)
		return info.Messages == messages && (info.Consumers == consumers || info.Consumers == -1)
	}
}

func numbered(n int) []string {
	bodies := make([]string, n)
	for i := range bodies {
		bodies[i] = fmt.Sprintf("message %d", i)
	}
	return bodies
}
