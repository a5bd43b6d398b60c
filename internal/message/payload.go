package message

import (
	"encoding/json"
	"fmt"
	"time"
)

// Purpose says what a payload holds.
type Purpose string

// The purposes.
const (
	PurposeJob     Purpose = "job"
	PurposeControl Purpose = "control"
)

// Address is everything about a payload but the job or the control in it.
type Address struct {
	Purpose   Purpose `json:"purpose"`
	Namespace string  `json:"namespace"`
	// Host is the worker addressed, or [AnyHost]. It is empty for a cancel,
	// which goes to a publisher.
	Host string `json:"host,omitempty"`
	// Run is empty for a hello.
	Run string `json:"run,omitempty"`
	// Serial counts the controls that a publisher sends to one host for one
	// run, from 1: a worker refuses a number that it has seen.
	Serial uint64 `json:"serial,omitempty"`
	// Expires is the time from which on the payload is refused.
	Expires time.Time `json:"expires"`
}

// A Payload is what an envelope holds and its signature covers: an address, and a
// job or a control. See [Payload.Job] and [Payload.Control].
type Payload struct {
	Address

	// ReplyTo is the queue of events that answers go to: of a job, a hello and a
	// cancel.
	ReplyTo string

	job, control json.RawMessage
}

// A sentPayload is a payload to be sent. What says whom to answer comes before the
// content, and has its place in every version, so that a refusal finds its way
// whatever is wrong with the rest.
type sentPayload struct {
	Address

	ReplyTo string `json:"reply_to,omitempty"`
	Job     any    `json:"job,omitempty"`
	Control any    `json:"control,omitempty"`
}

// A receivedPayload is one whose content is decoded later.
type receivedPayload struct {
	Address

	ReplyTo string          `json:"reply_to"`
	Job     json.RawMessage `json:"job"`
	Control json.RawMessage `json:"control"`
}

// encodePayload gives the text of a payload.
func encodePayload(a Address, content any) ([]byte, error) {
	p := sentPayload{Address: a}
	p.Expires = a.Expires.UTC().Round(0)
	switch c := content.(type) {
	case Job:
		p.ReplyTo = c.ReplyTo
	case *Job:
		p.ReplyTo = c.ReplyTo
	case Control:
		p.ReplyTo = c.ReplyTo
	case *Control:
		p.ReplyTo = c.ReplyTo
	}
	if a.Purpose == PurposeJob {
		p.Job = content
	} else {
		p.Control = content
	}
	return json.Marshal(p)
}

// readPayload decodes a payload but for its content.
func readPayload(text []byte) (*Payload, error) {
	if err := scan(text, nil); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	var r receivedPayload
	if err := unmarshal(text, &r, "payload"); err != nil {
		return nil, err
	}
	p := &Payload{Address: r.Address, ReplyTo: r.ReplyTo, job: r.Job, control: r.Control}
	return p, p.checkForm()
}

// checkForm checks the address, and that there is the content that it promises and
// no other.
func (p *Payload) checkForm() error {
	if p.Purpose != PurposeJob && p.Purpose != PurposeControl {
		return fmt.Errorf("%w: unknown purpose %.20q", ErrMalformed, string(p.Purpose))
	}
	if isJob := p.Purpose == PurposeJob; (p.job != nil) != isJob || (p.control != nil) == isJob {
		return fmt.Errorf("%w: a payload of purpose %s has to have that member, and no other content", ErrMalformed, p.Purpose)
	}
	if err := CheckNamespace(p.Namespace); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if p.Host != "" && p.Host != AnyHost {
		if err := CheckName(p.Host); err != nil {
			return fmt.Errorf("%w: host: %w", ErrMalformed, err)
		}
	}
	if p.Run != "" {
		if err := CheckRun(p.Run); err != nil {
			return err
		}
	}
	if p.Expires.IsZero() {
		return fmt.Errorf("%w: the payload has no expiry", ErrMalformed)
	}
	if _, offset := p.Expires.Zone(); offset != 0 {
		return fmt.Errorf("%w: expires is not in UTC", ErrMalformed)
	}
	return nil
}

func (p *Payload) checkExpiry(now time.Time) error {
	switch {
	case !now.Before(p.Expires):
		return fmt.Errorf("%w: it was valid until %s, and this host's clock shows %s",
			ErrExpired, p.Expires.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case p.Expires.Sub(now) > MaxAhead:
		return fmt.Errorf("%w: until %s, and this host's clock shows %s: at most %s are accepted",
			ErrFarAhead, p.Expires.Format(time.RFC3339), now.UTC().Format(time.RFC3339), MaxAhead)
	}
	return nil
}

// For reports whether the payload is addressed to that host of that namespace.
func (p *Payload) For(namespace, host string) error {
	if p.Namespace != namespace {
		return fmt.Errorf("%w: namespace %s, this is %s", ErrMisdirect, p.Namespace, namespace)
	}
	if p.Host != host && p.Host != AnyHost {
		return fmt.Errorf("%w: host %q, this is %q", ErrMisdirect, p.Host, host)
	}
	return nil
}

// Job decodes and checks the job inside. What it needs and this build doesn't know
// is told before anything else about it, by [ErrNeeds].
func (p *Payload) Job() (*Job, error) {
	if p.Purpose != PurposeJob {
		return nil, fmt.Errorf("%w: a %s where a job belongs", ErrMalformed, p.Purpose)
	}
	var j Job
	decodeErr := unmarshal(p.job, &j, "job")
	if decodeErr != nil { // perhaps because of what it needs
		var newer struct {
			Needs []Feature `json:"needs"`
		}
		_ = unmarshal(p.job, &newer, "job") // as far as it can be read
		j.Needs = newer.Needs
	}
	if err := CheckNeeds(j.Needs); err != nil {
		return nil, err
	}
	if decodeErr != nil {
		return nil, decodeErr
	}
	j.Run, j.Host, j.ReplyTo = p.Run, p.Host, p.ReplyTo
	if err := j.Check(); err != nil {
		return nil, err
	}
	if err := CheckReplyTo(p.Namespace, j.ReplyTo); err != nil {
		return nil, err
	}
	j.Experiment = Clean(j.Experiment)
	return &j, nil
}

// MaxControl is the largest control that is accepted, in bytes.
const MaxControl = 64 << 10

// Control decodes and checks the control inside.
func (p *Payload) Control() (*Control, error) {
	if p.Purpose != PurposeControl {
		return nil, fmt.Errorf("%w: a %s where a control belongs", ErrMalformed, p.Purpose)
	}
	if len(p.control) > MaxControl {
		return nil, fmt.Errorf("%w: a control of %d bytes, at most %d are accepted", ErrTooLarge, len(p.control), MaxControl)
	}
	c := Control{ReplyTo: p.ReplyTo}
	if err := unmarshal(p.control, &c, "control"); err != nil {
		return nil, err
	}
	cleanAll(&c)
	if err := c.Check(); err != nil {
		return nil, err
	}
	if (p.Run == "") != (c.Kind == Hello) {
		return nil, fmt.Errorf("%w: a %s for run %q", ErrMalformed, c.Kind, p.Run)
	}
	if p.Host == AnyHost && c.Kind != Hello {
		return nil, fmt.Errorf("%w: only a hello may go to every host, not a %s", ErrMalformed, c.Kind)
	}
	if c.ReplyTo != "" {
		if err := CheckReplyTo(p.Namespace, c.ReplyTo); err != nil {
			return nil, err
		}
	}
	return &c, nil
}
