package sim

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/docs/protocol"
	"downbeat/internal/message"
)

// golden are the scenarios whose conversations are for those who write a client.
var golden = []string{"plain", "rule", "refusal", "overtaken", "wounded", "uncommit", "resend", "lost", "setup", "cancel", "collect", "ship"}

const (
	goldenDir       = "../../docs/protocol/conversations"
	goldenNamespace = "sim"
)

// goldenKey is the first one of docs/protocol/messages.json.
var goldenKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{'a'}, ed25519.SeedSize))

// The golden conversations are those of the scenarios, byte by byte.
func TestGoldenConversationsAreThoseOfTheScenarios(t *testing.T) {
	t.Parallel()
	for _, name := range golden {
		got, err := tell(t, name).conversation(t).Encode()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(goldenDir, name+".jsonl")
		if *rewriteFlag {
			replaceFile(t, file, got)
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
		for i := range max(len(gotLines), len(wantLines)) {
			if i >= len(gotLines) || i >= len(wantLines) || gotLines[i] != wantLines[i] {
				t.Errorf("%s is another conversation now (-rewrite accepts that), from line %d on:\n%s", file, i+1, strings.Join(gotLines[min(i, len(gotLines)):min(i+1, len(gotLines))], ""))
				break
			}
		}
	}
	files, err := filepath.Glob(goldenDir + "/*")
	if err != nil || len(files) != len(golden) {
		t.Errorf("%s has %d files, and there are %d golden conversations (%v)", goldenDir, len(files), len(golden), err)
	}
}

// A tale is a scenario that was played to its end.
type tale struct {
	*Scenario

	name, about string
	steps       []taleStep
}

// A taleStep is a step, with the instant at which it was done.
type taleStep struct {
	at    instant
	words []string
	below []string
}

// tell plays a scenario of testdata, and a little longer, so that what is under way
// arrives.
func tell(t *testing.T, name string) *tale {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	s := &tale{Scenario: NewScenario(), name: name}
	var about, step []string
	inOutput := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case inOutput:
			inOutput = line != ""
		case strings.HasPrefix(line, "#"):
			about = append(about, strings.TrimSpace(line[1:]))
		case line == "----":
			s.do(t, step)
			step, inOutput = nil, true
		case line != "":
			step = append(step, line)
		}
	}
	s.do(t, []string{"advance 2s"})
	s.about = strings.Join(about, " ")
	return s
}

func (s *tale) do(t *testing.T, step []string) {
	t.Helper()
	if s.w != nil { // hosts are there from the beginning
		s.steps = append(s.steps, taleStep{s.w.e.now, strings.Fields(step[0]), step[1:]})
	}
	if _, err := s.Do(step[0], step[1:]); err != nil {
		t.Fatalf("%s: %s: %v", s.name, step[0], err)
	}
}

// conversation is what was said.
func (s *tale) conversation(t *testing.T) *protocol.Conversation {
	t.Helper()
	public := goldenKey.Public().(ed25519.PublicKey)
	c := &protocol.Conversation{Opening: protocol.Opening{
		Conversation: s.name, About: s.about, Version: message.Version, Namespace: goldenNamespace, Epoch: epoch,
		Key: message.KeyID(public), Public: "ed25519 " + base64.StdEncoding.EncodeToString(public), Runs: make(map[string]string), Ends: s.w.ledger.outcomes(),
	}}
	for id, name := range maps.All(s.w.names) {
		c.Runs[name] = id
	}
	for _, m := range s.Conversation() {
		c.Messages = append(c.Messages, onTheWire(t, &m))
	}
	return c
}

// onTheWire encodes a message.
func onTheWire(t *testing.T, m *Message) protocol.Message {
	t.Helper()
	w := protocol.Message{Order: m.Order, SentMS: ms(m.Sent), ArrivedMS: ms(m.Arrived), Lost: m.Lost, From: m.From, To: m.To, Queue: queueOf(t, m)}
	switch {
	case m.Job != nil:
		w.Is, w.Text = "envelope", sealed(t, m, message.PurposeJob, m.Job)
	case m.Control != nil:
		w.Is, w.Text = "envelope", sealed(t, m, message.PurposeControl, m.Control)
	case m.Event != nil:
		w.Is = "event"
		event := *m.Event
		data, err := event.Encode()
		check(t, err)
		w.Event = data
	default:
		w.Is = "frame"
		var data []byte
		w.Frame, data = framed(m)
		w.Hex = hex.EncodeToString(data)
	}
	if w.Is == "envelope" {
		var e message.Envelope
		check(t, json.Unmarshal([]byte(w.Text), &e))
		w.Payload = json.RawMessage(e.Payload)
	}
	return w
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// queueOf is where a message goes.
func queueOf(t *testing.T, m *Message) string {
	t.Helper()
	switch {
	case m.To == operator:
		return operatorQueue
	case m.Job != nil:
		return message.JobsQueue(goldenNamespace, m.To)
	case m.Chunk != nil, m.Control != nil && m.Control.Kind != message.Cancel:
		return message.ControlQueue(goldenNamespace, m.To)
	}
	publisher, err := message.PublisherOf(m.Run)
	check(t, err)
	return message.EventsQueue(goldenNamespace, publisher)
}

func sealed(t *testing.T, m *Message, purpose message.Purpose, content any) string {
	t.Helper()
	a := message.Address{Purpose: purpose, Namespace: goldenNamespace, Host: m.Host, Run: m.Run, Serial: m.Serial, Expires: m.Expires}
	data, err := message.Seal(a, content, goldenKey)
	check(t, err)
	return string(data)
}

// framed is a frame, decoded and encoded.
func framed(m *Message) (*protocol.Frame, []byte) {
	f := &protocol.Frame{Run: m.Run, Host: m.Host, Seq: m.Seq}
	switch {
	case m.Chunk != nil:
		f.Kind, f.Chunk = message.FrameChunk.String(), &protocol.Chunk{SHA256: fmt.Sprintf("%x", m.Chunk.Sum), Offset: m.Chunk.Offset, Data: string(m.Chunk.Data)}
		return f, m.Chunk.Encode()
	case m.Output != nil:
		var b message.Batch
		b.Reset(m.Run, m.Host, m.Seq, m.Output[0].At)
		for _, s := range m.Output {
			b.Add(s)
			f.Segments = append(f.Segments, protocol.Segment{Command: s.Command, Stream: s.Stream.String(), At: s.At, Offset: s.Offset, Line: s.Line, Data: string(s.Data)})
		}
		f.Kind = message.FrameOutput.String()
		return f, slices.Clone(b.Bytes())
	}
	var pieces message.Pieces
	for _, p := range m.Files {
		pieces.Add(p)
		f.Pieces = append(f.Pieces, pieceOf(p))
	}
	f.Kind = message.FrameFiles.String()
	return f, pieces.Pack().Append(nil, m.Run, m.Host, m.Seq)
}

func pieceOf(p message.Piece) protocol.Piece {
	switch p.Kind {
	case message.FileBegin:
		return protocol.Piece{Piece: "begin", Path: p.Path, Mode: fmt.Sprintf("%04o", p.Mode), ModTime: p.ModTime}
	case message.FileData:
		return protocol.Piece{Piece: "data", Data: string(p.Data)}
	case message.FileEnd:
		return protocol.Piece{Piece: "end", Bytes: p.Size, SHA256: fmt.Sprintf("%x", p.Sum)}
	case message.FileMissing:
		return protocol.Piece{Piece: "missing", Path: p.Path, Reason: p.Reason}
	case message.FilesAnew:
	}
	return protocol.Piece{Piece: "anew"}
}
