package terminal

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// cutMark stands where text was cut.
const cutMark = "..."

// render gives the line for a terminal of that many columns. Where there is no
// room even for the time, that is cut too: the line must never wrap.
func (s *Status) render(now time.Time, columns int) string {
	text := printable(s.Text)
	if text == "" {
		return ""
	}
	if s.Since.IsZero() {
		return cutTo(text, columns)
	}
	elapsed := Elapsed(now.Sub(s.Since))
	if room := columns - columnsOf(elapsed) - 2; room >= len(cutMark)+1 {
		return cutTo(text, room) + "  " + elapsed
	}
	return cutTo(elapsed, columns)
}

// printable drops what could move the cursor or change its colours.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}

// cutTo gives text in at most that many columns.
func cutTo(text string, columns int) string {
	if columnsOf(text) <= columns {
		return text
	}
	mark := cutMark[:min(len(cutMark), max(columns, 0))]
	room, end := columns-len(mark), 0
	for i, r := range text {
		if room -= runeColumns(r); room < 0 {
			break
		}
		end = i + utf8.RuneLen(r)
	}
	return text[:end] + mark
}

func columnsOf(text string) int {
	n := 0
	for _, r := range text {
		n += runeColumns(r)
	}
	return n
}

// runeColumns is how many columns a character takes at most. The wide ones begin
// with Hangul; to count one more than there are costs a column of a name and
// no more, while one too few would wrap the line.
func runeColumns(r rune) int {
	if r < 0x1100 {
		return 1
	}
	return 2
}
