package publisher

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/queue"
)

// relabelled gives a batch another letter, and the checksum that goes with it.
func relabelled(batch []byte, kind byte) []byte {
	batch = bytes.Clone(batch)
	batch[2] = kind
	sum := crc32.ChecksumIEEE(batch[:len(batch)-4])
	return binary.LittleEndian.AppendUint32(batch[:len(batch)-4], sum)
}

// taken is how many bytes f allocates.
func taken(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What a host has sent early is kept as far as its window goes, and no further: what
// is left out is asked for again, as it never came.
func TestEarlyEventsAreBounded(t *testing.T) {
	t.Parallel()
	b := inbox{next: 1, window: 1 << 20}
	for seq := uint64(2); seq < 100; seq++ {
		b.put(arrival{seq: seq, size: 1 << 20})
	}
	if b.held > b.window+message.MaxEvent || len(b.early) == 0 || b.newest != 99 {
		t.Errorf("%d early events of %d bytes are kept, up to %d", len(b.early), b.held, b.newest)
	}
	b = inbox{next: 1, window: 1 << 20}
	for seq := uint64(2); seq < 1_000_000; seq++ {
		b.put(arrival{seq: seq, size: 1})
	}
	b.put(arrival{seq: 1 << 63, size: 1})
	b.put(arrival{seq: 2, size: 1 << 30}) // again
	if len(b.early) > 1<<20/leastEvent+1024 || b.newest > 1<<20/leastEvent+1025 || b.held != len(b.early) {
		t.Errorf("%d early events are kept, %d bytes, up to %d", len(b.early), b.held, b.newest)
	}
	b.put(arrival{seq: 1, size: 5})
	n := 0
	for _, ok := b.take(time.Now()); ok; _, ok = b.take(time.Now()) {
		n++
	}
	if b.held != 0 || n < 1000 || b.next != uint64(n+1) {
		t.Errorf("%d events came in order, %d bytes are left", n, b.held)
	}
}

// Even a full window fits, whatever order it comes in.
func TestAWindowThatComesBackwardsIsKept(t *testing.T) {
	t.Parallel()
	const window, size = 512 << 10, 40
	b := inbox{next: 1, window: window}
	for seq := uint64(window / size); seq > 0; seq-- {
		b.put(arrival{seq: seq, size: size})
	}
	n := 0
	for _, ok := b.take(time.Now()); ok; _, ok = b.take(time.Now()) {
		n++
	}
	if n != window/size {
		t.Errorf("%d of %d events came in order", n, window/size)
	}
}

// A message for no run of ours, or of no host of it, is not unpacked.
func TestWhatIsForNobodyHereTakesNoMemory(t *testing.T) { //nolint:paralleltest // it measures what all together allocate
	l := newLab(t, nil)
	dp := l.datapoint(proc("alpha", "a", 0))
	r, err := l.p.newRun(Spec{Datapoint: dp, Observer: &watcher{}})
	check(t, err)
	l.p.mu.Lock()
	l.p.runs[dp.Run] = r
	l.p.mu.Unlock()
	defer close(r.over)
	var of [3]message.Batch
	for i, to := range [][2]string{{l.p.NewRun(), "alpha"}, {dp.Run, "ghost"}, {dp.Run, "alpha"}} {
		of[i].Reset(to[0], to[1], 1, time.Now())
		for range map[bool]int{false: 100_000, true: 3_000_000}[i == 2] { // the last is for us, and too large
			of[i].Add(message.Segment{Command: 1})
		}
	}
	for i := range of {
		body := of[i].Bytes()
		if got := taken(func() { _ = l.p.route(t.Context(), &queue.Delivery{Message: queue.Message{Body: body}}) }); got > 1<<20 {
			t.Errorf("message %d of %d bytes takes %d", i, len(body), got)
		}
	}
	select {
	case a := <-r.arrivals:
		t.Errorf("the run gets %+v", a)
	default:
	}
}

// Batches of a few bytes that name files by the hundred thousand do not fill the
// memory, nor the record.
func TestMissingFilesAreBounded(t *testing.T) { //nolint:paralleltest // it measures what all together allocate
	l := newLab(t, nil)
	dp := l.datapoint(proc("alpha", "a", 0))
	dp.Collect = map[string][]string{"alpha": {"*"}}
	out := newResults(t, t.TempDir(), dp)
	check(t, out.CreateFiles())
	r, err := l.p.newRun(Spec{Datapoint: dp, Results: out, Observer: &watcher{}})
	check(t, err)
	defer close(r.over)
	r.stage, r.releaseAt = running, r.clock.Now()
	p := message.Pieces{Codec: message.CodecZstd}
	for range 30_000 {
		p.Add(message.Piece{Kind: message.FileMissing})
	}
	packed := p.Pack()
	got := taken(func() {
		for seq := range uint64(60) {
			f, err := message.DecodeFiles(packed.Append(nil, dp.Run, "alpha", seq+1))
			check(t, err)
			r.arrive(arrival{host: "alpha", seq: seq + 1, files: f, size: 100, at: time.Now()})
		}
	})
	h := r.byName["alpha"]
	if got > 32<<20 || len(h.haul.missing) != mostMissing || h.haul.got.Missing != 1_800_000 {
		t.Errorf("%d bytes are taken, %d of %d missing files are named", got, len(h.haul.missing), h.haul.got.Missing)
	}
	rec := hostOf(t, r.record(), "alpha")
	if last := rec.Missing[len(rec.Missing)-1].Reason; last != "1790000 more files are missing that are not named" {
		t.Errorf("the record ends with %q", last)
	}
	check(t, out.Abandon())
}

func TestMoreFilesThanAnyWorkerSendsLoseTheHost(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, run := collecting(l)
	go alpha.obeySoon()
	empty := file("f", "")
	for sent := 0; sent <= mostFiles; sent += 5000 {
		var batch []message.Piece
		for range 5000 {
			batch = append(batch, empty[0], empty[2])
		}
		alpha.pieces(batch...)
	}
	alpha.pieces(empty...)
	if got := run.wait(); got.Outcome != outcome.RunLost || got.Reason != "alpha sends more than 100000 files" {
		t.Errorf("outcome %s (%s), want lost for too many files", got.Outcome, got.Reason)
	}
}
