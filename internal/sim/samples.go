package sim

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"time"

	"downbeat/internal/samples"
)

// Samples: hosts take them where their job asks for it, and log a block for each. What they sample
// is the time.

// sampleEvery is how often: seldom enough that it costs the simulator little.
const sampleEvery = 3 * time.Second

// beginSamples has samples taken from now on.
func (t *hostRun) beginSamples() {
	if t.sampling || t.dir.job.SampleMS == 0 {
		t.w.ledger.violate("samples: %s begins to take them for %s, and that was not asked for, or was done", t.worker.h.name, t.w.short(t.dir.job.Run))
	}
	t.sampling = true
	t.sample()
}

// sample logs a sample, and has the next one taken.
func (t *hostRun) sample() {
	if !t.sampling {
		return
	}
	t.logSample()
	t.after(sampleEvery, t.sample)
}

func (t *hostRun) logSample() {
	var b samples.Builder
	b.Row(t.now())
	b.Put(samples.Disk, t.worker.h.name, []int64{int64(t.w.e.now), int64(t.ledger.sampled), 0, 0, 0})
	if t.append(record{samples: slices.Clone(b.Block()), size: 200}) {
		t.ledger.sampled++
	}
}

// endSamples takes the last one.
func (t *hostRun) endSamples() {
	if !t.sampling {
		t.w.ledger.violate("samples: %s ends to take them for %s, and has not begun", t.worker.h.name, t.w.short(t.dir.job.Run))
	}
	t.sampling = false
	t.flush()
	t.logSample()
}

// storeSamples checks that each sample comes once, in order, and by a clock that is as wrong as it
// is said to be.
func (c *publisherRun) storeSamples(host int, block []byte) {
	h := &c.ledger.hosts[host]
	r := samples.NewReader(bytes.NewReader(samples.Append([]byte(samples.Header), block)))
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			c.w.ledger.violate("byte for byte: samples of %s can't be read: %v", h.host.name, err)
			return
		}
		v := row.Values[0]
		if v[1] != int64(h.samples) {
			c.w.ledger.violate("nothing lost: sample %d of %s comes as number %d", v[1], h.host.name, h.samples)
		}
		h.samples++
		if off := row.At.Sub(c.clock.at(instant(v[0]))).Abs(); off > row.Bound {
			c.w.ledger.violate("the record says what happened: a sample of %s is wrong by %s, and is said to be by %s at most", h.host.name, off, row.Bound)
		}
	}
}
