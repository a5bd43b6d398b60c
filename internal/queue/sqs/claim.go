package sqs

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"downbeat/internal/queue"
	"downbeat/internal/queue/retry"
)

// SQS gives a queue's messages to any consumer. So a consumer that wants a queue to itself
// claims it in a tag of the queue, with an end, and renews the claim in time; every consumer
// reads the tag first. Tags have no compare-and-set: a consumer that writes the tag waits as
// long as another one's write may take to become visible, and then reads it again. If two get
// through nevertheless, the renewal detects it; meanwhile it does no more harm than SQS's own
// duplicates.

// tagHolder is the tag of the claim: an id of this one consumer, an id of its holder, the end
// (Unix seconds of SQS's clock), and a description for people. Its value is [nobody] when the
// last holder has left.
const (
	tagHolder = "downbeat:holder"
	nobody    = "-"
)

// terms say how long a claim holds and how often it is renewed. A renewal takes
// two requests, so there are few: 960 in a day.
type terms struct {
	lease, renew time.Duration
	// settle is how long a tag may take to be seen by others.
	settle time.Duration
}

var (
	termsOfAWS = terms{lease: 10 * time.Minute, renew: 3 * time.Minute, settle: 2 * time.Second}
	// An emulator's tags can be seen at once.
	termsOfEmulator = terms{lease: 10 * time.Minute, renew: 3 * time.Minute, settle: 200 * time.Millisecond}
)

// A claim keeps a queue for one consumer. Its fields belong to the consumer's goroutine
// once that runs.
type claim struct {
	broker *Broker
	remote *remote
	nonce  string
	holder string
	about  string
	terms  terms
	// again allows replacing an earlier claim of the same holder. It is not allowed any more
	// after our claim was replaced: then two consumers use the same name.
	again   bool
	until   time.Time // by this process's clock; zero: not held
	renewAt time.Time
	// unchecked says that tags may not be read or written here, so others are not kept
	// away.
	unchecked bool
	told      bool // it was logged that another one has the queue
}

func (b *Broker) newClaim(r *remote, c queue.Claim) *claim {
	sum := sha256.Sum256([]byte(c.Holder))
	return &claim{
		broker: b, remote: r, nonce: rand.Text(), holder: hex.EncodeToString(sum[:8]), about: taggable(c.About), terms: b.terms, again: true,
	}
}

// taggable drops characters that are not allowed in a tag's value.
func taggable(text string) string {
	const most = 100
	text = strings.Map(func(r rune) rune {
		if r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" _.:/=+-@", r)) {
			return r
		}
		return '_'
	}, text)
	return strings.TrimSpace(text[:min(len(text), most)])
}

// A holding is the content of the tag.
type holding struct {
	nonce, holder, about string
	until                time.Time
}

func parseHolding(value string) (h holding, ok bool) {
	words := strings.SplitN(value, " ", 4)
	if len(words) < 3 {
		return h, false
	}
	seconds, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil {
		return h, false
	}
	h = holding{nonce: words[0], holder: words[1], until: time.Unix(seconds, 0)}
	if len(words) == 4 {
		h.about = words[3]
	}
	return h, true
}

// take tries to claim the queue once; it returns a [queue.HeldError] if another one has it.
func (c *claim) take(ctx context.Context) error {
	err := c.tryTake(ctx)
	if errors.Is(err, queue.ErrDenied) {
		c.unchecked = true
		c.broker.log.Warn("whether another consumer has the queue can't be seen, as these credentials may not read and write its tags; allow sqs:ListQueueTags and sqs:TagQueue",
			"queue", c.remote.name, "error", err)
		return nil
	}
	return err
}

func (c *claim) tryTake(ctx context.Context) error {
	if err := c.look(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := c.write(ctx, began); err != nil {
		return err
	}
	timer := time.NewTimer(c.terms.settle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ended(ctx, nil)
	}
	current, err := c.read(ctx)
	if err != nil {
		return err
	}
	if current.nonce != c.nonce {
		return &queue.HeldError{By: current.about}
	}
	c.hold(began)
	return nil
}

// look makes sure that no other consumer has the queue.
func (c *claim) look(ctx context.Context) error {
	current, err := c.read(ctx)
	if err != nil {
		return err
	}
	own := current.nonce == c.nonce || current.holder == c.holder && c.again
	if !own && c.broker.clock.now().Before(current.until) {
		return &queue.HeldError{By: current.about}
	}
	return nil
}

func (c *claim) hold(since time.Time) {
	c.until, c.renewAt = since.Add(c.terms.lease-slack), since.Add(c.terms.renew)
}

// read returns which consumer has the queue; if none has, the holding has expired.
func (c *claim) read(ctx context.Context) (holding, error) {
	url, err := c.broker.address(ctx, c.remote)
	if err != nil {
		return holding{}, err
	}
	tags, err := c.broker.tags(ctx, url)
	if err != nil {
		return holding{}, err
	}
	h, _ := parseHolding(tags[tagHolder])
	return h, nil
}

func (c *claim) write(ctx context.Context, from time.Time) error {
	until := c.broker.clock.now().Add(time.Until(from) + c.terms.lease)
	return c.tag(ctx, fmt.Sprintf("%s %s %d %s", c.nonce, c.holder, until.Unix(), c.about))
}

func (c *claim) tag(ctx context.Context, value string) error {
	url, err := c.broker.address(ctx, c.remote)
	if err != nil {
		return err
	}
	return c.broker.try(ctx, func(ctx context.Context) error {
		_, err := c.broker.client.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{tagHolder: strings.TrimSpace(value)}})
		return err
	})
}

// keep makes sure, before a poll, that the queue is still ours, and renews the claim when that
// is due. It returns when the queue is ours, or ctx has ended.
func (c *claim) keep(ctx context.Context, attempts *retry.Retry) {
	for ctx.Err() == nil && !c.unchecked && time.Now().After(c.renewAt) {
		if err := c.renew(ctx); err == nil {
			return
		} else if ctx.Err() == nil {
			c.report(err)
		}
		if time.Now().Before(c.until) { // it couldn't be renewed, but holds
			c.renewAt = time.Now().Add(c.terms.renew / 6)
			return
		}
		if c.told { // another one has it, for longer
			pause(ctx, c.terms.renew/9)
		} else {
			attempts.Wait(ctx, nil)
		}
	}
}

// renew extends the claim, if the queue is still ours, or makes it again.
func (c *claim) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if c.until.IsZero() || time.Now().After(c.until) {
		err := c.tryTake(ctx)
		if err == nil && c.told {
			c.told = false
			c.broker.log.Info("the queue is ours again", "queue", c.remote.name)
		}
		return err
	}
	current, err := c.read(ctx)
	if err != nil {
		return err
	}
	if current.nonce != c.nonce {
		c.until, c.again = time.Time{}, false
		return &queue.HeldError{By: current.about}
	}
	began := time.Now()
	if err := c.write(ctx, began); err != nil {
		return err
	}
	c.hold(began)
	return nil
}

func (c *claim) report(err error) {
	held, ok := errors.AsType[*queue.HeldError](err)
	if !ok {
		c.broker.log.Debug("the claim on the queue could not be renewed", "queue", c.remote.name, "error", err)
		return
	}
	if !c.told {
		c.broker.log.Warn("another consumer has taken the queue, waiting for it", "queue", c.remote.name, "holder", held.By)
	}
	c.told = true
}

// release gives the queue up, so that others can have it at once.
func (c *claim) release(ctx context.Context) {
	if c.unchecked || c.until.IsZero() {
		return
	}
	current, err := c.read(ctx)
	if err == nil && current.nonce == c.nonce {
		err = c.tag(ctx, nobody)
	}
	if err != nil {
		c.broker.log.Debug("the claim on the queue could not be given back", "queue", c.remote.name, "error", err)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
