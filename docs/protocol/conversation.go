package protocol

import (
	"bytes"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Conversations are the golden conversations, conversations/NAME.jsonl; see
// [ReadConversation].
//
//go:embed conversations/*.jsonl
var Conversations embed.FS

// A Conversation is what publishers and workers say to each other in some runs. In its
// file, the opening is the first line, and each message is one more.
type Conversation struct {
	Opening

	Messages []Message
}

// An Opening says what a conversation is about.
type Opening struct {
	Conversation string            `json:"conversation"` // its name
	About        string            `json:"about"`
	Version      int               `json:"downbeat"`
	Namespace    string            `json:"namespace"`
	Epoch        time.Time         `json:"epoch"` // all clocks show it when the conversation begins
	Key          string            `json:"key"`   // the name of the key that signs
	Public       string            `json:"public"`
	Runs         map[string]string `json:"runs"` // run ids, by what the text calls them
	Ends         []string          `json:"ends"` // how each run ended, and on each host
}

// A Message is one that has arrived, or got lost. Times are in milliseconds since the
// epoch; Order counts the messages as they were sent.
type Message struct {
	Order     int     `json:"order"`
	SentMS    float64 `json:"sent_ms"`
	ArrivedMS float64 `json:"arrived_ms,omitempty"`
	Lost      bool    `json:"lost,omitempty"`
	From      string  `json:"from"`
	To        string  `json:"to"`
	Queue     string  `json:"queue"`
	// Is is "envelope", "event" or "frame".
	Is string `json:"is"`
	// Of an envelope: what its payload holds, to be read, and its text as it was sent.
	Payload json.RawMessage `json:"payload,omitempty"`
	Text    string          `json:"text,omitempty"`
	// Of an event: its text as it was sent.
	Event json.RawMessage `json:"event,omitempty"`
	// Of a frame: what it holds, to be read, and its bytes in hexadecimal.
	Frame *Frame `json:"frame,omitempty"`
	Hex   string `json:"hex,omitempty"`
}

// A Frame is what a frame holds.
type Frame struct {
	Kind     string    `json:"kind"`
	Run      string    `json:"run"`
	Host     string    `json:"host"`
	Seq      uint64    `json:"seq,omitempty"`
	Segments []Segment `json:"segments,omitempty"` // of output
	Pieces   []Piece   `json:"pieces,omitempty"`   // of files
	Chunk    *Chunk    `json:"chunk,omitempty"`    // of a shipped file
}

// A Segment is a part of a stream.
type Segment struct {
	Command int       `json:"command"`
	Stream  string    `json:"stream"`
	At      time.Time `json:"at"`
	Offset  uint64    `json:"offset"`
	Line    uint64    `json:"line"`
	Data    string    `json:"data"`
}

// A Piece is a part of what a host brings home.
type Piece struct {
	Piece   string    `json:"piece"` // "begin", "data", "end", "missing" or "anew"
	Path    string    `json:"path,omitempty"`
	Mode    string    `json:"mode,omitempty"` // in octal
	ModTime time.Time `json:"mod_time,omitzero"`
	Data    string    `json:"data,omitempty"`
	Bytes   uint64    `json:"bytes,omitempty"`
	SHA256  string    `json:"sha256,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// A Chunk is a part of a shipped file.
type Chunk struct {
	SHA256 string `json:"sha256"`
	Offset int64  `json:"offset"`
	Data   string `json:"data"`
}

// Sent is when the message was sent, and Arrived when it arrived.
func (m *Message) Sent() time.Duration { return fromMS(m.SentMS) }

// Arrived is when the message arrived; 0 if it was lost.
func (m *Message) Arrived() time.Duration { return fromMS(m.ArrivedMS) }

func fromMS(ms float64) time.Duration { return time.Duration(ms*1e6 + 0.5) }

// Body is the message as it is on the wire.
func (m *Message) Body() ([]byte, error) {
	switch m.Is {
	case "envelope":
		return []byte(m.Text), nil
	case "event":
		return m.Event, nil
	case "frame":
		return hex.DecodeString(m.Hex)
	}
	return nil, fmt.Errorf("a message that is %q", m.Is)
}

// ReadConversation reads the lines of a file.
func ReadConversation(data []byte) (*Conversation, error) {
	c := &Conversation{}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&c.Opening); err != nil {
		return nil, fmt.Errorf("the opening: %w", err)
	}
	for d.More() {
		var m Message
		if err := d.Decode(&m); err != nil {
			return nil, fmt.Errorf("message %d of %s: %w", len(c.Messages)+1, c.Conversation, err)
		}
		c.Messages = append(c.Messages, m)
	}
	return c, nil
}

// Encode gives the lines of the conversation's file.
func (c *Conversation) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(c.Opening); err != nil {
		return nil, err
	}
	for i := range c.Messages {
		if err := e.Encode(&c.Messages[i]); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
