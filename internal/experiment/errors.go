package experiment

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// An Error is one mistake in a file. Line and Column count from 1, columns in
// characters; 0 means that there is no place to point at.
type Error struct {
	File    string
	Line    int
	Column  int
	Field   string // such as groups.client.on
	Message string
	Hint    string // what to do about it
	Err     error  // what lies beneath, for errors.Is; may be nil
}

// Error gives "file:line:column: field: message (hint)", without the parts
// that are not known.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
		if e.Column > 0 {
			fmt.Fprintf(&b, ":%d", e.Column)
		}
	}
	b.WriteString(": ")
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap gives the error beneath, if any.
func (e *Error) Unwrap() error { return e.Err }

// Errors are all mistakes in a file, in the order of its lines. Every error of
// [Load], [Parse] and [Point.Expand] is of this type.
type Errors []*Error

// maxShown is how many errors are printed. More than that usually have one cause.
const maxShown = 20

// Error gives one line for each error.
func (es Errors) Error() string {
	lines := make([]string, 0, len(es))
	for i, e := range es {
		if i == maxShown {
			lines = append(lines, fmt.Sprintf("%s: and %d more", e.File, len(es)-maxShown))
			break
		}
		lines = append(lines, e.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the errors to errors.Is and errors.As.
func (es Errors) Unwrap() []error {
	list := make([]error, len(es))
	for i, e := range es {
		list[i] = e
	}
	return list
}

// A report collects the errors found in a file.
type report struct {
	path   string
	errors Errors
}

// add notes an error at a place; hint may be empty.
func (r *report) add(at pos, field, hint, format string, args ...any) {
	r.errors = append(r.errors, r.errorf(at, field, hint, format, args...))
}

func (r *report) errorf(at pos, field, hint, format string, args ...any) *Error {
	return &Error{
		File: r.path, Line: at.line, Column: at.column,
		Field: field, Message: fmt.Sprintf(format, args...), Hint: hint,
	}
}

// err gives what was collected, in the order of the lines, or nil.
func (r *report) err() error {
	if len(r.errors) == 0 {
		return nil
	}
	slices.SortStableFunc(r.errors, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r.errors
}
