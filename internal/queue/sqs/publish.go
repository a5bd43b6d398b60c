package sqs

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"downbeat/internal/queue"
	"downbeat/internal/queue/retry"
)

const (
	// bulkSize is the size from which a message that is not persistent and has no TTL, such as
	// output, may wait a little for more of its kind.
	bulkSize = 16 << 10
	// bulkEnough is how many bytes of those are worth a request: compressed, they fill at most
	// half of it.
	bulkEnough = 3 << 19
	// bulkLinger is how long they wait for that.
	bulkLinger = 100 * time.Millisecond
)

// An outbox sends the messages of one queue, one batch at a time: messages that come while a
// batch is being sent go with the next. So a single message is sent at once, and many need few
// requests.
type outbox struct {
	arrived chan struct{} // has an element when something came

	mu      sync.Mutex
	waiting []*posting
	sending bool
	alone   bool // send one by one: SQS refused a whole batch, because of one of them
}

// A posting is one text on its way.
type posting struct {
	ctx  context.Context // of the call that waits for it
	text string
	bulk int // the message's size, if it is large and can wait
	at   time.Time
	done chan error

	mu   sync.Mutex
	last error // what went wrong with the latest attempt
}

func (p *posting) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = err
}

// Publish implements [queue.Broker].
func (b *Broker) Publish(ctx context.Context, name string, m queue.Message) error {
	return b.Enqueue(ctx, name, m)()
}

// Enqueue implements [queue.Broker].
func (b *Broker) Enqueue(ctx context.Context, name string, m queue.Message) queue.Confirm {
	confirm := b.hand(ctx, name, m)
	return func() error { return wrap(confirm(), "publish to %s", name) }
}

// hand puts the message into the queue's outbox; the Confirm's error is without the
// queue's name.
func (b *Broker) hand(ctx context.Context, name string, m queue.Message) queue.Confirm {
	ctx, cancel := b.until(ctx)
	postings, err := b.enqueue(ctx, name, m)
	return func() error {
		defer cancel()
		for _, p := range postings {
			if err == nil {
				err = p.await() // and the others are not sent any more, if there is still time
			}
		}
		return err
	}
}

// enqueue puts what the message is sent as into the queue's outbox.
func (b *Broker) enqueue(ctx context.Context, name string, m queue.Message) ([]*posting, error) {
	if err := b.check(ctx, name); err != nil {
		return nil, err
	}
	if err := m.Check(b.Limits()); err != nil {
		return nil, err
	}
	r := b.remote(name)
	texts, err := b.write(ctx, r, m)
	if err != nil {
		return nil, err
	}
	postings := make([]*posting, len(texts))
	bulk := 0
	if len(m.Body) >= bulkSize && !m.Persistent && m.TTL == 0 {
		bulk = len(m.Body)
	}
	for i, text := range texts {
		postings[i] = &posting{ctx: ctx, text: text, bulk: bulk, at: time.Now(), done: make(chan error, 1)}
	}
	return postings, b.post(r, postings)
}

// write makes the texts of a message, of which there are several only where it
// is too large for the queue.
func (b *Broker) write(ctx context.Context, r *remote, m queue.Message) ([]string, error) {
	p, err := b.codec.pack(m)
	if err != nil {
		return nil, err
	}
	limit := unaskedLimit
	if len(p.line)+1+len(p.content) > limit {
		if limit, err = b.sizeLimit(ctx, r); err != nil {
			return nil, err
		}
	}
	return p.cut(limit, rand.Text()[:16])
}

func (b *Broker) post(r *remote, postings []*posting) error {
	o := &r.out
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(o.waiting, postings...)
	select {
	case o.arrived <- struct{}{}:
	default:
	}
	if o.sending {
		return nil
	}
	o.sending = true
	if err := b.begin(func() { b.send(r) }); err != nil {
		o.sending = false
		return err
	}
	return nil
}

func (p *posting) await() error {
	select {
	case err := <-p.done:
		return err
	case <-p.ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		return ended(p.ctx, p.last)
	}
}

// send is the outbox's goroutine: it sends until nothing waits.
func (b *Broker) send(r *remote) {
	attempts := retry.New()
	for {
		if linger := r.out.linger(); linger > 0 {
			r.out.pause(b.ctx, linger)
			continue
		}
		batch := r.out.take()
		if batch == nil {
			return
		}
		again := b.sendBatch(r, batch)
		if len(again) == 0 {
			attempts.Reset()
			continue
		}
		r.out.putBack(again)
		attempts.Wait(b.ctx, nil) // when the broker is closed, so are the postings' contexts
	}
}

// linger tells how long the next batch can wait for more: not at all where
// something in it has to go, or where it is large enough.
func (o *outbox) linger() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	bytes := 0
	for _, p := range o.waiting {
		if bytes += p.bulk; p.bulk == 0 || p.ctx.Err() != nil {
			return 0
		}
	}
	if len(o.waiting) == 0 || len(o.waiting) >= batchSize || bytes >= bulkEnough {
		return 0
	}
	return bulkLinger - time.Since(o.waiting[0].at)
}

// pause lets the time pass, cut short when more comes.
func (o *outbox) pause(ctx context.Context, linger time.Duration) {
	timer := time.NewTimer(linger)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-o.arrived:
	case <-ctx.Done():
	}
}

// take removes the next batch; nil: there is none, and the goroutine ends.
func (o *outbox) take() []*posting {
	o.mu.Lock()
	defer o.mu.Unlock()
	var batch []*posting
	size, most := 0, batchSize
	if o.alone {
		most = 1
	}
	for len(o.waiting) > 0 && len(batch) < most {
		p := o.waiting[0]
		if p.ctx.Err() == nil {
			if size += len(p.text); size > maxBatch && len(batch) > 0 {
				break
			}
			batch = append(batch, p)
		}
		o.waiting[0] = nil // the array outlives the element
		o.waiting = o.waiting[1:]
	}
	o.sending = len(batch) > 0
	return batch
}

func (o *outbox) putBack(batch []*posting) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(batch, o.waiting...)
}

func (o *outbox) setAlone(alone bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.alone = alone
}

// sendBatch sends the postings, answers those about which SQS has said its last
// word, and returns those to be sent again.
func (b *Broker) sendBatch(r *remote, batch []*posting) (again []*posting) {
	url, err := b.address(b.ctx, r)
	var out *sqs.SendMessageBatchOutput
	if err == nil {
		entries := make([]types.SendMessageBatchRequestEntry, len(batch))
		for i, p := range batch {
			entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &p.text}
		}
		err = b.once(b.ctx, func(ctx context.Context) (err error) {
			out, err = b.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
			return err
		})
		if refused := mapped(err); refused != nil {
			err = refused
		}
	}
	if err != nil {
		return b.refuse(r, batch, err)
	}
	r.out.setAlone(false)
	return answer(batch, out)
}

// refuse deals with a batch that was not taken as a whole.
func (b *Broker) refuse(r *remote, batch []*posting, err error) (again []*posting) {
	var final bool
	switch {
	case errors.Is(err, queue.ErrNoQueue):
		final = !r.young(b.settle)
		r.forget()
	case errors.Is(err, queue.ErrDenied), errors.Is(err, queue.ErrClosed):
		final = true
	case isRefusal(err):
		if final = len(batch) == 1; final {
			r.out.setAlone(false)
		} else {
			r.out.setAlone(true)
		}
		if errors.Is(err, queue.ErrTooLarge) {
			r.mu.Lock()
			r.limit = 0 // the queue may have been given another one
			r.mu.Unlock()
		}
	}
	for _, p := range batch {
		p.failed(err)
		if final {
			p.done <- err
		}
	}
	if final {
		return nil
	}
	return batch
}

// answer gives each posting what SQS says of it.
func answer(batch []*posting, out *sqs.SendMessageBatchOutput) (again []*posting) {
	said := make(map[string]error, len(batch))
	for _, ok := range out.Successful {
		said[aws.ToString(ok.Id)] = nil
	}
	unanswered := errors.New("SQS did not say whether it took the message")
	failed := make(map[string]error)
	for _, f := range out.Failed {
		code, text := aws.ToString(f.Code), aws.ToString(f.Message)
		if err := refusal(code, text); err != nil && f.SenderFault {
			said[aws.ToString(f.Id)] = err
			continue
		}
		failed[aws.ToString(f.Id)] = errors.New(code + ": " + text)
	}
	for i, p := range batch {
		id := strconv.Itoa(i)
		if err, ok := said[id]; ok {
			p.done <- err
			continue
		}
		p.failed(errors.Join(failed[id]))
		if failed[id] == nil {
			p.failed(unanswered)
		}
		again = append(again, p)
	}
	return again
}
