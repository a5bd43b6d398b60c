package message

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
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
	if !countable(e.Expires) {
		return nil, fmt.Errorf("%w: the %s would expire in the year %d", ErrMalformed, a.Purpose, e.Expires.Year())
	}
	if err := scan(payload, nil); errors.Is(err, ErrTooLarge) {
		return nil, fmt.Errorf("the %s for host %s: %w: split the experiment over more hosts", a.Purpose, a.Host, err)
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

// OpenEnvelope decodes and checks an envelope: size, version, form, signature, and
// that it has neither expired at now nor expires more than [MaxAhead] later. Whether it is
// addressed to the reader is for [Envelope.For]. The envelope is returned beside the error where
// its form is right, so that the run can be asked whether its clock agrees.
func OpenEnvelope(data []byte, trust Trust, now time.Time) (*Envelope, error) {
	e, err := ReadEnvelope(data)
	if err != nil {
		return nil, err
	}
	if err := e.checkSignature(trust); err != nil {
		return e, err
	}
	return e, e.checkExpiry(now)
}

// ReadEnvelope decodes an envelope that was opened before, and kept: it checks
// neither signature nor expiry.
func ReadEnvelope(data []byte) (*Envelope, error) {
	if len(data) > MaxSigned {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrTooLarge, len(data), MaxSigned)
	}
	head, err := outlineOf(data)
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	if err := checkVersion(head.version); err != nil {
		return nil, err
	}
	for _, member := range head.members {
		if !slices.Contains(envelopeMembers, member) {
			return nil, fmt.Errorf("%w: an envelope has no member %.40q", ErrMalformed, member)
		}
	}
	var wire struct {
		Envelope

		Expires string `json:"expires"` // the text itself
	}
	if err := unmarshal(data, &wire, "envelope"); err != nil {
		return nil, err
	}
	e := wire.Envelope
	if e.Expires, err = parseExpiry(wire.Expires); err != nil {
		return nil, err
	}
	return &e, e.checkForm()
}

// envelopeMembers are all that an envelope may have: nothing travels in it that
// is not signed, or what is signed with.
var envelopeMembers = []string{"downbeat", "purpose", "namespace", "host", "run", "serial", "expires", "payload", "key", "signature"}

// expiryForm is how the expiry is written. The signature covers the instant, in
// nanoseconds since 1970, and not the text: so only text is taken that leaves no
// doubt about the instant, and only instants that can be counted so.
var expiryForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$`)

func parseExpiry(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, fmt.Errorf("%w: the envelope has no expiry", ErrMalformed)
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || !expiryForm.MatchString(text) {
		return time.Time{}, fmt.Errorf("%w: expires is %.60q, not a time such as %q", ErrMalformed, text, "2026-11-23T12:00:00.123456789Z")
	}
	if !countable(t) {
		return time.Time{}, fmt.Errorf("%w: expires is %s, which can't be counted in nanoseconds", ErrMalformed, text)
	}
	return t, nil
}

// countable reports whether the instant has a number of nanoseconds since 1970
// of its own: from 1677 to 2262. Others are counted as one of these.
func countable(t time.Time) bool { return time.Unix(0, t.UnixNano()).Equal(t) }

func (e *Envelope) checkExpiry(now time.Time) error {
	switch {
	case !now.Before(e.Expires):
		return fmt.Errorf("%w: it was valid until %s, and this host's clock shows %s",
			ErrExpired, e.Expires.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case e.Expires.Sub(now) > MaxAhead:
		return fmt.Errorf("%w: until %s, and this host's clock shows %s: at most %s are accepted",
			ErrFarAhead, e.Expires.Format(time.RFC3339), now.UTC().Format(time.RFC3339), MaxAhead)
	}
	return nil
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

// Job decodes and checks the job inside. What it needs and this build doesn't know
// is told before anything else about it, by [ErrNeeds].
func (e *Envelope) Job() (*Job, error) {
	if e.Purpose != PurposeJob {
		return nil, fmt.Errorf("%w: a %s where a job belongs", ErrMalformed, e.Purpose)
	}
	var needs struct {
		Needs []Feature `json:"needs"`
	}
	if err := scan([]byte(e.Payload), nil); err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	if err := unmarshal([]byte(e.Payload), &needs, "job"); err != nil {
		return nil, err
	}
	if err := CheckNeeds(needs.Needs); err != nil {
		return nil, err
	}
	var j Job
	if err := unmarshal([]byte(e.Payload), &j, "job"); err != nil {
		return nil, err
	}
	if err := j.Check(); err != nil {
		return nil, err
	}
	if j.Run != e.Run || j.Host != e.Host {
		return nil, fmt.Errorf("%w: the job inside is for run %s on %s", ErrMisdirect, j.Run, j.Host)
	}
	if err := CheckReplyTo(e.Namespace, j.ReplyTo); err != nil {
		return nil, err
	}
	j.Experiment = Clean(j.Experiment)
	return &j, nil
}

// MaxControl is the largest control that is accepted, in bytes.
const MaxControl = 64 << 10

// Control decodes and checks the control inside.
func (e *Envelope) Control() (*Control, error) {
	if e.Purpose != PurposeControl {
		return nil, fmt.Errorf("%w: a %s where a control belongs", ErrMalformed, e.Purpose)
	}
	if len(e.Payload) > MaxControl {
		return nil, fmt.Errorf("%w: a control of %d bytes, at most %d are accepted", ErrTooLarge, len(e.Payload), MaxControl)
	}
	var c Control
	if err := scan([]byte(e.Payload), nil); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	if err := unmarshal([]byte(e.Payload), &c, "control"); err != nil {
		return nil, err
	}
	cleanAll(&c)
	if err := c.Check(); err != nil {
		return nil, err
	}
	if (e.Run == "") != (c.Kind == Hello) {
		return nil, fmt.Errorf("%w: a %s for run %q", ErrMalformed, c.Kind, e.Run)
	}
	if e.Host == AnyHost && c.Kind != Hello {
		return nil, fmt.Errorf("%w: only a hello may go to every host, not a %s", ErrMalformed, c.Kind)
	}
	if c.ReplyTo != "" {
		if err := CheckReplyTo(e.Namespace, c.ReplyTo); err != nil {
			return nil, err
		}
	}
	return &c, nil
}
