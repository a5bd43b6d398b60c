package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"downbeat/internal/queue"
)

// The tags that queues are known by. SQS allows letters, digits, spaces and
// _.:/=+-@ in their values.
const (
	tagName    = "downbeat:name"    // the queue's name as we know it
	tagGroup   = "downbeat:group"   // Spec.Group
	tagExpires = "downbeat:expires" // Spec.Expires in milliseconds
	tagMax     = "downbeat:max"     // Spec.MaxMessages
	tagUsed    = "downbeat:used"    // when an expiring queue was last known to be used: Unix seconds of SQS's clock
)

// Retentions are in seconds; 14 days is the longest.
const (
	retention          = 4 * 24 * 3600
	retentionDead      = 14 * 24 * 3600
	retentionTemporary = 24 * 3600
)

// visibility is how long a received message is hidden from others. Its consumer extends that;
// see keeper.go. It is short because a message that the poll of a killed worker has received
// comes that much later.
const visibility = 10 * time.Second

// maxReceives is how often a message is delivered without being acknowledged
// before SQS moves it to the dead-letter queue.
const maxReceives = 20

// unaskedLimit is what every queue accepts: for smaller messages the limit need not be known.
const unaskedLimit = 1 << 10

// lowestLimit is assumed for a queue whose limit may not be read: that of queues made before
// August 2025.
const lowestLimit = 256 << 10

// A remote is what is known of a queue on SQS.
type remote struct {
	name string
	out  outbox

	mu     sync.Mutex
	url    string // empty: not known
	limit  int    // MaximumMessageSize; 0: not known
	madeAt time.Time
}

func (b *Broker) remote(name string) *remote {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.remotes[name]
	if r == nil {
		r = &remote{name: name, out: outbox{arrived: make(chan struct{}, 1)}}
		b.remotes[name] = r
	}
	return r
}

func (r *remote) set(url string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.url = url
}

// forget makes the next request ask again.
func (r *remote) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.url, r.limit = "", 0
}

// young tells whether the queue was made here so recently that SQS may not know
// it everywhere.
func (r *remote) young(settle time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.madeAt) < 2*settle
}

// address returns the queue's URL; it asks SQS the first time.
func (b *Broker) address(ctx context.Context, r *remote) (string, error) {
	r.mu.Lock()
	url := r.url
	r.mu.Unlock()
	if url != "" {
		return url, nil
	}
	return b.find(ctx, r)
}

// find asks SQS for the queue's URL.
func (b *Broker) find(ctx context.Context, r *remote) (string, error) {
	var out *sqs.GetQueueUrlOutput
	err := b.try(ctx, func(ctx context.Context) (err error) {
		out, err = b.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(remoteName(r.name))})
		return err
	})
	if err != nil {
		r.forget()
		return "", err
	}
	r.set(aws.ToString(out.QueueUrl))
	return aws.ToString(out.QueueUrl), nil
}

// sizeLimit returns how large a message of the queue can be.
func (b *Broker) sizeLimit(ctx context.Context, r *remote) (int, error) {
	r.mu.Lock()
	limit := r.limit
	r.mu.Unlock()
	if limit > 0 {
		return limit, nil
	}
	all, err := b.attributes(ctx, r, types.QueueAttributeNameMaximumMessageSize)
	if errors.Is(err, queue.ErrDenied) {
		limit = lowestLimit
	} else if err != nil {
		return 0, err
	}
	if n, err := strconv.Atoi(all[string(types.QueueAttributeNameMaximumMessageSize)]); err == nil {
		limit = min(n, maxBatch)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = limit
	return limit, nil
}

func (b *Broker) attributes(ctx context.Context, r *remote, names ...types.QueueAttributeName) (map[string]string, error) {
	url, err := b.address(ctx, r)
	if err != nil {
		return nil, err
	}
	var out *sqs.GetQueueAttributesOutput
	err = b.try(ctx, func(ctx context.Context) (err error) {
		out, err = b.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
		return err
	})
	if err != nil {
		r.forget()
		return nil, err
	}
	return out.Attributes, nil
}

func (b *Broker) tags(ctx context.Context, url string) (map[string]string, error) {
	var out *sqs.ListQueueTagsOutput
	err := b.try(ctx, func(ctx context.Context) (err error) {
		out, err = b.client.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &url})
		return err
	})
	if err != nil {
		return nil, err
	}
	return out.Tags, nil
}

// Inspect implements [queue.Broker]. SQS doesn't know how many consumers there
// are, and the number of messages only approximately.
func (b *Broker) Inspect(ctx context.Context, name string) (queue.Info, error) {
	info, err := b.inspect(ctx, name)
	return info, wrap(err, "inspect queue %s", name)
}

func (b *Broker) inspect(ctx context.Context, name string) (queue.Info, error) {
	if err := b.check(ctx, name); err != nil {
		return queue.Info{}, err
	}
	ctx, cancel := b.until(ctx)
	defer cancel()
	all, err := b.attributes(ctx, b.remote(name), types.QueueAttributeNameApproximateNumberOfMessages)
	if err != nil {
		return queue.Info{}, err
	}
	n, err := strconv.Atoi(all[string(types.QueueAttributeNameApproximateNumberOfMessages)])
	return queue.Info{Messages: n, Consumers: -1}, err
}

// Delete implements [queue.Broker].
func (b *Broker) Delete(ctx context.Context, name string) error {
	if err := b.check(ctx, name); err != nil {
		return wrap(err, "delete queue %s", name)
	}
	ctx, cancel := b.until(ctx)
	defer cancel()
	b.mu.Lock()
	delete(b.specs, name)
	b.mu.Unlock()
	r := b.remote(name)
	url, err := b.address(ctx, r)
	if err == nil {
		err = b.try(ctx, func(ctx context.Context) error {
			_, err := b.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url})
			return err
		})
	}
	r.forget()
	if errors.Is(err, queue.ErrNoQueue) {
		return nil
	}
	return wrap(err, "delete queue %s", name)
}

// Declare implements [queue.Broker]. A queue that is there already, made by hand or by a
// template, is used as it is. Expires is implemented by the programs that declare expiring
// queues: each removes abandoned queues of the same family (all but the last part of the name
// is the same). SQS has no counterpart of MaxMessages and MaxBytes: it bounds a queue by age
// alone, and drops messages that are 14 days old.
func (b *Broker) Declare(ctx context.Context, spec queue.Spec) error {
	if err := spec.Check(); err != nil {
		return fmt.Errorf("declare queue: %w", err)
	}
	if err := b.check(ctx, spec.Name); err != nil {
		return wrap(err, "declare queue %s", spec.Name)
	}
	ctx, cancel := b.until(ctx)
	defer cancel()
	return wrap(b.declare(ctx, spec), "declare queue %s", spec.Name)
}

func (b *Broker) declare(ctx context.Context, spec queue.Spec) error {
	b.mu.Lock()
	old, ok := b.specs[spec.Name]
	b.mu.Unlock()
	if ok && old != spec {
		return fmt.Errorf("it was declared before as %+v, not as %+v", old, spec)
	}
	r := b.remote(spec.Name)
	url, err := b.find(ctx, r)
	switch {
	case err == nil:
		err = b.adopt(ctx, url, spec)
	case errors.Is(err, queue.ErrNoQueue):
		err = b.create(ctx, r, spec)
	}
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.specs[spec.Name] = spec
	close(b.declared)
	b.declared = make(chan struct{})
	b.mu.Unlock()
	if spec.Expires > 0 {
		b.sweep(spec.Name)
	}
	return nil
}

// adopt makes sure that an existing queue has the right properties.
func (b *Broker) adopt(ctx context.Context, url string, spec queue.Spec) error {
	tags, err := b.tags(ctx, url)
	if errors.Is(err, queue.ErrDenied) {
		return nil
	}
	if err != nil {
		return err
	}
	if tags[tagName] == "" {
		return nil
	}
	want := specTags(spec)
	for _, key := range []string{tagName, tagGroup, tagExpires, tagMax} {
		if tags[key] != want[key] {
			return fmt.Errorf("it is there already, with %s=%q where %q is wanted; delete it, or use another namespace", key, tags[key], want[key])
		}
	}
	if spec.Expires > 0 {
		return b.touch(ctx, url)
	}
	return nil
}

// touch marks an expiring queue as used.
func (b *Broker) touch(ctx context.Context, url string) error {
	return b.try(ctx, func(ctx context.Context) error {
		_, err := b.client.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{tagUsed: b.unixNow()}})
		return err
	})
}

func (b *Broker) unixNow() string { return strconv.FormatInt(b.clock.now().Unix(), 10) }

func (b *Broker) create(ctx context.Context, r *remote, spec queue.Spec) error {
	attributes, err := b.wanted(ctx, spec)
	if err != nil {
		return err
	}
	tags := specTags(spec)
	if spec.Expires > 0 {
		tags[tagUsed] = b.unixNow()
	}
	var out *sqs.CreateQueueOutput
	err = b.try(ctx, func(ctx context.Context) (err error) {
		out, err = b.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(remoteName(spec.Name)), Attributes: attributes, Tags: tags})
		return err
	})
	if errors.Is(err, queue.ErrDenied) {
		return fmt.Errorf("it does not exist on SQS (as %s) and may not be created with these credentials: create it, as docs/aws.md says, or allow sqs:CreateQueue and sqs:TagQueue: %w", remoteName(spec.Name), err)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.url, r.madeAt = aws.ToString(out.QueueUrl), time.Now()
	r.mu.Unlock()
	if b.settle == 0 {
		return nil
	}
	timer := time.NewTimer(b.settle)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx, nil)
	}
}

// wanted are the attributes of a new queue.
func (b *Broker) wanted(ctx context.Context, spec queue.Spec) (map[string]string, error) {
	keep := retention
	switch {
	case spec.Expires > 0:
		keep = retentionTemporary
	case spec.MaxMessages > 0:
		keep = retentionDead
	}
	attributes := map[string]string{
		string(types.QueueAttributeNameMessageRetentionPeriod):        strconv.Itoa(keep),
		string(types.QueueAttributeNameVisibilityTimeout):             seconds(visibility),
		string(types.QueueAttributeNameReceiveMessageWaitTimeSeconds): seconds(pollTime),
		string(types.QueueAttributeNameMaximumMessageSize):            strconv.Itoa(maxBatch),
	}
	if spec.DeadLetter == "" {
		return attributes, nil
	}
	dead, err := b.attributes(ctx, b.remote(spec.DeadLetter), types.QueueAttributeNameQueueArn)
	if err != nil {
		return nil, wrap(err, "its dead-letter queue %s", spec.DeadLetter)
	}
	policy, err := json.Marshal(map[string]any{"deadLetterTargetArn": dead[string(types.QueueAttributeNameQueueArn)], "maxReceiveCount": maxReceives})
	attributes[string(types.QueueAttributeNameRedrivePolicy)] = string(policy)
	return attributes, err
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

func specTags(spec queue.Spec) map[string]string {
	tags := map[string]string{tagName: spec.Name}
	if spec.Group != "" {
		tags[tagGroup] = spec.Group
	}
	if spec.Expires > 0 {
		tags[tagExpires] = strconv.FormatInt(int64((spec.Expires+time.Millisecond-1)/time.Millisecond), 10)
	}
	if spec.MaxMessages > 0 {
		tags[tagMax] = strconv.Itoa(spec.MaxMessages)
	}
	return tags
}
