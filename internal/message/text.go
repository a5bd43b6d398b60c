package message

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is how many bytes are kept of a text for people that comes off the
// wire, such as a reason.
const MaxText = 4 << 10

// Clean makes text that somebody else wrote fit for a terminal, a log and a
// report: one line of characters that show, of at most [MaxText] bytes. Line
// breaks become "; ", tabs spaces. What else doesn't show, or could steer a
// terminal or turn the text around (escapes, other control characters, marks of
// direction, bytes that are not UTF-8), is written out, as \x1b or \u202e.
func Clean(text string) string {
	if shows(text) && len(text) <= MaxText {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		var part string
		switch {
		case r == utf8.RuneError && size == 1:
			part = fmt.Sprintf(`\x%02x`, text[i])
		case r == '\n' || r == '\r':
			size = len(text[i:]) - len(strings.TrimLeft(text[i:], "\r\n"))
			if b.Len() > 0 && i+size < len(text) {
				part = "; "
			}
		case r == '\t':
			part = " "
		case unicode.IsGraphic(r):
			part = text[i : i+size]
		case r < utf8.RuneSelf:
			part = fmt.Sprintf(`\x%02x`, r)
		case r > 0xffff:
			part = fmt.Sprintf(`\U%08x`, r)
		default:
			part = fmt.Sprintf(`\u%04x`, r)
		}
		if b.Len()+len(part) > MaxText-len(cutMark) {
			b.WriteString(cutMark)
			break
		}
		b.WriteString(part)
		i += size
	}
	return b.String()
}

// cutMark stands where text was cut.
const cutMark = " ..."

// shows reports whether there is nothing in the text but characters that show.
func shows(text string) bool {
	for i, r := range text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return false
			}
		}
		if !unicode.IsGraphic(r) {
			return false
		}
	}
	return true
}

// cleanAll cleans every string that v, a pointer, leads to: who adds a field to
// an event can't forget it. Map keys are not among what is cleaned; there are none.
func cleanAll(v any) { cleanValue(reflect.ValueOf(v)) }

func cleanValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			cleanValue(v.Elem())
		}
	case reflect.String:
		v.SetString(Clean(v.String()))
	case reflect.Slice:
		for i := range v.Len() {
			cleanValue(v.Index(i))
		}
	case reflect.Struct:
		for f, value := range v.Fields() {
			if f.IsExported() { // a time has none
				cleanValue(value)
			}
		}
	}
}
