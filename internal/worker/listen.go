package worker

import (
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/udpclock"
)

// listen has probes answered that are signed with the key, by what the clock shows, until the
// function that it returns is called. Where there is no key, or nobody to answer, there are none.
func (w *Worker) listen(key string, clock *clock.Clock) (*message.ClockInfo, func()) {
	if key == "" || w.config.Clock == nil {
		return nil, func() {}
	}
	parsed, err := udpclock.ParseKey(key)
	if err != nil { // the message would not have been taken
		w.slog.Error("the clock can't be asked for", "error", err)
		return nil, func() {}
	}
	return &message.ClockInfo{Addresses: w.config.Clock.Addresses()}, w.config.Clock.Open(parsed, clock)
}

// helloLasts is how long the clock can be asked for after a hello.
const helloLasts = time.Minute

// listenFor does so for who has said hello.
func (w *Worker) listenFor(key string) *message.ClockInfo {
	if key == "" || w.config.Clock == nil {
		return nil
	}
	parsed, err := udpclock.ParseKey(key)
	if err != nil {
		return nil
	}
	w.config.Clock.OpenFor(parsed, clock.New(w.skew()), helloLasts)
	return &message.ClockInfo{Addresses: w.config.Clock.Addresses()}
}
