package experiment

import (
	"time"

	"downbeat/internal/message"
)

// minSample is the shortest time between two samples.
const minSample = message.MinSampleMS * time.Millisecond

// sampleEvery is the time between two samples.
var sampleEvery = shape[time.Duration]{"duration", durationSchema, func(v value) time.Duration {
	d := v.duration(notZero)
	switch {
	case d == 0: // there is an error
	case d < minSample:
		v.wrong("1s is enough for most", "%s is too often: at the finest, samples are taken every %s", d, minSample)
	}
	return d
}}
