package conform

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"downbeat/internal/message"
)

// Describe tells a person what a message is, in one line: when it was seen, counted
// from began, which way it went, and what it says.
func (m Message) Describe(began time.Time) string {
	arrow := "->"
	if m.From == Subject {
		arrow = "<-"
	}
	s := seen{Message: m}
	s.open(nil)
	text := fmt.Sprintf("%8.3fs %s %s  %s", m.At.Sub(began).Seconds(), arrow, shortQueue(m.Queue), s.describe())
	if m.Unroutable {
		text += " (there is no such queue)"
	}
	return text
}

// shortQueue is the name of a queue without its namespace.
func shortQueue(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}

func (s *seen) describe() string {
	switch {
	case s.output != nil:
		return fmt.Sprintf("%d output, %d bytes", s.output.Seq, len(s.Body))
	case s.files != nil:
		return fmt.Sprintf("%d files, %d bytes", s.files.Seq, len(s.Body))
	case s.samples != nil:
		return fmt.Sprintf("%d samples, %d bytes", s.samples.Seq, len(s.Body))
	case s.chunk != nil:
		return fmt.Sprintf("chunk of %.4x… at %d, %d bytes", s.chunk.Sum[:], s.chunk.Offset, len(s.chunk.Data))
	case s.event != nil:
		return s.describeEvent()
	case s.job != nil:
		return fmt.Sprintf("job of %s, %d commands", s.job.Run, len(s.job.Commands))
	case s.control != nil:
		return s.describeControl()
	case s.head.Frame != 0:
		return fmt.Sprintf("%d frame of %s, %d bytes", s.head.Seq, s.head.Frame, len(s.Body))
	}
	return message.Clean(fmt.Sprintf("%.300s", s.Body))
}

// describeEvent gives the number and the kind of an event, and its content as it
// stands there.
func (s *seen) describeEvent() string {
	text := string(s.event.Kind)
	if s.event.Seq != 0 {
		text = fmt.Sprintf("%d %s", s.event.Seq, text)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(s.Body, &members) == nil && members[string(s.event.Kind)] != nil {
		text += " " + message.Clean(fmt.Sprintf("%.200s", members[string(s.event.Kind)]))
	}
	return text
}

func (s *seen) describeControl() string {
	c := s.control
	text := fmt.Sprintf("%s, serial %d", c.Kind, s.payload.Serial)
	if c.Ack != 0 {
		text += fmt.Sprintf(", ack %d", c.Ack)
	}
	if c.Resend {
		text += ", resend"
	}
	if !c.At.IsZero() {
		text += ", at " + c.At.UTC().Format("15:04:05.000000")
	}
	if c.Cause != "" {
		text += fmt.Sprintf(", cause %s (%s)", c.Cause, c.Reason)
	}
	return text
}
