package message

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// An Envelope is a job or a control as it travels. What is signed is the text of the
// payload as it was sent, so that the bytes that were signed are the bytes that are
// checked, in any language.
type Envelope struct {
	Version int `json:"downbeat"`
	// Payload is the JSON text of a [Payload].
	Payload string `json:"payload"`
	// Key names the public key (its first 8 bytes in hexadecimal) and
	// Signature is the ed25519 signature in base64; an unsigned envelope has neither.
	Key       string `json:"key,omitempty"`
	Signature string `json:"signature,omitempty"`
}

// envelopeMembers are all that an envelope may have: nothing travels in it that
// is not signed, or what is signed with.
var envelopeMembers = []string{"downbeat", "payload", "key", "signature"}

// signed is the byte string that a signature covers: a line that names the version,
// and the payload.
func signed(payload string) []byte {
	head := fmt.Appendf(make([]byte, 0, len(payload)+16), "downbeat/%d\n", Version)
	return append(head, payload...)
}

// Seal encodes content (a [Job], a [Control], or the [json.RawMessage] of one) for the
// address, signed by key, or unsigned where key is nil.
func Seal(a Address, content any, key ed25519.PrivateKey) ([]byte, error) {
	payload, err := encodePayload(a, content)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", a.Purpose, err)
	}
	if err := scan(payload, nil); errors.Is(err, ErrTooLarge) {
		return nil, fmt.Errorf("the %s for host %s: %w: split the experiment over more hosts", a.Purpose, a.Host, err)
	}
	e := Envelope{Version: Version, Payload: string(payload)}
	if key != nil {
		e.Key = KeyID(key.Public().(ed25519.PublicKey))
		e.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(key, signed(e.Payload)))
	}
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", a.Purpose, err)
	}
	if len(data) > MaxSigned {
		return nil, fmt.Errorf("%w: the %s for host %s has %d bytes, at most %d are carried: split the experiment over more hosts or move settings into files",
			ErrTooLarge, a.Purpose, a.Host, len(data), MaxSigned)
	}
	return data, nil
}

// Trust says which envelopes are accepted.
type Trust struct {
	// Keys are the public keys that may sign. With none, nothing signed can
	// be checked, and only Unsigned decides.
	Keys []ed25519.PublicKey
	// Unsigned: envelopes without a signature, and with one by any key where
	// Keys is empty, are accepted.
	Unsigned bool
}

// OpenEnvelope decodes and checks an envelope: size, version, form, signature, and
// that it has neither expired at now nor expires more than [MaxAhead] later. Whether it is
// addressed to the reader is for [Payload.For]. The payload is returned beside the error where
// its form is right, so that the run can be asked whether its clock agrees.
func OpenEnvelope(data []byte, trust Trust, now time.Time) (*Payload, error) {
	e, p, err := readEnvelope(data)
	if err != nil {
		return nil, err
	}
	if err := e.checkSignature(trust); err != nil {
		return p, err
	}
	return p, p.checkExpiry(now)
}

// ReadEnvelope decodes an envelope that was opened before, and kept: it checks
// neither signature nor expiry.
func ReadEnvelope(data []byte) (*Payload, error) {
	_, p, err := readEnvelope(data)
	return p, err
}

func readEnvelope(data []byte) (*Envelope, *Payload, error) {
	if len(data) > MaxSigned {
		return nil, nil, fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrTooLarge, len(data), MaxSigned)
	}
	head, err := outlineOf(data)
	if err != nil {
		return nil, nil, fmt.Errorf("envelope: %w", err)
	}
	if err := checkVersion(head.version); err != nil {
		return nil, nil, err
	}
	for _, member := range head.members {
		if !slices.Contains(envelopeMembers, member) {
			return nil, nil, fmt.Errorf("%w: an envelope has no member %.40q", ErrMalformed, member)
		}
	}
	var e Envelope
	if err := unmarshal(data, &e, "envelope"); err != nil {
		return nil, nil, err
	}
	p, err := readPayload([]byte(e.Payload))
	if err != nil {
		return nil, nil, err
	}
	return &e, p, nil
}

// checkSignature finds a key that is trusted and has signed the envelope.
func (e *Envelope) checkSignature(trust Trust) error {
	if len(trust.Keys) == 0 && trust.Unsigned {
		return nil
	}
	if e.Signature == "" {
		if trust.Unsigned {
			return nil
		}
		return fmt.Errorf("%w: make a key pair with `publish keygen DIR`, publish with --key, and list the public key in the worker's DOWNBEAT_TRUSTED_KEYS", ErrUnsigned)
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(e.Signature)
	if err != nil || base64.StdEncoding.EncodeToString(signature) != e.Signature || len(signature) != ed25519.SignatureSize {
		return fmt.Errorf("%w: it is not the base64 of %d bytes", ErrForged, ed25519.SignatureSize)
	}
	for _, key := range trust.Keys {
		if KeyID(key) != e.Key {
			continue
		}
		if ed25519.Verify(key, signed(e.Payload), signature) {
			return nil
		}
		return fmt.Errorf("%w: something changed it after key %s signed it", ErrForged, e.Key)
	}
	return fmt.Errorf("%w: key %.16q; list its public key in the worker's DOWNBEAT_TRUSTED_KEYS", ErrUntrusted, e.Key)
}
