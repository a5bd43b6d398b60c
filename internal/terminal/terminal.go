// Package terminal shows a run to its user: the processes' lines, tagged; below them one line
// with the progress ([Live]); and numbers and words formatted for people ([Duration], [Size],
// [Style]).
//
// It does not read the environment: the caller passes $TERM and $NO_COLOR.
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
