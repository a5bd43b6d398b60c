// Package message is Downbeat's wire vocabulary: what a publisher sends to a
// worker ([Job], [Control]), what a worker sends back ([Event], [Output]), [Files]), how
// each is encoded and how jobs and controls are signed ([Envelope]).
//
// Jobs, controls and lifecycle events are JSON, output and files are binary frames; see
// docs/protocol.md for the format as others may implement it. The package
// imports nothing else of Downbeat's.
//
// Times are RFC 3339 with nanoseconds on the clock of the host that is named
// beside them; durations are integers with the unit in the name.
package message

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// Version is the protocol version that this build speaks. A message of another
// version is refused with [ErrVersion].
const Version = 2

// MaxSigned is the largest envelope (job or control) that is accepted, in
// bytes. It leaves room for some ten thousand commands and stays below what
// every broker carries.
const MaxSigned = 8 << 20

// MaxAhead is how far ahead the expiry of an envelope may be. Workers remember
// longer which runs they had, so that no job is valid that could be forgotten.
const MaxAhead = 48 * time.Hour

// Errors that decoding reports; branch on them with errors.Is. The error
// wrapped around them says what is wrong in particular.
var (
	ErrMalformed = errors.New("malformed message")
	ErrVersion   = errors.New("other protocol version")
	ErrTooLarge  = errors.New("message too large")
	ErrUnsigned  = errors.New("message is not signed")
	ErrUntrusted = errors.New("message is signed by a key that is not trusted")
	ErrForged    = errors.New("signature does not fit the message")
	ErrExpired   = errors.New("message has expired")
	ErrFarAhead  = errors.New("message is valid for too long")
	ErrNeeds     = errors.New("job needs what this worker doesn't know")
	ErrMisdirect = errors.New("message is addressed to somebody else")
)

// maxMS is the longest duration in milliseconds that a [time.Duration] holds.
const maxMS = math.MaxInt64 / int64(time.Millisecond)

// unmarshal decodes data, which scan has been through; what names the message
// for the error.
func unmarshal(data []byte, v any, what string) error {
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %s: %s", ErrMalformed, what, quoted(err.Error()))
	}
	return nil
}

// quoted is what is told of text that may quote the message it is about, which
// may be anything, and of any size.
func quoted(text string) string {
	const most = 200
	if len(text) > most {
		text = text[:most] + cutMark
	}
	return Clean(text)
}

// checkVersion reports whether v is the version this build speaks.
func checkVersion(v int) error {
	if v == 0 {
		return fmt.Errorf("%w: it doesn't say what version it is of", ErrMalformed)
	}
	if v != Version {
		return fmt.Errorf("%w: the sender speaks %d, this build %d", ErrVersion, v, Version)
	}
	return nil
}
