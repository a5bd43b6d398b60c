package results

import (
	"fmt"
	"slices"

	"downbeat/internal/samples"
)

// Samples appends a block of samples of a host, the times of which are on the publisher's clock.
// Like output it is buffered until Flush.
func (r *Run) Samples(host string, block []byte) error {
	if err := r.usable(); err != nil {
		return err
	}
	if !slices.ContainsFunc(r.named, func(p Process) bool { return p.Host == host }) {
		return fmt.Errorf("samples of host %.80q, which is none of %s", host, r.dir)
	}
	f := r.sampled[host]
	var data []byte
	if f == nil {
		if r.sampled == nil {
			r.sampled = make(map[string]*file)
		}
		f = r.files.add(SamplesPath(host))
		r.sampled[host] = f
		data = append(data, samples.Header...)
	}
	r.err = r.files.append(f, samples.Append(data, block))
	return r.err
}
