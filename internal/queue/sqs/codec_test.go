package sqs

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"downbeat/internal/queue"
)

// Different names are different on SQS too, within its 80 permitted characters.
func TestRemoteNamesStayDifferent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9._-]{1,12}|[ -~]{1,255}`)
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		if (a == b) != (remoteName(a) == remoteName(b)) {
			t.Errorf("%q and %q become %q and %q", a, b, remoteName(a), remoteName(b))
		}
		for _, c := range remoteName(a) {
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
				t.Errorf("%q has the character %q", remoteName(a), c)
			}
		}
		if n := len(remoteName(a)); n > maxName {
			t.Errorf("%q has %d characters", remoteName(a), n)
		}
		if prefix := a[:len(a)/2]; !strings.HasPrefix(remoteName(a), remotePrefix(prefix)) {
			t.Errorf("%q does not begin with %q", remoteName(a), remotePrefix(prefix))
		}
	})
}

// The names of queues that a person types into a policy are readable.
func TestRemoteNamesAreReadable(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"downbeat.jobs.alpha":                  "downbeat-jobs-alpha",
		"downbeat.jobs.ip-10-0-0-1":            "downbeat-jobs-ip-10-0-0-1",
		"downbeat.control.alpha.example.org":   "downbeat-control-alpha_-example_-org",
		"my-lab.dead":                          "my_hlab-dead",
		"downbeat.jobs.a_b":                    "downbeat-jobs-a__b",
		"downbeat.jobs.":                       "downbeat-jobs-",
		"n." + strings.Repeat("x", 100) + ".h": "n-" + strings.Repeat("x", 61) + "-" + "293beb32725d5681",
	} {
		if got := remoteName(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// Whatever is packed and cut comes back, in characters that SQS takes, and no
// piece is over the limit.
func TestPackedMessagesComeBack(t *testing.T) {
	t.Parallel()
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.OneOf(
			rapid.SliceOfN(rapid.Byte(), 0, 3000),
			rapid.Map(rapid.String(), func(s string) []byte { return bytes.Repeat([]byte(s), 50) }),
			rapid.Map(rapid.StringMatching(`[a-zä€ ]{0,60}`), func(s string) []byte { return []byte(strings.Repeat(s, 40)) }),
		).Draw(t, "body")
		m := queue.Message{
			Body: body, Persistent: rapid.Bool().Draw(t, "persistent"),
			Header: rapid.MapOf(rapid.StringMatching(`[a-z]{1,8}`), rapid.String()).Draw(t, "header"),
		}
		limit := rapid.IntRange(firstLine+8, 2000).Draw(t, "limit")
		parcel, err := c.pack(m)
		if err != nil {
			t.Fatal(err)
		}
		texts, err := parcel.cut(limit, "ABCDEFGHIJKLMNOP")
		if err != nil {
			t.Fatal(err)
		}
		var whole piece
		var content strings.Builder
		for i, text := range texts {
			if len(text) > limit {
				t.Fatalf("a text has %d bytes of at most %d", len(text), limit)
			}
			if !utf8.ValidString(text) || !permitted([]byte(text)) {
				t.Fatalf("SQS does not take %.80q", text)
			}
			if whole, err = parse(text); err != nil || whole.index != i || whole.count != len(texts) {
				t.Fatalf("piece %d of %d is %d of %d, %v", i, len(texts), whole.index, whole.count, err)
			}
			content.WriteString(whole.content)
		}
		whole.content = content.String()
		got, err := c.unpack(whole)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Body, body) || !maps.Equal(got.Header, m.Header) || got.Persistent != m.Persistent {
			t.Errorf("got %+v, want %+v", got, m)
		}
	})
}

// A small readable body stays readable; a large or binary one takes the least room.
func TestEncodings(t *testing.T) {
	t.Parallel()
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"kind":"ready"}`:                    "downbeat 1 text 0 0 0",
		strings.Repeat(`{"kind":"x"} `, 1000): "downbeat 1 zstd 0 0 0",
		"\x1b[31mred":                         "downbeat 1 a85 0 0 0",
		strings.Repeat("\x1b[31mred", 100):    "downbeat 1 zstd 0 0 0",
	} {
		p, err := c.pack(queue.Message{Body: []byte(body)})
		if err != nil || p.line != want || len(p.content) > len(body)*5/4+5 {
			t.Errorf("%.20q: got %q with %d characters for %d bytes, %v; want %q", body, p.line, len(p.content), len(body), err, want)
		}
	}
}

// Foreign text in a queue is told from Downbeat's encoding, and does no harm.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "garbage", "downbeat 1 text 0 0 0\n{}", "downbeat 1 zstd 0 0 9\nz", "downbeat 1 a85 5 1 2 ABC 1 3\n!!", "downbeat 1 text 0 0 0 A -1 2\n"} {
		f.Add(text)
	}
	c, err := newCodec()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parse(text)
		if err != nil {
			return
		}
		if p.index < 0 || p.index >= p.count || p.count > maxPieces {
			t.Errorf("piece %d of %d", p.index, p.count)
		}
		if m, err := c.unpack(p); err == nil && len(m.Body) > maxBody+2*queue.MaxHeader {
			t.Errorf("a body of %d bytes", len(m.Body))
		}
	})
}
