package message

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Purpose says what an envelope holds. It is part of what is signed, so that a
// signed control can't be passed off as a job.
type Purpose string

// The purposes.
const (
	PurposeJob     Purpose = "job"
	PurposeControl Purpose = "control"
)

// Address is everything about an envelope that is signed beside its payload.
type Address struct {
	Purpose   Purpose
	Namespace string
	// Host is the worker addressed, or [AnyHost]. It is empty for a cancel,
	// which goes to a publisher.
	Host string
	// Run is empty for a hello.
	Run string
	// Serial counts the envelopes that a publisher sends to one host for one
	// run, from 1: a worker refuses a number that it has seen.
	Serial uint64
	// Expires is the time from which on the envelope is refused.
	Expires time.Time
}

// An Envelope is a job or a control as it travels: JSON, with the payload as a
// string, so that the bytes that were signed are the bytes that are checked,
// in any language.
type Envelope struct {
	Version   int       `json:"downbeat"`
	Purpose   Purpose   `json:"purpose"`
	Namespace string    `json:"namespace"`
	Host      string    `json:"host,omitempty"`
	Run       string    `json:"run,omitempty"`
	Serial    uint64    `json:"serial,omitempty"`
	Expires   time.Time `json:"expires"`
	Payload   string    `json:"payload"`
	// Key names the public key (its first 8 bytes in hexadecimal) and
	// Signature is the ed25519 signature in base64; an unsigned envelope has neither.
	Key       string `json:"key,omitempty"`
	Signature string `json:"signature,omitempty"`
}

// Address gives back what the envelope was sealed with.
func (e *Envelope) Address() Address {
	return Address{e.Purpose, e.Namespace, e.Host, e.Run, e.Serial, e.Expires}
}

// Seal encodes content (a [Job] or [Control]) for the address, signed by key, or
// unsigned where key is nil.
func Seal(a Address, content any, key ed25519.PrivateKey) ([]byte, error) {
	payload, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", a.Purpose, err)
	}
	e := Envelope{
		Version: Version, Purpose: a.Purpose, Namespace: a.Namespace, Host: a.Host, Run: a.Run,
		Serial: a.Serial, Expires: a.Expires.UTC().Round(0), Payload: string(payload),
	}
	if key != nil {
		pub := key.Public().(ed25519.PublicKey)
		e.Key = KeyID(pub)
		e.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(key, e.signed()))
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

// signed is the byte string that the signature covers: each field on a line of
// its own, then the payload to the end. Fields can't contain a newline.
func (e *Envelope) signed() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "downbeat/%d\n", e.Version)
	for _, field := range []string{
		string(e.Purpose), e.Namespace, e.Host, e.Run,
		strconv.FormatUint(e.Serial, 10), strconv.FormatInt(e.Expires.UnixNano(), 10),
	} {
		b.WriteString(field)
		b.WriteByte('\n')
	}
	b.WriteString(e.Payload)
	return b.Bytes()
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

// OpenEnvelope decodes and checks an envelope: version, size, form, signature, and
// that it has not expired at now. Whether it is addressed to the reader is for
// [Envelope.For]. The envelope is returned beside the error where it could be
// decoded, so that a refusal can be told to its sender.
func OpenEnvelope(data []byte, trust Trust, now time.Time) (*Envelope, error) {
	if len(data) > MaxSigned {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrTooLarge, len(data), MaxSigned)
	}
	var e Envelope
	if err := decode(data, &e, "envelope"); err != nil {
		return nil, err
	}
	if err := checkVersion(e.Version); err != nil {
		return nil, err
	}
	if err := e.checkForm(); err != nil {
		return nil, err
	}
	if err := e.checkSignature(trust); err != nil {
		return &e, err
	}
	if !now.Before(e.Expires) {
		return &e, fmt.Errorf("%w: it was valid until %s, and this host's clock shows %s",
			ErrExpired, e.Expires.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return &e, nil
}

// checkForm makes sure that every signed field stays on its line.
func (e *Envelope) checkForm() error {
	if e.Purpose != PurposeJob && e.Purpose != PurposeControl {
		return fmt.Errorf("%w: unknown purpose %.20q", ErrMalformed, string(e.Purpose))
	}
	if err := CheckNamespace(e.Namespace); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if e.Host != "" && e.Host != AnyHost {
		if err := CheckName(e.Host); err != nil {
			return fmt.Errorf("%w: host: %w", ErrMalformed, err)
		}
	}
	if e.Run != "" {
		return CheckRun(e.Run)
	}
	return nil
}

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
	signature, err := base64.StdEncoding.DecodeString(e.Signature)
	if err != nil || len(signature) != ed25519.SignatureSize {
		return fmt.Errorf("%w: it is no base64 of %d bytes", ErrForged, ed25519.SignatureSize)
	}
	for _, key := range trust.Keys {
		if KeyID(key) != e.Key {
			continue
		}
		if ed25519.Verify(key, e.signed(), signature) {
			return nil
		}
		return fmt.Errorf("%w: something changed it after key %s signed it", ErrForged, e.Key)
	}
	return fmt.Errorf("%w: key %.16q; list its public key in the worker's DOWNBEAT_TRUSTED_KEYS", ErrUntrusted, e.Key)
}

// For reports whether the envelope is addressed to that host of that namespace.
func (e *Envelope) For(namespace, host string) error {
	if e.Namespace != namespace {
		return fmt.Errorf("%w: namespace %s, this is %s", ErrMisdirect, e.Namespace, namespace)
	}
	if e.Host != host && e.Host != AnyHost {
		return fmt.Errorf("%w: host %q, this is %q", ErrMisdirect, e.Host, host)
	}
	return nil
}

// Job decodes and checks the job inside.
func (e *Envelope) Job() (*Job, error) {
	if e.Purpose != PurposeJob {
		return nil, fmt.Errorf("%w: a %s where a job belongs", ErrMalformed, e.Purpose)
	}
	var j Job
	if err := decode([]byte(e.Payload), &j, "job"); err != nil {
		return nil, err
	}
	if err := j.Check(); err != nil {
		return nil, err
	}
	if j.Run != e.Run || j.Host != e.Host {
		return nil, fmt.Errorf("%w: the job inside is for run %s on %s", ErrMisdirect, j.Run, j.Host)
	}
	return &j, nil
}

// Control decodes and checks the control inside.
func (e *Envelope) Control() (*Control, error) {
	if e.Purpose != PurposeControl {
		return nil, fmt.Errorf("%w: a %s where a control belongs", ErrMalformed, e.Purpose)
	}
	var c Control
	if err := decode([]byte(e.Payload), &c, "control"); err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	if (e.Run == "") != (c.Kind == Hello) {
		return nil, fmt.Errorf("%w: a %s for run %q", ErrMalformed, c.Kind, e.Run)
	}
	if e.Host == AnyHost && c.Kind != Hello {
		return nil, fmt.Errorf("%w: only a hello may go to every host, not a %s", ErrMalformed, c.Kind)
	}
	return &c, nil
}
