package terminal

import "os"

// A Style colours words on a terminal that has colours. Elsewhere, and as its zero value, it
// leaves them as they are.
type Style struct{ on bool }

// NewStyle is the style for what is written to f. termName and noColor are the
// values of $TERM and $NO_COLOR; any value of the latter means plain text (no-color.org).
func NewStyle(f *os.File, termName, noColor string) Style {
	return Style{on: noColor == "" && Movable(f, termName)}
}

// Good is for success.
func (s Style) Good(text string) string { return s.paint("32", text) }

// Bad is for failure.
func (s Style) Bad(text string) string { return s.paint("31", text) }

func (s Style) paint(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
