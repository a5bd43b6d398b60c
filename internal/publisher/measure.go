package publisher

import (
	"net"

	"downbeat/internal/publisher/conduct"
)

// askClock asks a host for its clock, from a goroutine of its own.
func (r *run) askClock(e conduct.Measure) {
	h := r.hosts[e.Host]
	samples := h.target.Measure(r.sending, r.reachedAt(e.Host, e.At), e.Times)
	r.post(r.sending, conduct.Measured{Host: e.Host, Samples: samples})
}

// reachedAt is where a host can be asked, at the most: where it says, and at its address in the
// file.
func (r *run) reachedAt(host int, said []string) []string {
	if len(said) == 0 {
		return nil
	}
	_, port, err := net.SplitHostPort(said[0])
	if err != nil {
		return said
	}
	for _, h := range r.dp.Hosts {
		if h.Name == r.hosts[host].name {
			return append([]string{net.JoinHostPort(h.Address, port)}, said...)
		}
	}
	return said
}

// forgetClocks ends that hosts are asked.
func (r *run) forgetClocks() {
	for _, h := range r.hosts {
		if h.target != nil {
			h.target.Close()
		}
	}
}
