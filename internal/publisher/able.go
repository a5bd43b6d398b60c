package publisher

import (
	"fmt"
	"slices"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// show notes features that a host has shown to know.
func (h *host) show(features ...message.Feature) {
	for _, f := range features {
		if !slices.Contains(h.shown, f) {
			h.shown = append(h.shown, f)
		}
	}
}

// able reports whether a host that is ready knows what its job needs; one that
// doesn't is declined. A worker that is older than a feature has passed over it
// without a word, and would run something else than the file says.
func (r *run) able(h *host, ready *message.ReadyInfo) bool {
	lacking := message.Lacking(h.job.Needs, slices.Concat(ready.Features, h.shown))
	if len(lacking) == 0 {
		return true
	}
	version := "of version " + ready.Version
	if ready.Version == "" {
		version = "too old to tell its version"
	}
	r.turnAway(h, fmt.Sprintf("the worker on %s is %s and doesn't know %s, which the file uses: update it", h.name, version, message.JoinFeatures(lacking)))
	return false
}

// foreign takes word from a host whose worker speaks another version of the
// protocol. Once it has been heard in ours, that can't be it.
func (r *run) foreign(h *host, version int) {
	if h.phase != Asked {
		r.p.slog.Warn("an event of another version of the protocol is ignored", "host", h.name, "version", version)
		return
	}
	r.turnAway(h, fmt.Sprintf("the worker on %s speaks version %d of the protocol, and this publish version %d: use the same build on both", h.name, version, message.Version))
}

// turnAway declines a host before anything was started, and tells it.
func (r *run) turnAway(h *host, reason string) {
	h.outbox.put(message.Control{Kind: message.Stop, Cause: message.StopFailure, Reason: reason})
	r.decline(h, outcome.HostRefused, reason)
}

// passOver leaves an event alone whose kind this build doesn't know: a newer worker
// tells something that doesn't concern us. It has had its number.
func (r *run) passOver(h *host, e *message.Event) {
	if h.passedOver {
		return
	}
	h.passedOver = true
	r.p.slog.Warn("an event of a kind that this build doesn't know is passed over, and so are others of the host: update publish", "host", h.name, "event", e.Kind)
}
