package terminal

import (
	"bytes"
	"os"
	"unicode/utf8"

	"golang.org/x/term"
)

// A Display makes the output of a program safe for a terminal that it shares with others. It
// takes pieces of one stream, which may begin and end anywhere, and makes lines of them, each
// of which leaves the terminal as it was:
//
//   - A carriage return without a newline ends a line as a newline does, so each state of a
//     progress bar is a line of its own; empty ones are left out.
//   - Colours and the like (SGR) are kept. They are switched off at the end of a line and on again
//     at the beginning of the next, so that a tag between them is not coloured.
//   - All other escape sequences and control characters except tabs are dropped: those that move
//     the cursor, clear, hide, switch screens or character sets, set the title or the clipboard, or
//     ask the terminal for an answer.
//   - Invalid UTF-8 becomes U+FFFD.
//
// The zero value is ready, and keeps colours.
type Display struct {
	// Plain drops colours too.
	Plain bool

	state    displayState
	rune     []byte // the beginning of a character whose end has not come
	sequence []byte // the parameters of a CSI sequence so far
	overlong bool   // which are too many to be those of a colour
	returned bool   // a carriage return came last
	blanks   []byte // with which the line begins; they are given out with what follows
	begun    bool   // something of the line was given out
	ended    bool   // a carriage return ended what was shown last
	colours  []byte // the SGR sequences in force
	coloured bool   // some were given out on this line
}

// displayState is what the next character is part of.
type displayState uint8

const (
	inText        displayState = iota
	afterEscape                // ESC
	inEscape                   // ESC and intermediate characters
	inCSI                      // ESC [
	inString                   // OSC, DCS, SOS, PM or APC: nothing of it is shown
	inStringAfter              // the same, after an ESC
)

const (
	mostParameters = 64  // bytes of one SGR sequence
	mostColours    = 256 // bytes of SGR sequences that are in force
	mostBlanks     = 256 // bytes that wait at the beginning of a line
	colourOff      = "\x1b[0m"
)

// Append appends the visible part of data to dst. Whole lines end in a newline.
func (d *Display) Append(dst, data []byte) []byte {
	for len(data) > 0 || utf8.FullRune(d.rune) {
		if len(d.rune) == 0 && d.state == inText && !d.returned {
			if n := plainPrefix(data); n > 0 {
				dst = d.show(dst, data[:n])
				data = data[n:]
				continue
			}
		}
		var c rune
		if c, data = d.next(data); c >= 0 {
			dst = d.put(dst, c)
		}
	}
	return dst
}

// End appends the end of an unfinished line, if there is one.
func (d *Display) End(dst []byte) []byte {
	if len(d.rune) > 0 {
		d.rune = d.rune[:0]
		dst = d.put(dst, utf8.RuneError)
	}
	d.state, d.returned = inText, false
	return d.endLine(dst, false)
}

// plainPrefix is how many bytes at the beginning are visible ASCII or tabs.
func plainPrefix(data []byte) int {
	for i, b := range data {
		if (b < ' ' && b != '\t') || b >= 0x7f {
			return i
		}
	}
	return len(data)
}

// next takes a character off what waits and data; -1: it is not complete yet.
func (d *Display) next(data []byte) (rune, []byte) {
	if len(d.rune) == 0 && utf8.FullRune(data) {
		c, size := utf8.DecodeRune(data)
		return c, data[size:]
	}
	if !utf8.FullRune(d.rune) {
		d.rune = append(d.rune, data[0])
		data = data[1:]
		if !utf8.FullRune(d.rune) {
			return -1, data
		}
	}
	c, size := utf8.DecodeRune(d.rune)
	d.rune = d.rune[:copy(d.rune, d.rune[size:])] // after one that is none, what came with it
	return c, data
}

// put takes one character.
func (d *Display) put(dst []byte, c rune) []byte {
	if d.returned {
		d.returned = false
		if c == '\n' {
			return d.endLine(dst, true)
		}
		dst = d.endLine(dst, false)
	}
	switch c {
	case '\n': // ends whatever was not finished, too: no sequence hides what follows for good
		d.state = inText
		return d.endLine(dst, true)
	case '\r':
		d.state, d.returned = inText, true
		return dst
	case 0x18, 0x1a: // cancel
		d.state = inText
		return dst
	}
	switch d.state {
	case inString, inStringAfter:
		d.skip(c)
		return dst
	case afterEscape:
		d.escape(c)
		return dst
	case inEscape:
		d.intermediate(c)
		return dst
	case inCSI:
		return d.parameter(dst, c)
	}
	return d.character(dst, c)
}

// character takes one that is part of no sequence, or begins one.
func (d *Display) character(dst []byte, c rune) []byte {
	switch {
	case c == 0x1b:
		d.state = afterEscape
	case c == 0x9b:
		d.beginCSI()
	case c == 0x90 || c == 0x98 || c >= 0x9d && c <= 0x9f:
		d.state = inString
	case c == '\t' || c >= ' ' && c < 0x7f || c >= 0xa0:
		var encoded [utf8.UTFMax]byte
		return d.show(dst, encoded[:utf8.EncodeRune(encoded[:], c)])
	}
	return dst
}

// escape takes what follows ESC.
func (d *Display) escape(c rune) {
	switch {
	case c == 0x1b:
	case c == '[':
		d.beginCSI()
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
		d.state = inString
	case c >= ' ' && c <= '/':
		d.state = inEscape
	default:
		d.state = inText
	}
}

// intermediate takes what follows ESC and an intermediate character.
func (d *Display) intermediate(c rune) {
	switch {
	case c == 0x1b:
		d.state = afterEscape
	case c < ' ' || c > '/':
		d.state = inText
	}
}

func (d *Display) beginCSI() {
	d.state, d.sequence, d.overlong = inCSI, d.sequence[:0], false
}

// parameter takes what follows ESC [.
func (d *Display) parameter(dst []byte, c rune) []byte {
	switch {
	case c == 0x1b:
		d.state = afterEscape
	case c >= '@' && c <= '~':
		d.state = inText
		if c == 'm' && !d.overlong && !d.Plain {
			return d.colour(dst)
		}
	case c < ' ' || c == 0x7f: // a terminal would carry it out, and go on with the sequence
	case c > '~':
		d.state = inText
		return d.character(dst, c)
	case len(d.sequence) == mostParameters:
		d.overlong = true
	default:
		d.sequence = append(d.sequence, byte(c))
	}
	return dst
}

// colour takes a whole SGR sequence.
func (d *Display) colour(dst []byte) []byte {
	for _, b := range d.sequence {
		if (b < '0' || b > '9') && b != ';' && b != ':' {
			return dst // with a private mark it is no colour
		}
	}
	first, _, more := bytes.Cut(d.sequence, []byte{';'})
	if len(bytes.Trim(first, "0")) == 0 { // all off
		d.colours = d.colours[:0]
		if !more {
			if d.coloured {
				dst, d.coloured = append(dst, colourOff...), false
			}
			return dst
		}
	}
	if len(d.colours)+len(d.sequence)+len("\x1b[m") > mostColours { // nobody means that many at a time
		d.colours = d.colours[:0]
	}
	at := len(d.colours)
	d.colours = append(append(append(d.colours, "\x1b["...), d.sequence...), 'm')
	if d.begun {
		dst, d.coloured = append(dst, d.colours[at:]...), true
	}
	return dst
}

// skip passes over a string until it ends.
func (d *Display) skip(c rune) {
	switch {
	case c == 0x07 || c == 0x9c:
		d.state = inText
	case c == 0x1b:
		d.state = inStringAfter
	case d.state == inStringAfter && c == '\\':
		d.state = inText
	case d.state == inStringAfter: // a sequence of its own, which ends the string
		d.escape(c)
	}
}

// show appends what can be seen. Blanks at the beginning of a line wait until it
// is known whether they are all of it: bars are taken away by them.
func (d *Display) show(dst, text []byte) []byte {
	if !d.begun {
		if len(d.blanks) < mostBlanks && len(bytes.Trim(text, " \t")) == 0 {
			d.blanks = append(d.blanks, text...)
			return dst
		}
		d.begun, d.coloured = true, len(d.colours) > 0
		dst = append(append(dst, d.colours...), d.blanks...)
	}
	return append(dst, text...)
}

// endLine appends the end of the line. A line that shows nothing and ends in a carriage
// return, or not at all, is left out.
func (d *Display) endLine(dst []byte, newline bool) []byte {
	switch {
	case d.begun && d.coloured:
		dst = append(append(dst, colourOff...), '\n')
		d.ended = !newline
	case d.begun:
		dst = append(dst, '\n')
		d.ended = !newline
	case newline && !d.ended:
		dst = append(append(dst, d.blanks...), '\n')
	case newline: // "\r\r\n" is what a line ends in that went through two terminals
		d.ended = false
	}
	d.blanks, d.begun, d.coloured = d.blanks[:0], false, false
	return dst
}

// DisplayOn is how to show the output of programs on f; nil if f is not a terminal, so that
// bytes pass unchanged. termName is the value of $TERM.
func DisplayOn(f *os.File, termName string) *Display {
	if f == nil || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &Display{Plain: !Movable(f, termName)}
}
