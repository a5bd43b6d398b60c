// Package terminal is what a person sees while a run goes on: the processes'
// lines, tagged; below them one line that says what is going on ([Live]); and
// numbers and words in a form for people ([Duration], [Size], [Style]).
//
// It reads no environment. Who calls it hands in $TERM and $NO_COLOR.
package terminal

import (
	"os"

	"golang.org/x/term"
)

// Movable reports whether f is a terminal on which the cursor can be moved.
// termName is the value of $TERM.
func Movable(f *os.File, termName string) bool {
	return f != nil && termName != "" && termName != "dumb" && term.IsTerminal(int(f.Fd()))
}
