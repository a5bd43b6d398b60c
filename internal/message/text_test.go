package message

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestTextIsCleaned(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "",
		"open x: no such file: Zürich 漢字": "open x: no such file: Zürich 漢字",
		"\x1b[2J\x1b[31mred\x07":          `\x1b[2J\x1b[31mred\x07`,
		"\x9b2J and \u009b2J":             `\x9b2J and \u009b2J`,
		"a\nalpha/server.0 | forged\r\n":  "a; alpha/server.0 | forged",
		"\r\rover":                        "over",
		"a\tb":                            "a b",
		"\u202egnp.exe\u2066":             `\u202egnp.exe\u2066`,
		"zero\u200bwidth\ufeff":           `zero\u200bwidth\ufeff`,
		"line\u2028para\u2029":            `line\u2028para\u2029`,
		"\xff\xfe":                        `\xff\xfe`,
		"a replacement \ufffd stays":      "a replacement \ufffd stays",
		"\x00\x7f":                        `\x00\x7f`,
		"\U000e0041 tag":                  `\U000e0041 tag`,
	} {
		if got := Clean(text); got != want {
			t.Errorf("Clean(%q) = %q, want %q", text, got, want)
		}
	}
}

// Nothing that steers a terminal comes through, whatever the text.
func TestCleanTextShowsAndIsBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Repeat(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))+rapid.String().Draw(t, "text"), rapid.SampledFrom([]int{1, 1, 1, 500}).Draw(t, "times"))
		got := Clean(text)
		if len(got) > MaxText || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			t.Fatalf("Clean(%q) = %q", text, got)
		}
		if again := Clean(got); again != got {
			t.Fatalf("cleaned again, %q is %q", got, again)
		}
	})
}

// Every text of every event is cleaned, those of fields that are added later too.
func TestEveryTextOfAnEventIsCleaned(t *testing.T) {
	t.Parallel()
	const nasty = "\x1b[2J\n\u202e\u0007"
	for _, kind := range eventKinds {
		var e Event
		fill(reflect.ValueOf(&e).Elem(), nasty)
		e.Version, e.Kind, e.Host, e.Run = Version, kind, "alpha", testRun
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeEvent(data)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		texts := 0
		each(reflect.ValueOf(got), func(text string) {
			texts++
			if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				t.Errorf("%s has the text %q", kind, text)
			}
		})
		if texts < 20 {
			t.Fatalf("only %d texts were looked at", texts)
		}
	}
}

// fill sets every string that v has, and makes what leads to more.
func fill(v reflect.Value, text string) {
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), text)
		}
	case wireStruct(v.Type()):
		for _, value := range v.Fields() {
			fill(value, text)
		}
	}
}

func each(v reflect.Value, visit func(string)) {
	switch {
	case v.Kind() == reflect.String:
		visit(v.String())
	case v.Kind() == reflect.Pointer && !v.IsNil():
		each(v.Elem(), visit)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			each(v.Index(i), visit)
		}
	case wireStruct(v.Type()):
		for _, value := range v.Fields() {
			each(value, visit)
		}
	}
}
