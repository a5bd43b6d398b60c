package message

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// A Header says of a message to a publisher who it is from and what it is,
// without anything of it having been decoded.
type Header struct {
	Run, Host string
	Seq       uint64 // 0: not logged
	Kind      EventKind
	// Envelope: it is a control, such as a cancel.
	Envelope bool
	// Version is that of the protocol the sender speaks.
	Version int
	// Frame is the kind of a frame; 0: it is JSON.
	Frame FrameKind
}

// HeaderOf reads the header of an event, a frame or an envelope. It takes no memory
// worth mentioning, whatever the message is.
func HeaderOf(data []byte) (Header, error) {
	if FrameKindOf(data) != 0 {
		return frameHeader(data)
	}
	if len(data) > MaxEvent {
		return Header{}, fmt.Errorf("%w: an event of %d bytes, at most %d are accepted", ErrTooLarge, len(data), MaxEvent)
	}
	o, err := outlineOf(data)
	return Header{Run: o.run, Host: o.host, Seq: o.seq, Kind: o.kind, Envelope: o.payload != nil && o.kind == "", Version: o.version}, err
}

// An outline is what is told of a JSON message before it is decoded: the members of
// the outermost object that say what it is. What is too long to be one of those is empty.
type outline struct {
	version   int
	run, host string
	replyTo   string
	payload   []byte // as it stands in the text
	kind      EventKind
	seq       uint64
	members   []string
}

// mostMembers is how many members an outline names.
const mostMembers = 64

func outlineOf(data []byte) (outline, error) {
	var o outline
	err := scan(data, func(key string, value []byte) error {
		if len(o.members) < mostMembers {
			o.members = append(o.members, key[:min(len(key), 64)])
		}
		switch key {
		case "downbeat":
			o.version, _ = strconv.Atoi(string(value[:min(len(value), 20)])) // 0 is no version of ours
		case "seq":
			o.seq, _ = strconv.ParseUint(string(value[:min(len(value), 20)]), 10, 64) // what is not a number is found later
		case "run":
			o.run = short(value)
		case "host":
			o.host = short(value)
		case "reply_to":
			o.replyTo = short(value)
		case "event":
			o.kind = EventKind(short(value))
		case "payload":
			o.payload = value
		}
		return nil
	})
	return o, err
}

// short decodes a string that is short enough to be a name.
func short(value []byte) string {
	const most = 256
	var text string
	if len(value) > most || json.Unmarshal(value, &text) != nil {
		return ""
	}
	return text
}

// lasting reports whether it is an event that every version reads of every other.
func (o *outline) lasting() bool { return o.kind == Here || o.kind == Refused }

// maxAnswered is the largest message whose sender is told that it was refused, in
// bytes: one that is larger than any that is accepted may say whom to tell.
const maxAnswered = 2 * MaxSigned

// ReplyAddress finds out whom to tell that a message was refused, whatever is wrong
// with it and whatever version it is of: the run, and the queue that its sender
// waits on, which is one of the namespace's queues of events. Either may be empty.
//
// They are looked for at the top of the payload, and where there is none, of the
// message, and as far as the text can be read.
func ReplyAddress(data []byte, namespace string) (run, replyTo string) {
	if len(data) > maxAnswered {
		return "", ""
	}
	outer, _ := outlineOf(data) // what comes before the fault
	inner := outer
	var payload string
	if json.Unmarshal(outer.payload, &payload) == nil {
		inner, _ = outlineOf([]byte(payload))
	}
	if CheckReplyTo(namespace, inner.replyTo) != nil {
		return "", ""
	}
	if run = inner.run; run == "" {
		run = outer.run // of a control of version 1
	}
	if CheckRun(run) != nil {
		run = ""
	}
	return run, inner.replyTo
}
