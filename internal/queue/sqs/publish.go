package sqs

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"downbeat/internal/queue"
)

// An outbox sends the messages of one queue, one batch at a time: what comes
// while a batch is on its way goes with the next. So a single message goes at
// once, and many cost few requests.
type outbox struct {
	mu      sync.Mutex
	waiting []*posting
	sending bool
	alone   bool // send one by one: SQS refused a whole batch, because of one of them
}

// A posting is one text on its way.
type posting struct {
	ctx  context.Context // of the call that waits for it
	text string
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
	return wrap(b.publish(ctx, name, m), "publish to %s", name)
}

func (b *Broker) publish(ctx context.Context, name string, m queue.Message) error {
	if err := b.check(ctx, name); err != nil {
		return err
	}
	if err := m.Check(b.Limits()); err != nil {
		return err
	}
	ctx, cancel := b.until(ctx)
	defer cancel()
	r := b.remote(name)
	texts, err := b.write(ctx, r, m)
	if err != nil {
		return err
	}
	postings := make([]*posting, len(texts))
	for i, text := range texts {
		postings[i] = &posting{ctx: ctx, text: text, done: make(chan error, 1)}
	}
	if err := b.post(r, postings); err != nil {
		return err
	}
	for _, p := range postings {
		if err := p.await(); err != nil {
			return err // and the others are not sent any more, if there is still time
		}
	}
	return nil
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
	retry := newRetry()
	for {
		batch := r.out.take()
		if batch == nil {
			return
		}
		again := b.sendBatch(r, batch)
		if len(again) == 0 {
			retry.Reset()
			continue
		}
		r.out.putBack(again)
		retry.wait(b.ctx, nil) // when the broker is closed, so are the postings' contexts
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
