package message

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// rewrite writes the golden file anew: for who means to change the protocol, and
// reads what that changes.
var rewrite = flag.Bool("rewrite", false, "write the golden messages anew")

// goldenFile is for those who write a client in another language, too.
const goldenFile = "../../docs/protocol/messages.json"

// Golden is the content of the golden file.
type golden struct {
	Version  int             `json:"downbeat"`
	Keys     []goldenKey     `json:"keys"`
	Messages []goldenMessage `json:"messages"`
}

// A goldenKey is one that the messages are signed with.
type goldenKey struct {
	Key    string `json:"key"`    // its name
	Seed   string `json:"seed"`   // hexadecimal, 32 bytes
	Public string `json:"public"` // as in a file of public keys
}

// A goldenMessage is one as it is on the wire: a text, or in hexadecimal.
type goldenMessage struct {
	Name string `json:"name"`
	// Is is "envelope", "event", "contender" or "frame".
	Is   string `json:"is"`
	Text string `json:"text,omitempty"`
	Hex  string `json:"hex,omitempty"`
	// Of an envelope: what is in it, and the bytes that the signature covers.
	Payload   string `json:"payload,omitempty"`
	Signed    string `json:"signed,omitempty"`
	Signature string `json:"signature,omitempty"`
	// Of a frame: what its header says, and its body before compression.
	Kind  string `json:"kind,omitempty"`
	Run   string `json:"run,omitempty"`
	Host  string `json:"host,omitempty"`
	Seq   uint64 `json:"seq,omitempty"`
	Codec string `json:"codec,omitempty"`
	Body  string `json:"body,omitempty"`
}

var readGolden = sync.OnceValues(func() (golden, error) {
	var g golden
	data, err := os.ReadFile(goldenFile)
	if err != nil {
		return g, err
	}
	return g, json.Unmarshal(data, &g)
})

// goldenMessages are those of the file, by name.
func goldenMessages(t testing.TB) map[string]goldenMessage {
	t.Helper()
	g, err := readGolden()
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]goldenMessage)
	for _, m := range g.Messages {
		byName[m.Name] = m
	}
	return byName
}

// wire gives the bytes of a golden message.
func (m goldenMessage) wire(t testing.TB) []byte {
	t.Helper()
	if m.Is != "frame" {
		return []byte(m.Text)
	}
	data, err := hex.DecodeString(m.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// goldenOf makes the golden message of a pin. A frame that this build only reads is
// as it is in the file.
func goldenOf(t *testing.T, p pin, is map[string]goldenMessage) goldenMessage {
	t.Helper()
	m := goldenMessage{Name: p.name}
	var data []byte
	var err error
	switch v := p.value.(type) {
	case sealed:
		m.Is = "envelope"
		data, err = Seal(v.address, v.content, v.key)
		var e Envelope
		if jsonErr := json.Unmarshal(data, &e); jsonErr != nil {
			t.Fatal(jsonErr)
		}
		m.Payload, m.Signature = e.Payload, e.Signature
		if v.key != nil {
			m.Signed = string(signed(e.Payload))
		}
	case Event:
		m.Is = "event"
		data, err = v.Encode()
	case Contender:
		m.Is = "contender"
		data, err = v.Encode()
	case frameOf:
		m.Is = "frame"
		if data = v.bytes; data == nil {
			data = is[p.name].wire(t)
		}
		m.Hex = hex.EncodeToString(data)
		f, openErr := openFrame(data, FrameKindOf(data))
		if openErr != nil {
			t.Fatal(p.name, openErr)
		}
		body, _, unpackErr := f.unpack(nil)
		if unpackErr != nil {
			t.Fatal(p.name, unpackErr)
		}
		m.Kind, m.Run, m.Host, m.Seq, m.Codec, m.Body = string(rune(FrameKindOf(data))), f.run, f.host, f.seq, string(f.codec), hex.EncodeToString(body)
		return m
	}
	if err != nil {
		t.Fatal(p.name, err)
	}
	m.Text = string(data)
	return m
}

// The wire format is a promise.
func TestWireFormIsPinned(t *testing.T) {
	t.Parallel()
	g := golden{Version: Version}
	for _, key := range []ed25519.PrivateKey{testKey(0), testKey(1)} {
		g.Keys = append(g.Keys, goldenKey{KeyID(public(key)), hex.EncodeToString(key.Seed()), publicLine(public(key))})
	}
	is := goldenMessages(t)
	for _, p := range pins() {
		g.Messages = append(g.Messages, goldenOf(t, p, is))
	}
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(g); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want.Bytes()) {
		return
	}
	if *rewrite {
		if err := os.WriteFile(goldenFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(want.String(), "\n")
	for i, line := range wantLines {
		if i >= len(gotLines) || gotLines[i] != line {
			t.Fatalf("line %d of %s is\n%s\nand this build makes of it\n%s", i+1, goldenFile, slices.Concat(gotLines, []string{""})[min(i, len(gotLines))], line)
		}
	}
	t.Fatalf("%s has more than this build makes", goldenFile)
}
