package sqs

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"downbeat/internal/queue"
)

// setTimeout is how long the pieces of a message are held while one is missing. Then they go
// back: another consumer may have it.
const setTimeout = 2 * time.Minute

// A set is the pieces of a message that was cut.
type set struct {
	pieces map[int]piece
	taken  map[int]types.Message // the SQS message of each piece
	size   int                   // of the pieces
	began  time.Time
}

// How many bytes of incomplete sets are held: of one set, which is enough for any message that
// was sent by us, and of all. A larger set is dropped; if all are too large, the oldest is put
// back.
const (
	maxSet  = (maxBody+2*queue.MaxHeader)/4*5 + 1<<10
	maxSets = 4 * maxSet
)

func (s *set) receipts() []string {
	all := make([]string, 0, len(s.taken))
	for _, m := range s.taken {
		all = append(all, aws.ToString(m.ReceiptHandle))
	}
	return all
}

func wakeText(id string) string { return mark + encodingWake + " 0 0 0\n" + id }

// accept sorts what a poll has received; woken says that this consumer's own wake message was
// among it.
func (c *consumer) accept(got received) (woken bool) {
	for _, m := range got.messages {
		p, err := parse(aws.ToString(m.Body))
		switch {
		case err != nil: // not ours; the receiver will refuse it, with a reason
			c.deliver(got, m, queue.Message{Body: []byte(aws.ToString(m.Body))}, aws.ToString(m.ReceiptHandle))
		case p.encoding == encodingWake:
			woken = c.acceptWake(m, p) || woken
		case p.ttl > 0 && age(got, m) > p.ttl:
			c.settler.add(false, aws.ToString(m.ReceiptHandle))
		case p.count == 1:
			c.acceptWhole(got, m, p)
		default:
			c.acceptPiece(got, m, p)
		}
	}
	return woken
}

// age is how long the message has been in SQS, by SQS's clock; it may be up to a second too
// short.
func age(got received, m types.Message) time.Duration {
	sent, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	if err != nil || got.server.IsZero() {
		return 0
	}
	return got.server.Sub(time.UnixMilli(sent))
}

func receives(m types.Message) int {
	n, _ := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	return n
}

// wakeReceives is how often a wake message is put back for the consumer that it
// is meant for, before it is dropped.
const wakeReceives = 5

func (c *consumer) acceptWake(m types.Message, p piece) bool {
	own := strings.TrimSpace(p.content) == c.id
	c.settler.add(!own && receives(m) < wakeReceives, aws.ToString(m.ReceiptHandle))
	return own
}

func (c *consumer) acceptWhole(got received, m types.Message, p piece, receipts ...string) {
	if len(receipts) == 0 {
		receipts = []string{aws.ToString(m.ReceiptHandle)}
	}
	message, err := c.broker.codec.unpack(p)
	if err != nil {
		if !errors.Is(err, errForeign) {
			c.broker.log.Debug("a message can't be decoded", "queue", c.remote.name, "error", err)
		}
		message = queue.Message{Body: []byte(p.content)}
	}
	c.deliver(got, m, message, receipts...)
}

func (c *consumer) deliver(got received, m types.Message, message queue.Message, receipts ...string) {
	a := &arrival{message: message, receipts: receipts, redelivered: receives(m) > 1, at: got.at, until: got.at.Add(visibility)}
	c.mu.Lock()
	c.held[a] = struct{}{}
	c.mu.Unlock()
	select {
	case c.deliveries <- a:
	case <-c.ctx.Done(): // it goes back with the others
	}
}

// acceptPiece adds a piece to its set, and delivers the message when it is the
// last one missing.
func (c *consumer) acceptPiece(got received, m types.Message, p piece) {
	c.mu.Lock()
	s := c.sets[p.set]
	if s == nil {
		s = &set{pieces: make(map[int]piece), taken: make(map[int]types.Message), began: time.Now()}
		c.sets[p.set] = s
	}
	if old, ok := s.taken[p.index]; ok && aws.ToString(old.MessageId) != aws.ToString(m.MessageId) {
		// It was sent twice: SQS may have accepted a message without its sender knowing.
		c.settler.add(false, aws.ToString(old.ReceiptHandle))
	}
	s.size += len(p.content) - len(s.pieces[p.index].content)
	s.pieces[p.index], s.taken[p.index] = p, m
	if s.size > maxSet {
		c.broker.log.Warn("a message in pieces is too large, and was dropped", "queue", c.remote.name, "bytes", s.size)
		c.settler.add(false, s.receipts()...)
		delete(c.sets, p.set)
		c.mu.Unlock()
		return
	}
	if len(s.pieces) < p.count {
		c.boundSets()
		c.mu.Unlock()
		return
	}
	delete(c.sets, p.set)
	c.mu.Unlock()
	var content strings.Builder
	for i := range p.count {
		content.WriteString(s.pieces[i].content)
	}
	p.content = content.String()
	c.acceptWhole(got, m, p, s.receipts()...)
}

// boundSets puts the oldest sets back until the rest is within the bound. The consumer's mutex
// is held.
func (c *consumer) boundSets() {
	for {
		size, oldest := 0, ""
		for id, s := range c.sets {
			size += s.size
			if oldest == "" || s.began.Before(c.sets[oldest].began) {
				oldest = id
			}
		}
		if size <= maxSets {
			return
		}
		c.settler.add(true, c.sets[oldest].receipts()...)
		delete(c.sets, oldest)
	}
}
