package sqs

import (
	"context"
	"slices"
	"time"
)

// keepInterval is how often held messages are kept hidden for longer.
const keepInterval = visibility / 3

// minTouch is the shortest time between two marks that an expiring queue is in use: SQS's clock
// is known to a second.
const minTouch = time.Second

// keep is the goroutine that keeps the consumer's messages hidden from others, and its queue
// marked as used.
func (c *consumer) keep() {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	var touch <-chan time.Time
	if c.expires > 0 {
		touching := time.NewTicker(max(c.expires/3, minTouch))
		defer touching.Stop()
		touch = touching.C
	}
	for {
		select {
		case <-ticker.C:
			c.extend()
		case <-touch:
			c.touch()
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *consumer) touch() {
	url, err := c.broker.address(c.ctx, c.remote)
	if err == nil {
		err = c.broker.touch(c.ctx, url)
	}
	if err != nil && c.ctx.Err() == nil {
		c.broker.log.Debug("the queue could not be marked as used", "queue", c.remote.name, "error", err)
	}
}

// extend keeps messages hidden that have been held for some time, and puts back the pieces of
// messages that don't become complete.
func (c *consumer) extend() {
	now := time.Now()
	soon := now.Add(2 * keepInterval)
	c.mu.Lock()
	var receipts []string
	for a := range c.held {
		if a.until.Before(soon) {
			receipts = append(receipts, a.receipts...)
		}
	}
	for id, s := range c.sets {
		if now.Sub(s.began) > setTimeout {
			c.settler.add(true, s.receipts()...)
			delete(c.sets, id)
			continue
		}
		receipts = append(receipts, s.receipts()...)
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.ctx, keepInterval)
	defer cancel()
	for chunk := range slices.Chunk(receipts, batchSize) {
		lost, err := changeVisibility(ctx, c.broker, c.remote, chunk, visibility)
		if err != nil {
			c.broker.log.Debug("messages could not be kept hidden", "queue", c.remote.name, "error", err)
			return // messages that are not hidden any more are dropped by Receive, and delivered again
		}
		c.extended(chunk, lost, now.Add(visibility))
	}
}

// extended notes which messages were extended. Those that SQS doesn't hide any more are
// delivered again.
func (c *consumer) extended(receipts, lost []string, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for a := range c.held {
		switch {
		case slices.ContainsFunc(a.receipts, func(r string) bool { return slices.Contains(lost, r) }):
			delete(c.held, a)
			c.signalRoom()
		case slices.ContainsFunc(a.receipts, func(r string) bool { return slices.Contains(receipts, r) }):
			a.until = until
		}
	}
}
