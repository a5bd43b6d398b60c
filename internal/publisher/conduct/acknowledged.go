package conduct

import "downbeat/internal/message"

// Acknowledged is what remains of a run that is over: for each host, by its number, up to
// which event all is safe.
type Acknowledged []uint64

// Acknowledged is for a run that is over.
func (r *Run) Acknowledged() Acknowledged {
	all := make(Acknowledged, len(r.hosts))
	for i := range r.hosts {
		all[i] = r.hosts[i].inbox.acked
	}
	return all
}

// Again is what a host is told of which an event comes after the end of the run: if it is
// the last, that it is safe. For any other event it is nil.
func (a Acknowledged) Again(host int, seq uint64) *message.Control {
	return acknowledgeAgain(a[host], seq)
}

// acknowledgeAgain tells a host once more that all it has reported is safe, if it sends its
// last event once more. The acknowledgement may have been lost.
func acknowledgeAgain(acked, seq uint64) *message.Control {
	if seq == 0 || seq != acked {
		return nil
	}
	return &message.Control{Kind: message.Keepalive, Ack: acked}
}
