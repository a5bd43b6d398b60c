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
	// HeaderSize is how many bytes the body had, if it had to be cut.
	HeaderSize = "size"
)

const (
	// maxReason bounds the reason, which may quote as much as a whole message.
	maxReason = 4 << 10
	// maxKept is how much of a body is kept: enough to see what it is. Messages that are
	// refused mostly come from others, and may be of any size.
	maxKept = 64 << 10
)

// DeadLetter moves a delivery that can't be accepted to the queue dead, with headers for the
// reason and the source, and acknowledges it. The queue must have been declared. A large body
// is cut, and headers of the message that don't fit are dropped, so that dead letters can't
// fill a broker.
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

// fitting is the part of a message's header that leaves room for ours.
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

// shorten cuts a reason so that every broker accepts it.
func shorten(reason string) string {
	if len(reason) > maxReason {
		reason = reason[:maxReason] + " ..."
	}
	return strings.ToValidUTF8(reason, "\uFFFD")
}
