package conduct

import (
	"fmt"
	"time"

	"downbeat/internal/samples"
)

// takeSamples takes a block of samples: with its times on our clock it is what is kept.
func (r *Run) takeSamples(h *host, c Samples) {
	if h.job.SampleMS == 0 {
		r.out.put(Warn{Host: h.index, What: SamplesUnasked})
		return
	}
	block, err := samples.Retime(c.Block, func(theirs time.Time) (time.Time, time.Duration) {
		at := h.contact.instant(theirs, r.now)
		return at.Time, at.Error
	})
	if err != nil {
		r.lose(h, fmt.Sprintf("the samples of %s can't be read: %v", h.name, err))
		return
	}
	r.out.put(StoreSamples{Host: h.index, Block: block})
}
