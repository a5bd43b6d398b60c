package conform

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"

	"downbeat/internal/message"
)

// A seen message is one that was decoded as far as it can be.
type seen struct {
	Message

	index int
	head  message.Header
	// One of these is set, unless err is, or it is a frame of another kind.
	event   *message.Event
	output  *message.Output
	files   *message.Files
	samples *message.Samples
	chunk   *message.Chunk
	payload *message.Payload
	job     *message.Job
	control *message.Control
	// err says why it can't be decoded, or is not accepted.
	err error
}

// kind is where a message was on its way to.
type kind uint8

const (
	toNobody kind = iota
	toJobs
	toControl
	toEvents
	toDead
)

// destination tells what a queue of the namespace is for, and whose it is: a host's
// or a publisher's.
func destination(namespace, queue string) (k kind, whose string) {
	rest, ok := strings.CutPrefix(queue, namespace+".")
	if !ok {
		return toNobody, ""
	}
	what, whose, _ := strings.Cut(rest, ".")
	switch what {
	case "jobs":
		return toJobs, whose
	case "control":
		return toControl, whose
	case "events":
		return toEvents, whose
	case "dead":
		return toDead, whose
	}
	return toNobody, ""
}

// look decodes messages. Envelopes of the subject have to be signed by the key,
// which may be nil: then they were not the subject's to send.
func look(messages []Message, key ed25519.PublicKey) []seen {
	all := make([]seen, len(messages))
	for i, m := range messages {
		s := seen{Message: m, index: i}
		s.open(key)
		all[i] = s
	}
	return all
}

func (s *seen) open(key ed25519.PublicKey) {
	if s.head, s.err = message.HeaderOf(s.Body); s.err != nil {
		return
	}
	switch s.head.Frame {
	case message.FrameOutput:
		s.output, s.err = message.DecodeOutput(s.Body)
		return
	case message.FrameFiles:
		s.files, s.err = message.DecodeFiles(s.Body)
		return
	case message.FrameSamples:
		s.samples, s.err = message.DecodeSamples(s.Body)
		return
	case message.FrameChunk:
		s.chunk, s.err = message.DecodeChunk(s.Body)
		return
	case 0:
	default:
		s.err = message.CheckFrame(s.Body)
		return
	}
	if !s.head.Envelope {
		if s.event, s.err = message.DecodeEvent(s.Body); s.err == nil && s.event.Version == message.Version {
			s.err = checkSchema(eventSchema, s.Body)
		}
		return
	}
	if s.From == Subject && key != nil {
		s.payload, s.err = message.OpenEnvelope(s.Body, message.Trust{Keys: []ed25519.PublicKey{key}}, s.At)
	} else {
		s.payload, s.err = message.ReadEnvelope(s.Body)
	}
	if s.payload == nil {
		return
	}
	var err error
	if s.payload.Purpose == message.PurposeJob {
		s.job, err = s.payload.Job()
	} else {
		s.control, err = s.payload.Control()
	}
	if err == nil {
		err = s.checkEnvelope()
	}
	s.err = errors.Join(s.err, err)
}

// checkEnvelope holds an envelope and its payload against their schemas.
func (s *seen) checkEnvelope() error {
	var e message.Envelope
	if err := json.Unmarshal(s.Body, &e); err != nil {
		return err
	}
	return errors.Join(checkSchema(envelopeSchema, s.Body), checkSchema(payloadSchema, []byte(e.Payload)))
}

// ruleOf is the rule that a message breaks which can't be opened for that reason.
func ruleOf(err error) Rule {
	switch {
	case errors.Is(err, message.ErrVersion):
		return RuleVersion
	case errors.Is(err, message.ErrUnsigned), errors.Is(err, message.ErrUntrusted), errors.Is(err, message.ErrForged):
		return RuleSignature
	case errors.Is(err, message.ErrExpired), errors.Is(err, message.ErrFarAhead):
		return RuleExpiry
	case errors.Is(err, message.ErrNeeds):
		return RuleFeatures
	case errors.Is(err, message.ErrMisdirect):
		return RuleAddress
	}
	return RuleForm
}
