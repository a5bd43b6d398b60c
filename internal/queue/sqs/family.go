package sqs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/errgroup"

	"downbeat/internal/queue"
)

const (
	// listPage is how many queues SQS lists in one answer.
	listPage = 1000
	// width is how many requests are made at a time for many queues.
	width = 16
	// slack is how long after its expiry a queue counts as abandoned: SQS's clock is known to a
	// second, and the mark of use is set only from time to time.
	slack = 5 * time.Second
)

// list returns the URLs of the queues whose names begin with prefix.
func (b *Broker) list(ctx context.Context, prefix string) ([]string, error) {
	var urls []string
	var next *string
	for {
		var out *sqs.ListQueuesOutput
		err := b.try(ctx, func(ctx context.Context) (err error) {
			in := &sqs.ListQueuesInput{MaxResults: aws.Int32(listPage), NextToken: next}
			if prefix != "" {
				in.QueueNamePrefix = aws.String(remotePrefix(prefix))
			}
			out, err = b.client.ListQueues(ctx, in)
			return err
		})
		if err != nil {
			return nil, err
		}
		urls = append(urls, out.QueueUrls...)
		if next = out.NextToken; aws.ToString(next) == "" {
			return urls, nil
		}
	}
}

// Broadcast implements [queue.Broker]. The queues of a group are found by their
// tags among those that have the namespace, which is everything up to the first
// dot, in common with the group.
func (b *Broker) Broadcast(ctx context.Context, group string, m queue.Message) error {
	return wrap(b.broadcast(ctx, group, m), "broadcast to %s", group)
}

func (b *Broker) broadcast(ctx context.Context, group string, m queue.Message) error {
	if err := b.check(ctx, group); err != nil {
		return err
	}
	if err := m.Check(b.Limits()); err != nil {
		return err
	}
	within, cancel := b.until(ctx)
	defer cancel()
	names, err := b.members(within, group)
	if err != nil {
		return err
	}
	var sending errgroup.Group
	sending.SetLimit(width)
	for _, name := range names {
		sending.Go(func() error {
			if err := b.hand(ctx, name, m)(); err != nil && !errors.Is(err, queue.ErrNoQueue) {
				return fmt.Errorf("to %s: %w", name, err)
			}
			return nil
		})
	}
	return sending.Wait()
}

// members finds the names of a group's queues.
func (b *Broker) members(ctx context.Context, group string) ([]string, error) {
	namespace, _, dotted := strings.Cut(group, ".")
	if dotted {
		namespace += "."
	}
	urls, err := b.list(ctx, namespace)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var names []string
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(width)
	for _, url := range urls {
		asking.Go(func() error {
			tags, err := b.tags(ctx, url)
			if errors.Is(err, queue.ErrNoQueue) || errors.Is(err, queue.ErrDenied) {
				return nil // it is gone by now, or not ours
			}
			if err == nil && tags[tagGroup] == group && tags[tagName] != "" {
				mu.Lock()
				defer mu.Unlock()
				names = append(names, tags[tagName])
			}
			return err
		})
	}
	return names, asking.Wait()
}

// sweep removes abandoned queues of the name's family, in the background.
func (b *Broker) sweep(name string) {
	b.mu.Lock()
	busy := b.sweeping
	b.sweeping = true
	b.mu.Unlock()
	if busy {
		return
	}
	err := b.begin(func() {
		defer func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.sweeping = false
		}()
		if err := b.sweepFamily(name); err != nil && b.ctx.Err() == nil {
			b.log.Debug("abandoned queues could not be looked for", "error", err)
		}
	})
	_ = err // the broker is closed, and another program will do it
}

func (b *Broker) sweepFamily(name string) error {
	ctx, cancel := context.WithTimeout(b.ctx, callTimeout)
	defer cancel()
	urls, err := b.list(ctx, family(name))
	if err != nil {
		return err
	}
	for _, url := range urls {
		if !b.due(url) {
			continue
		}
		if err := b.sweepOne(ctx, url); err != nil && !errors.Is(err, queue.ErrNoQueue) && !errors.Is(err, queue.ErrDenied) {
			return err
		}
	}
	return nil
}

// due tells whether the queue may be abandoned, as far as this program knows.
func (b *Broker) due(url string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.clock.now().Before(b.skip[url])
}

// sweepOne deletes the queue if it has expired.
func (b *Broker) sweepOne(ctx context.Context, url string) error {
	tags, err := b.tags(ctx, url)
	if err != nil {
		return err
	}
	expires, noTerm := strconv.ParseInt(tags[tagExpires], 10, 64)
	used, noUse := strconv.ParseInt(tags[tagUsed], 10, 64)
	until := time.Unix(used, 0).Add(time.Duration(expires)*time.Millisecond + slack)
	if noTerm != nil || noUse != nil {
		until = b.clock.now().Add(time.Hour) // it stays, but its name may come to mean another one
	}
	if b.clock.now().Before(until) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.skip[url] = until
		return nil
	}
	b.log.Info("an abandoned queue is removed", "queue", tags[tagName])
	return b.try(ctx, func(ctx context.Context) error {
		_, err := b.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url})
		return err
	})
}
