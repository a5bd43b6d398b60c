package message

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// versionOne are messages as programs that speak version 1 send them, byte by byte.
func versionOne(t *testing.T) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/version1.json")
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]string
	if err := json.Unmarshal(text, &texts); err != nil {
		t.Fatal(err)
	}
	messages := make(map[string][]byte)
	for name, text := range texts {
		messages[name] = []byte(text)
		if strings.HasPrefix(name, "frame") {
			if messages[name], err = hex.DecodeString(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	return messages
}

// A peer of version 1 can be told so: its messages show their version, and where to reply.
func TestVersionOneIsKnownForWhatItIs(t *testing.T) {
	t.Parallel()
	for name, data := range versionOne(t) {
		head, err := HeaderOf(data)
		if isFrame := strings.HasPrefix(name, "frame"); head.Version != 1 || errors.Is(err, ErrVersion) != isFrame {
			t.Errorf("the header of %s is %+v (%v)", name, head, err)
		}
		switch what, _, _ := strings.Cut(name, " "); what {
		case "envelope":
			_, err := OpenEnvelope(data, Trust{Unsigned: true}, testTime)
			if want := "other protocol version: the sender speaks 1, this build 2"; err == nil || err.Error() != want {
				t.Errorf("%s is refused with %v, want %s", name, err, want)
			}
			wantRun, wantTo := testRun, "downbeat.events.X"
			switch name {
			case "envelope of a hello":
				wantRun = ""
			case "envelope of a keepalive": // which is not answered like that
				wantRun, wantTo = "", ""
			}
			if run, to := ReplyAddress(data, "downbeat"); run != wantRun || to != wantTo || !head.Envelope {
				t.Errorf("who sent %s is told on %q of run %q, want %q, %q", name, to, run, wantTo, wantRun)
			}
		case "event":
			e, err := DecodeEvent(data)
			if lasting := strings.HasSuffix(name, "refused") || strings.HasSuffix(name, "here"); lasting != (err == nil) || !lasting && !errors.Is(err, ErrVersion) {
				t.Errorf("%s is %+v (%v)", name, e, err)
			}
		case "contender":
			if c, ok := ReadContender(data, "downbeat", "alpha"); !ok || !c.Waits || c.Worker.PID != 1 {
				t.Errorf("the contender is %+v", c)
			}
		case "frame":
			_, outputErr := DecodeOutput(data)
			_, chunkErr := DecodeChunk(data)
			if outputErr == nil || chunkErr == nil {
				t.Errorf("%s is taken", name)
			}
		}
	}
}

// A refusal finds its way as far as whom to tell can be read, whatever is wrong with
// the rest.
func TestWhoSentAMessageThatIsBrokenIsTold(t *testing.T) {
	t.Parallel()
	const address = `"run":"` + testRun + `","reply_to":"downbeat.events.X"`
	for name, payload := range map[string]string{
		"a job that is not one":      `{` + address + `,"job":7}`,
		"a job that is cut off":      `{` + address + `,"job":{"processes":[{`,
		"a deep job":                 `{` + address + `,"job":` + strings.Repeat("[", 100_000),
		"a member twice":             `{` + address + `,"job":{},"job":{}}`,
		"text behind it":             `{` + address + `}{`,
		"one of many objects":        `{` + address + `,"job":[` + strings.Repeat("{},", 70_000) + `{}]}`,
		"one that is much too large": `{` + address + `,"job":"` + strings.Repeat("x", MaxSigned) + `"}`,
	} {
		data := enveloped(payload)
		if _, err := OpenEnvelope(data, Trust{Unsigned: true}, testTime); err == nil {
			t.Errorf("%s is taken", name)
		}
		if run, to := ReplyAddress(data, "downbeat"); run != testRun || to != "downbeat.events.X" {
			t.Errorf("who sent %s is told on %q of run %q", name, to, run)
		}
	}
	huge := enveloped(`{` + address + `,"job":"` + strings.Repeat("x", maxAnswered) + `"}`)
	if run, to := ReplyAddress(huge, "downbeat"); run != "" || to != "" {
		t.Errorf("a message of %d bytes is answered", len(huge))
	}
}
