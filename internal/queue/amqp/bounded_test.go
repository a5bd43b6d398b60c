package amqp_test

import (
	"strings"
	"testing"

	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/testkit"
)

// A queue that an older build has made has no bound in bytes, and can't be given one:
// it is used as it is, after a reconnect too. Any other difference is an error.
func TestQueueFromBeforeThereWasABoundInBytesIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	old, b := closing(t, open(t, url)), closing(t, open(t, url))
	name := declared(t, old, url, queue.Spec{MaxMessages: 3})
	bounded := queue.Spec{Name: name, MaxMessages: 3, MaxBytes: 10}
	for range 2 {
		if err := b.Declare(testkit.Context(t), bounded); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Publish(testkit.Context(t), name, queue.Message{Body: []byte(strings.Repeat("x", 100))}); err != nil {
		t.Error(err)
	}
	if info, err := b.Inspect(testkit.Context(t), name); err != nil || info.Messages != 1 {
		t.Errorf("%d messages wait (%v), want one", info.Messages, err)
	}
	other := closing(t, open(t, url))
	if err := other.Declare(testkit.Context(t), queue.Spec{Name: name, MaxMessages: 4, MaxBytes: 10}); err == nil || !strings.Contains(err.Error(), "inequivalent arg 'x-max-length'") {
		t.Errorf("with another number of messages: error %v, want the broker's", err)
	}
}
