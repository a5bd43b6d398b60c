package queue

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Header keys that DeadLetter sets.
const (
	HeaderReason = "reason" // why the message was not accepted
	HeaderSource = "source" // the queue it came from
	// HeaderSize is how many bytes the body had, where it had to be cut.
	HeaderSize = "size"
)

const (
	// maxReason bounds the reason: what it quotes may be as large as a message.
	maxReason = 4 << 10
	// maxKept is what is kept of a body: enough to see what it is. What is
	// refused is as a rule somebody else's, and as large as they like.
	maxKept = 64 << 10
)

// DeadLetter moves a delivery that can't be accepted to the queue named dead, with
// headers that tell the reason and the source, and acknowledges it. The queue must
// have been declared. A large body is cut, and headers of the message's own that
// don't fit are dropped, so that no number of dead letters fills a broker.
func DeadLetter(ctx context.Context, b Broker, d *Delivery, source, dead, reason string) error {
	m := d.Message
	m.Persistent, m.TTL = true, 0
	m.Header = fitting(m.Header)
	m.Header[HeaderReason], m.Header[HeaderSource] = shorten(reason), source
	if len(m.Body) > maxKept {
		m.Header[HeaderSize] = strconv.Itoa(len(m.Body))
		m.Body = m.Body[:maxKept]
	}
	if err := b.Publish(ctx, dead, m); err != nil {
		return fmt.Errorf("dead-letter a message of %s: %w", source, err)
	}
	return d.Ack(ctx)
}

// fitting is what of a message's header leaves room for ours.
func fitting(header map[string]string) map[string]string {
	kept := make(map[string]string)
	room := maxReason
	for _, key := range slices.Sorted(maps.Keys(header)) {
		size := len(key) + len(header[key])
		if checkKey(key) == nil && size <= room {
			kept[key] = header[key]
			room -= size
		}
	}
	return kept
}

// shorten makes a reason that every broker carries.
func shorten(reason string) string {
	if len(reason) > maxReason {
		reason = reason[:maxReason] + " ..."
	}
	return strings.ToValidUTF8(reason, "\uFFFD")
}
