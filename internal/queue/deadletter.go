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
	// keptOfLarge is what is left of a body that the broker delivers and does
	// not take: somebody else published it.
	keptOfLarge = 64 << 10
)

// DeadLetter moves a delivery that can't be accepted to the queue named dead,
// unchanged but for headers that tell the reason and the source, and
// acknowledges it. The queue must have been declared. What of the message could
// not be published again is left out: a body over the limit is cut, and headers
// of its own that don't fit are dropped.
func DeadLetter(ctx context.Context, b Broker, d *Delivery, source, dead, reason string) error {
	m := d.Message
	m.Persistent, m.TTL = true, 0
	m.Header = fitting(m.Header)
	m.Header[HeaderReason], m.Header[HeaderSource] = shorten(reason), source
	if len(m.Body) > b.Limits().MaxBody {
		m.Header[HeaderSize] = strconv.Itoa(len(m.Body))
		m.Body = m.Body[:min(keptOfLarge, b.Limits().MaxBody)]
	}
	if err := b.Publish(ctx, dead, m); err != nil {
		return fmt.Errorf("dead-letter a message of %s: %w", source, err)
	}
	return d.Ack(ctx)
}

// fitting is what of a message's header leaves room for ours.
func fitting(header map[string]string) map[string]string {
	kept := make(map[string]string)
	room := MaxHeader / 2
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
