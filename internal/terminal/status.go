package terminal

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// cutMark stands where text was cut.
const cutMark = "..."

// render makes the line for a terminal of that many columns: the parts, the bar, the time, and
// the remaining time, as far as there is room. The line must never wrap.
func (s *Status) render(now time.Time, columns int) string {
	parts := slices.Clone(s.Parts)
	if s.Text != "" {
		parts = append(parts, Part{Text: s.Text, Rank: RankDetail, Sep: "  "})
	}
	if !slices.ContainsFunc(parts, func(p Part) bool { return printable(p.Text) != "" }) {
		return ""
	}
	if s.Since.IsZero() {
		return layout(parts, columns)
	}
	elapsed := now.Sub(s.Since)
	if s.Expected > 0 {
		parts = append(parts, Part{Text: bar(elapsed, s.Expected), Rank: RankBar, Sep: "  "})
	}
	parts = append(parts, Part{Text: Elapsed(elapsed), Rank: RankElapsed, Sep: "  "})
	if !s.Until.IsZero() {
		left := roughly(s.Until.Sub(now)) + " left"
		about := Part{Text: "about " + left, Short: left, Rank: RankLeft, Sep: ", "}
		if s.AtMost {
			about.Text, about.Short = "at most about "+left, "at most "+left
		}
		parts = append(parts, about)
	}
	return layout(parts, columns)
}

// roughly formats an estimated duration, without tenths of a second.
func roughly(d time.Duration) string {
	if d = d.Round(time.Second); d < time.Minute {
		return fmt.Sprintf("%d s", max(d, 0)/time.Second)
	}
	return Elapsed(d)
}

// barColumns is how wide a bar is between its ends.
const barColumns = 16

// bar draws how much of a time has passed.
func bar(elapsed, expected time.Duration) string {
	full := int(barColumns * min(max(elapsed.Seconds()/expected.Seconds(), 0), 1))
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", barColumns-full) + "]"
}

// printable drops characters that could move the cursor or change colours.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}

// cutTo cuts text to at most that many columns.
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

// runeColumns is how many columns a character takes at most. Wide characters start with Hangul.
// Counting one column too many only shortens a name by one, while one too few would wrap the
// line.
func runeColumns(r rune) int {
	if r < 0x1100 {
		return 1
	}
	return 2
}
