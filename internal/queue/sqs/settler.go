package sqs

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"downbeat/internal/queue"
)

// settleLinger is how long an acknowledgement waits to be sent together with others. Nothing
// waits for an acknowledgement.
const settleLinger = 200 * time.Millisecond

// A settler tells SQS, in batches, which messages to delete and which to show again. Messages
// that it can't settle in time are delivered again by themselves.
type settler struct {
	broker *Broker
	remote *remote
	wakeup chan struct{}
	stop   chan struct{}
	done   sync.WaitGroup

	mu      sync.Mutex
	running bool
	closed  bool
	forget  []string // receipts
	back    []string
	since   time.Time // of the oldest in forget
}

func newSettler(b *Broker, r *remote) *settler {
	return &settler{broker: b, remote: r, wakeup: make(chan struct{}, 1), stop: make(chan struct{})}
}

// add enters receipts; back: the messages are to be shown again.
func (s *settler) add(back bool, receipts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if back {
		s.back = append(s.back, receipts...)
	} else {
		if len(s.forget) == 0 {
			s.since = time.Now()
		}
		s.forget = append(s.forget, receipts...)
	}
	if !s.running && !s.closed {
		s.running = true
		s.done.Go(s.run)
	}
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// close sends what is left, and waits for that.
func (s *settler) close() {
	s.mu.Lock()
	s.closed = true
	if !s.running && len(s.forget)+len(s.back) > 0 {
		s.running = true
		s.done.Go(s.run)
	}
	s.mu.Unlock()
	close(s.stop)
	s.done.Wait()
}

// run sends until there is nothing to send.
func (s *settler) run() {
	for {
		forget, back, wait := s.next()
		switch {
		case len(back) > 0:
			s.tell("shown again", func(ctx context.Context) error {
				_, err := changeVisibility(ctx, s.broker, s.remote, back, 0)
				return err
			})
		case len(forget) > 0:
			s.tell("acknowledged", func(ctx context.Context) error { return deleteMessages(ctx, s.broker, s.remote, forget) })
		case wait == 0:
			return
		default:
			s.pause(wait)
		}
	}
}

// pause lets the time pass, or returns when there is more to send.
func (s *settler) pause(wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.wakeup:
	case <-s.stop:
	}
}

// next returns a batch that is due, or how long until there is one; 0 means that nothing is
// left, and the goroutine ends.
func (s *settler) next() (forget, back []string, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.back) > 0 {
		n := min(len(s.back), batchSize)
		back, s.back = s.back[:n], s.back[n:]
		return nil, back, 0
	}
	if len(s.forget) == 0 {
		s.running = false
		return nil, nil, 0
	}
	if wait = settleLinger - time.Since(s.since); len(s.forget) < batchSize && !s.closed && wait > 0 {
		return nil, nil, wait
	}
	n := min(len(s.forget), batchSize)
	forget, s.forget = s.forget[:n], s.forget[n:]
	s.since = time.Now()
	return forget, nil, 0
}

// tellTimeout is how long a settlement is tried. After that, others have seen the message
// already.
const tellTimeout = 30 * time.Second

// tell makes one request of the settler, and repeats it until tellTimeout or, once the broker
// is closed, until closeGrace.
func (s *settler) tell(what string, request func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), tellTimeout)
	defer cancel()
	release := context.AfterFunc(s.broker.ctx, func() { time.AfterFunc(closeGrace, cancel) })
	defer release()
	if err := request(ctx); err != nil && !errors.Is(err, queue.ErrNoQueue) {
		s.broker.log.Debug("SQS could not be told what to do with messages, they come again", "wanted", what, "queue", s.remote.name, "error", err)
	}
}

// errPartly: some entries of a batch have to be asked for again.
var errPartly = errors.New("SQS did not do all that it was asked for")

// deleteMessages makes SQS forget at most batchSize messages.
func deleteMessages(ctx context.Context, b *Broker, r *remote, receipts []string) error {
	url, err := b.address(ctx, r)
	if err != nil {
		return err
	}
	left := receipts
	return b.try(ctx, func(ctx context.Context) error {
		entries := make([]types.DeleteMessageBatchRequestEntry, len(left))
		for i, receipt := range left {
			entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(receipt)}
		}
		out, err := b.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries})
		if err != nil {
			return err
		}
		left, _ = unsettled(left, out.Failed)
		return partly(left)
	})
}

// changeVisibility hides at most batchSize messages for so long from now or, with 0, shows them
// again. lost are those that were no longer hidden.
func changeVisibility(ctx context.Context, b *Broker, r *remote, receipts []string, hidden time.Duration) (lost []string, err error) {
	url, err := b.address(ctx, r)
	if err != nil {
		return nil, err
	}
	left := receipts
	err = b.try(ctx, func(ctx context.Context) error {
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(left))
		for i, receipt := range left {
			entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(receipt), VisibilityTimeout: int32(hidden / time.Second),
			}
		}
		out, err := b.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: entries})
		if err != nil {
			return err
		}
		var gone []string
		left, gone = unsettled(left, out.Failed)
		lost = append(lost, gone...)
		return partly(left)
	})
	return lost, err
}

func partly(left []string) error {
	if len(left) > 0 {
		return errPartly
	}
	return nil
}

// unsettled sorts the failed entries: those to be tried again, and those for which SQS's answer
// is final.
func unsettled(receipts []string, failed []types.BatchResultErrorEntry) (again, gone []string) {
	for _, f := range failed {
		i, err := strconv.Atoi(aws.ToString(f.Id))
		if err != nil || i < 0 || i >= len(receipts) {
			continue
		}
		if f.SenderFault && refusal(aws.ToString(f.Code), "") != nil {
			gone = append(gone, receipts[i])
		} else {
			again = append(again, receipts[i])
		}
	}
	return slices.Clip(again), gone
}
