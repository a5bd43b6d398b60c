package terminal

import "os"

// A Style sets off words where the output goes to a terminal that has colours;
// elsewhere, and as its zero value, it leaves them as they are.
type Style struct{ on bool }

// NewStyle is the style for what is written to f. termName and noColor are the
// values of $TERM and $NO_COLOR; any value of the latter means plain text (no-color.org).
func NewStyle(f *os.File, termName, noColor string) Style {
	return Style{on: noColor == "" && Movable(f, termName)}
}

// On reports whether words are set off at all.
func (s Style) On() bool { return s.on }

// Good is for what went as it should.
func (s Style) Good(text string) string { return s.paint("32", text) }

// Bad is for what failed.
func (s Style) Bad(text string) string { return s.paint("31", text) }

// Warn is for what a person should know but need not act on.
func (s Style) Warn(text string) string { return s.paint("33", text) }

// Faint is for what is there to be looked up.
func (s Style) Faint(text string) string { return s.paint("2", text) }

// Strong is for what the eye should find first.
func (s Style) Strong(text string) string { return s.paint("1", text) }

func (s Style) paint(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
