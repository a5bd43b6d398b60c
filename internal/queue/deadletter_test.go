package queue_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"downbeat/internal/queue"
	"downbeat/internal/queue/mem"
)

// bury dead-letters a message as it was delivered, and returns the dead letter.
func bury(t *testing.T, m queue.Message, reason string) *queue.Delivery {
	t.Helper()
	b := mem.New(queue.Options{})
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"jobs", "dead"} {
		if err := b.Declare(t.Context(), queue.Spec{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Publish(t.Context(), "jobs", queue.Message{}); err != nil {
		t.Fatal(err)
	}
	d := receive(t, b, "jobs")
	d.Message = m // as others may have published it
	if err := queue.DeadLetter(t.Context(), b, d, "jobs", "dead", reason); err != nil {
		t.Fatal(err)
	}
	if info, err := b.Inspect(t.Context(), "jobs"); err != nil || info.Messages != 0 {
		t.Errorf("%d messages are left, %v", info.Messages, err)
	}
	return receive(t, b, "dead")
}

func receive(t *testing.T, b queue.Broker, name string) *queue.Delivery {
	t.Helper()
	c, err := b.Consume(t.Context(), name, 1)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDeadLetterIsTheMessageWithItsReason(t *testing.T) {
	t.Parallel()
	d := bury(t, queue.Message{Body: []byte("x"), Header: map[string]string{"own": "1"}}, "no good")
	if h := d.Header; string(d.Body) != "x" || len(h) != 3 || h["own"] != "1" || h[queue.HeaderReason] != "no good" || h[queue.HeaderSource] != "jobs" {
		t.Errorf("%q with %v, want x with its own header, reason and source", d.Body, h)
	}
}

// Messages of others may be larger than can be published again; they have to go away all the
// same, or the worker would be left without room for deliveries.
func TestWhatIsTooMuchForADeadLetterIsLeftOut(t *testing.T) {
	t.Parallel()
	cut := bury(t, queue.Message{Body: []byte(strings.Repeat("x", 64<<10+1)), Header: map[string]string{"own": strings.Repeat("y", 4<<10)}}, "no good")
	if len(cut.Body) != 64<<10 || cut.Header[queue.HeaderSize] != "65537" || len(cut.Header) != 3 {
		t.Errorf("%d bytes of %s are kept with headers %v", len(cut.Body), cut.Header[queue.HeaderSize], cut.Header)
	}
	big := bytes.Repeat([]byte("x"), mem.New(queue.Options{}).Limits().MaxBody+1)
	d := bury(t, queue.Message{Body: big, Header: map[string]string{
		"small": "1", "large": strings.Repeat("y", queue.MaxHeader), strings.Repeat("k", 200): "1", "": "1",
	}}, strings.Repeat("\xff", queue.MaxHeader))
	if len(d.Body) != 64<<10 || d.Header[queue.HeaderSize] != "16777217" {
		t.Errorf("%d bytes of %s are kept, want 65536 of 16777217", len(d.Body), d.Header[queue.HeaderSize])
	}
	if len(d.Header) != 4 || d.Header["small"] != "1" {
		t.Errorf("headers %d, want reason, source, size and the small one", len(d.Header))
	}
	if reason := d.Header[queue.HeaderReason]; len(reason) > 16<<10 || !utf8.ValidString(reason) {
		t.Errorf("the reason has %d bytes, valid: %t", len(reason), utf8.ValidString(reason))
	}
}
