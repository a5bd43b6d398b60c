package metric

import (
	"fmt"
	"strings"
)

// How near a search came to a value: the nearest miss is the likely reason why
// nothing was found.
const (
	noSource = iota + 1
	noLine
	noField
	noRow
	noMatch
	noValue
	leftOut // nothing but what could not be understood
	noTime  // nothing that counts by its time
)

// A miss is the first of the nearest.
type miss struct {
	near int
	text string
}

func (m *miss) note(near int, format string, args ...any) {
	if near > m.near {
		m.near, m.text = near, fmt.Sprintf(format, args...)
	}
}

// why says why nothing was found.
func (s *search) why() string {
	switch {
	case s.left.count > 0:
		return s.left.String()
	case len(s.metric.Sources) == 0:
		return "no process is of these groups and on these hosts"
	case s.expected == 0:
		return "no process that it is about was started"
	case s.miss.text == "":
		return "nothing was found"
	}
	return s.miss.text
}

// left are the lines and files that could not be understood.
type left struct {
	count int
	first string
	here  string // the first of the file that is being read
}

func (l *left) note(place string, line int, format string, args ...any) {
	if l.count++; l.here != "" {
		return
	}
	if line > 0 {
		place = fmt.Sprintf("%s:%d", place, line)
	}
	l.here = place + " " + fmt.Sprintf(format, args...)
	if l.count == 1 {
		l.first = l.here
	}
}

// String tells of it; empty if there was none.
func (l *left) String() string {
	switch l.count {
	case 0:
		return ""
	case 1:
		return "left out: " + l.first
	}
	return fmt.Sprintf("left out: %s, and %d more", l.first, l.count-1)
}

// values counts them.
func values(n int) string {
	if n == 1 {
		return "1 value"
	}
	return fmt.Sprintf("%d values", n)
}

// intervals counts them.
func intervals(n int) string {
	if n == 1 {
		return "1 interval"
	}
	return fmt.Sprintf("%d intervals", n)
}

func areValues(n int) string {
	if n == 1 {
		return values(n) + " is"
	}
	return values(n) + " are"
}

// listed names a few columns.
func listed(names []string) string {
	const most = 12
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	quotes := make([]string, len(names))
	for i, name := range names {
		quotes[i] = quoted(strings.TrimSpace(name))
	}
	return strings.Join(quotes, ", ") + more
}
