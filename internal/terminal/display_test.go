package terminal

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// After each line of a program the terminal is as it was before.
func TestDisplay(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("9;", 200)
	for name, c := range map[string]struct{ in, want string }{
		"plain":                           {"one\ntwo\n\n", "one\ntwo\n\n"},
		"unfinished":                      {"one", "one\n"},
		"nothing":                         {"", ""},
		"tab and UTF-8":                   {"a\tb é 漢 🙂\n", "a\tb é 漢 🙂\n"},
		"CRLF":                            {"one\r\n\r\n", "one\n\n"},
		"a bar":                           {"1%\r50%\r100%\n", "1%\n50%\n100%\n"},
		"a bar that returns first":        {"\r1%\r50%\rdone\n", "1%\n50%\ndone\n"},
		"a bar that is taken away":        {"50%\r\x1b[K\r     \rdone\n", "50%\ndone\n"},
		"returns doubled":                 {"a\r\r\n\r\nb\r\r\r\n\r\r\nc\n", "a\n\nb\n\nc\n"},
		"a bar's last state":              {"50%\r", "50%\n"},
		"blanks before text":              {"  a\r\n \n", "  a\n \n"},
		"colours":                         {"\x1b[31mred\x1b[0m plain\n", "\x1b[31mred\x1b[0m plain\n"},
		"a colour left on":                {"\x1b[1;31mred\nstill\n\x1b[mplain\n", "\x1b[1;31mred\x1b[0m\n\x1b[1;31mstill\x1b[0m\nplain\n"},
		"a colour at the end":             {"a\x1b[7m\nb\x1b[27m\n", "a\x1b[7m\x1b[0m\n\x1b[7mb\x1b[27m\x1b[0m\n"},
		"true colour":                     {"\x1b[38:2::1:2:3mx\n", "\x1b[38:2::1:2:3mx\x1b[0m\n"},
		"off and on at once":              {"\x1b[1mx\x1b[0;32my\n", "\x1b[1mx\x1b[0;32my\x1b[0m\n"},
		"clear, home, hide, other screen": {"\x1b[2J\x1b[H\x1b[?25l\x1b[?1049hx\x1b[3Ay\n", "xy\n"},
		"title and clipboard":             {"\x1b]0;owned\x07a\x1b]52;c;cm0=\x1b\\b\n", "ab\n"},
		"a title in one character":        {"\u009d0;owned\u009cx\u009b2Jy\u0085z\n", "xyz\n"},
		"DCS, APC, PM, SOS":               {"\x1bPq#1\x1b\\a\x1b_x\x1b\\b\x1b^y\x1b\\c\x1bXz\x1b\\d\n", "abcd\n"},
		"a title without an end":          {"a\x1b]0;for ever\nb\n", "a\nb\n"},
		"a question to the terminal":      {"a\x1b[6n\x1b[c\x1b[>q\x05b\n", "ab\n"},
		"reset and character sets":        {"\x1bca\x1b(0b\x0ec\x1b#8d\x1b%@\n", "abcd\n"},
		"backspace, bell, delete, NUL":    {"a\b\b\bb\x07\x7f\x00c\v\fd\n", "abcd\n"},
		"a private m":                     {"\x1b[>4;2ma\x1b[?4mb\n", "ab\n"},
		"too long for a colour":           {"\x1b[" + long + "ma\n", "a\n"},
		"cancelled":                       {"\x1b[2\x18Ja\x1b]x\x1ab\n", "Jab\n"},
		"a sequence within a sequence":    {"\x1b[2\x1b[31mx\n", "\x1b[31mx\x1b[0m\n"},
		"a newline within a sequence":     {"\x1b[2\nJ\n", "\nJ\n"},
		"not UTF-8":                       {"a\xffb\xc2\n\xe2\x82A\n", "a\uFFFDb\uFFFD\n\uFFFD\uFFFDA\n"},
		"halves of a C1 apart":            {"\xc2\x1b[2J\x9b2Jx\n", "\uFFFD\uFFFD2Jx\n"},
		"an unfinished character":         {"a\xe6\xbc", "a\uFFFD\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d Display
			if got := string(d.End(d.Append(nil, []byte(c.in)))); got != c.want {
				t.Errorf("whole: got %q, want %q", got, c.want)
			}
			var cut Display
			var out []byte
			for i := range len(c.in) {
				out = cut.Append(out, []byte(c.in[i:i+1]))
			}
			if got := string(cut.End(out)); got != c.want {
				t.Errorf("byte by byte: got %q, want %q", got, c.want)
			}
		})
	}
}

// Without colours no sequence is left at all.
func TestDisplayWithoutColours(t *testing.T) {
	t.Parallel()
	d := Display{Plain: true}
	if got := string(d.Append(nil, []byte("\x1b[31mred\x1b[0m\n"))); got != "red\n" {
		t.Errorf("got %q", got)
	}
}

// A terminal is, as far as it matters here, normal, or what a program made of it.
type vt struct {
	sgr    bool
	column int
	bad    string
}

// feed obeys what Display may send, and finds fault with everything else.
func (v *vt) feed(text string) {
	for len(text) > 0 && v.bad == "" {
		if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
			end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != ';' && r != ':' })
			if end < 0 || rest[end] != 'm' {
				v.bad = fmt.Sprintf("a sequence that sets no colour: %.20q", text)
				return
			}
			v.sgr = rest[:end] != "0"
			text = rest[end+1:]
			continue
		}
		c := []rune(text)[0]
		switch {
		case c == '\n':
			if v.sgr {
				v.bad = "a colour at the end of a line"
			}
			v.column = 0
		case c < ' ' && c != '\t', c >= 0x7f && c < 0xa0:
			v.bad = fmt.Sprintf("a control character: %q", c)
		}
		text = text[len(string(c)):]
	}
}

func checkDisplay(t interface{ Fatalf(string, ...any) }, data []byte, cut int) {
	var whole, parts Display
	want := whole.End(whole.Append(nil, data))
	cut = max(0, min(cut, len(data)))
	got := parts.Append(nil, data[:cut])
	got = parts.End(parts.Append(got, data[cut:]))
	if !bytes.Equal(got, want) {
		t.Fatalf("%q cut at %d: got %q, want %q", data, cut, got, want)
	}
	if len(want) > 0 && want[len(want)-1] != '\n' {
		t.Fatalf("%q: no newline at the end of %q", data, want)
	}
	var v vt
	if v.feed(string(want)); v.bad != "" {
		t.Fatalf("%q: %s in %q", data, v.bad, want)
	}
}

// Whatever is printed, and wherever it is cut, the terminal is as it was after
// each line, and no visible character is lost outside sequences.
func TestDisplayOfAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(rapid.SampledFrom([]string{
			"text", " ", "\n", "\r", "\x1b", "[", "]", "\x1b[", "\x1b]", "\x1bP", "\\", "\x07", "?", "25", ";", "m", "l", "J", "é", "\xc2", "\x9b", "\u009b", "\u009d", "\xff", "\b", "\x18", ":", "0", "(",
		})).Draw(t, "pieces")
		data := []byte(strings.Join(pieces, ""))
		checkDisplay(t, data, rapid.IntRange(0, len(data)).Draw(t, "cut"))
	})
}

func FuzzDisplay(f *testing.F) {
	f.Add([]byte("\x1b[31mred\x1b[2J\r50%\r\n\u009b2Jx\xc2\x9b\x1b]0;t\x07"), 3)
	f.Fuzz(func(t *testing.T, data []byte, cut int) { checkDisplay(t, data, cut) })
}

// On a terminal, each line that a process's output becomes has the tag.
func TestLinesForATerminal(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	lines := NewLines(&out, &errs)
	lines.Shown(&Display{}, nil)
	a, b := lines.Source("a | ", false), lines.Source("b | ", true)
	for _, piece := range []string{"1%\r5", "0%\r\x1b[31mred\n", "on\n", "\x1b[2J", "last\r"} {
		if err := a.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
		if err := b.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = a.Close(), b.Close()
	if got, want := out.String(), "a | 1%\na | 50%\na | \x1b[31mred\x1b[0m\na | \x1b[31mon\x1b[0m\na | \x1b[31mlast\x1b[0m\n"; got != want {
		t.Errorf("shown: got %q, want %q", got, want)
	}
	if got, want := errs.String(), "b | 1%\r50%\r\x1b[31mred\nb | on\nb | \x1b[2Jlast\r\n"; got != want {
		t.Errorf("not shown: got %q, want %q", got, want)
	}
}
