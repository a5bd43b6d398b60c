package worker

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"downbeat/internal/queue"
	"downbeat/internal/queue/mem"
	"downbeat/internal/testkit"
	"downbeat/internal/worker/runlog"
)

// A spool is a log with a sender, and the queue that it sends to.
type spool struct {
	t        *testing.T
	broker   *mem.Broker
	log      *runlog.Log
	sender   *sender
	consumer queue.Consumer
}

// newSpool starts a sender of a log with these records.
func newSpool(t *testing.T, window int, records ...[]byte) *spool {
	t.Helper()
	p := &spool{t: t, broker: mem.New(queue.Options{})}
	var err error
	p.log, err = runlog.Create(filepath.Join(t.TempDir(), "log"), []byte("job"))
	testkit.Check(t, err)
	for _, record := range records {
		testkit.Check(t, p.log.Append(record))
	}
	testkit.Check(t, p.broker.Declare(t.Context(), queue.Spec{Name: "events"}))
	p.consumer, err = p.broker.Consume(t.Context(), "events", 1000)
	testkit.Check(t, err)
	p.sender = newSender(p.broker, "events", window, p.log, slog.New(slog.DiscardHandler))
	p.sender.onGone = func() { t.Error("the publisher is said to be gone") }
	stop := p.sender.start(t.Context())
	t.Cleanup(func() {
		stop()
		testkit.Check(t, p.log.Close())
		testkit.Check(t, p.broker.Close())
	})
	return p
}

// receive takes so many records off the queue, in whatever order they come.
func (p *spool) receive(n int) map[string]int {
	p.t.Helper()
	got := make(map[string]int)
	for range n {
		ctx, cancel := context.WithTimeout(p.t.Context(), testkit.Timeout)
		d, err := p.consumer.Receive(ctx)
		cancel()
		testkit.Check(p.t, err)
		testkit.Check(p.t, d.Ack(p.t.Context()))
		got[fmt.Sprintf("%.2s", d.Body)]++
	}
	return got
}

// want compares what has come with records first to last, each once.
func (p *spool) want(got map[string]int, first, last int) {
	p.t.Helper()
	for i := first; i <= last; i++ {
		if got[fmt.Sprintf("%02d", i)] != 1 {
			p.t.Errorf("records %v have come, want %d to %d, each once", got, first, last)
			return
		}
	}
}

// sentTo is the number of the last record that is on its way.
func (p *spool) sentTo() int { return int(p.sender.next()) - 1 }

// numbered makes records that begin with their number.
func numbered(n, size int) [][]byte {
	records := make([][]byte, n)
	for i := range records {
		records[i] = fmt.Appendf(nil, "%02d", i+1)
		records[i] = append(records[i], bytes.Repeat([]byte{'.'}, size-2)...)
	}
	return records
}

// settled waits until the sender has looked at everything that it was told.
func (p *spool) settled() {
	p.t.Helper()
	for range 2 { // the second can only be taken once the first has been acted upon
		p.sender.ack(0, false)
		testkit.WaitFor(p.t, "the sender looks", func() bool { return len(p.sender.wake) == 0 })
	}
}

func TestWindowBoundsWhatIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	p := newSpool(t, 1000, numbered(30, 100)...)
	p.want(p.receive(10), 1, 10)
	p.settled()
	if got := p.sentTo(); got != 10 {
		t.Errorf("records up to %d are on their way, want 10", got)
	}
	p.sender.ack(4, false)
	p.want(p.receive(4), 11, 14)
	p.settled()
	if got := p.sentTo(); got != 14 {
		t.Errorf("records up to %d are on their way, want 14", got)
	}
}

func TestResendGoesBackToWhatIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	p := newSpool(t, 1000, numbered(6, 100)...)
	p.want(p.receive(6), 1, 6)
	p.sender.ack(2, false)
	p.sender.ack(3, true)
	p.want(p.receive(3), 4, 6)
	p.sender.ack(6, true) // nothing is left to send again
	if !p.sender.allAcked() {
		t.Error("not everything is acknowledged")
	}
}

func TestAcknowledgementOfWhatNeverWasIsIgnored(t *testing.T) {
	t.Parallel()
	p := newSpool(t, 1000, numbered(3, 100)...)
	p.receive(3)
	p.sender.ack(99, false)
	if p.sender.allAcked() {
		t.Error("more than the log holds is taken as acknowledged")
	}
	p.sender.ack(3, false)
	p.sender.ack(1, true) // an old one, out of order
	if !p.sender.allAcked() {
		t.Error("an old acknowledgement has taken a newer one back")
	}
}

func TestAcknowledgedRecordsLeaveTheDisk(t *testing.T) {
	t.Parallel()
	p := newSpool(t, 64<<20, numbered(5, 9<<20)...) // two to a segment
	p.want(p.receive(5), 1, 5)
	p.sender.ack(3, true)
	p.want(p.receive(2), 4, 5)
	if got := p.log.First(); got != 3 {
		t.Errorf("the log begins with %d, want 3, the first of its segment", got)
	}
}

func TestSenderGoesOnWithWhatIsAppended(t *testing.T) {
	t.Parallel()
	p := newSpool(t, 1000)
	for i, record := range numbered(20, 100) {
		testkit.Check(t, p.log.Append(record))
		p.want(p.receive(1), i+1, i+1)
		p.sender.ack(uint64(i+1), false)
	}
}

func TestRecordsThatAreUnderWayTogetherArriveInOrder(t *testing.T) {
	t.Parallel()
	const n = 99
	p := newSpool(t, 1<<20, numbered(n, 100)...)
	for i := 1; i <= n; i++ {
		d, err := p.consumer.Receive(t.Context())
		testkit.Check(t, err)
		testkit.Check(t, d.Ack(t.Context()))
		if got, want := string(d.Body[:2]), fmt.Sprintf("%02d", i); got != want {
			t.Fatalf("record %s arrived, want %s", got, want)
		}
	}
}
