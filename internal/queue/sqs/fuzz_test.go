package sqs

import (
	"errors"
	"testing"
	"time"

	"downbeat/internal/queue"
)

// Any text in a queue is a message that can be packed again, or is refused.
func FuzzText(f *testing.F) {
	c, err := newCodec()
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range []queue.Message{
		{Body: []byte("hello"), TTL: time.Minute, Persistent: true, Header: map[string]string{"reason": "none"}},
		{Body: make([]byte, 20_000)},
		{Body: []byte{0, 255}},
		{},
	} {
		p, err := c.pack(m)
		if err != nil {
			f.Fatal(err)
		}
		texts, err := p.cut(2000, "ABCDEFGHIJKLMNOP")
		if err != nil {
			f.Fatal(err)
		}
		for _, text := range texts {
			f.Add(text)
		}
	}
	f.Add("downbeat 1 text 0 0 9 SET 1 4097\nx")
	f.Add("downbeat 1 zstd 9223372036854775807 1 9223372036854775807\nzzzz")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parse(text)
		if err != nil {
			if !errors.Is(err, errForeign) {
				t.Errorf("error %v", err)
			}
			return
		}
		if p.index >= p.count || p.count > maxPieces || p.header < 0 || p.ttl < 0 {
			t.Errorf("accepted: piece %d of %d, header %d, ttl %s", p.index, p.count, p.header, p.ttl)
		}
		m, err := c.unpack(p)
		if err != nil {
			return
		}
		if len(m.Body) > maxBody+2*queue.MaxHeader+len(text) {
			t.Errorf("%d bytes of text became %d of body", len(text), len(m.Body))
		}
		if _, err := c.pack(m); err != nil {
			t.Errorf("unpacked, but can't be packed: %v", err)
		}
	})
}
