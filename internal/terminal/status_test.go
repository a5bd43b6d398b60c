package terminal

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A status of any text takes at most the columns that there are, and never
// moves the cursor.
func TestStatusFits(t *testing.T) {
	t.Parallel()
	now := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		s := Status{Text: rapid.String().Draw(t, "text")}
		if rapid.Bool().Draw(t, "timed") {
			s.Since = now.Add(-time.Duration(rapid.Int64().Draw(t, "age")))
		}
		columns := rapid.IntRange(0, 60).Draw(t, "columns")
		line := s.render(now, columns)
		if n := columnsOf(line); n > columns {
			t.Errorf("%q takes %d columns of %d", line, n, columns)
		}
		if line != printable(line) {
			t.Errorf("%q holds control characters", line)
		}
	})
}

// What moves the cursor or colours is dropped; wide characters count twice.
func TestStatusText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"a\x1b[31mb\nc\xffd", "a[31mbcd"},
		{"日本語日本語", "日本..."},
		{"12345678", "12345678"},
		{"123456789", "12345..."},
	} {
		s := Status{Text: c.text}
		if got := s.render(time.Time{}, 8); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}
