package publisher

import (
	"runtime"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/testkit"
)

// taken is how many bytes f allocates.
func taken(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A message for no run of ours, or of no host of it, is not unpacked.
func TestWhatIsForNobodyHereTakesNoMemory(t *testing.T) { //nolint:paralleltest // it measures what all together allocate
	l := newHarness(t, nil)
	dp := l.datapoint(proc("alpha", "a", 0))
	r, err := l.p.newRun(t.Context(), Spec{Datapoint: dp, Observer: &watcher{}})
	testkit.Check(t, err)
	l.p.enter(r)
	defer close(r.over)
	var of [3]message.Batch
	for i, to := range [][2]string{{l.p.NewRun(), "alpha"}, {dp.Run, "ghost"}, {dp.Run, "alpha"}} {
		of[i].Reset(to[0], to[1], 1, time.Now())
		for range map[bool]int{false: 100_000, true: 300_000}[i == 2] { // the last is for us, and too large
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
	case a := <-r.inputs:
		t.Errorf("the run gets %+v", a)
	default:
	}
}

// Batches of a few bytes that name files by the hundred thousand do not fill the
// memory, nor the record.
func TestMissingFilesAreBounded(t *testing.T) { //nolint:paralleltest // it measures what all together allocate
	l := newHarness(t, nil)
	dp := l.datapoint(proc("alpha", "a", 0))
	dp.Collect = map[string][]string{"alpha": {"*"}}
	out := newResults(t, t.TempDir(), dp)
	testkit.Check(t, out.CreateFiles())
	r, err := l.p.newRun(t.Context(), Spec{Datapoint: dp, Results: out, Observer: &watcher{}})
	testkit.Check(t, err)
	p := message.Pieces{Codec: message.CodecGzip}
	for range 30_000 {
		p.Add(message.Piece{Kind: message.FileMissing})
	}
	packed := p.Pack()
	var buf []byte
	got := taken(func() {
		for seq := range uint64(60) {
			f, err := message.DecodeFiles(packed.Append(nil, dp.Run, "alpha", seq+1))
			testkit.Check(t, err)
			pieces, used, err := f.Pieces(buf)
			testkit.Check(t, err)
			buf = used
			r.storeFiles(0, pieces)
		}
	})
	m := &r.hosts[0].missing
	if got > 32<<20 || len(m.list) != mostMissing || len(r.came) > 0 {
		t.Errorf("%d bytes are taken, %d missing files are named, %v", got, len(m.list), r.came)
	}
	all := m.all()
	if last := all[len(all)-1].Reason; last != "1790000 more files are missing that are not named" {
		t.Errorf("the list ends with %q", last)
	}
	testkit.Check(t, out.Abandon())
}
