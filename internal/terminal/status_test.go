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
		if rapid.Bool().Draw(t, "expected") {
			s.Expected = time.Duration(rapid.Int64().Draw(t, "expectation"))
			s.Until = now.Add(time.Duration(rapid.Int64().Draw(t, "left")))
		}
		columns := rapid.IntRange(0, 120).Draw(t, "columns")
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

// A bar shows how much of the time that is expected has passed; it, and what is
// left, give way to the text where the terminal is narrow.
func TestStatusBar(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := Status{Text: "sweep 2/9 (clients=4)  running 3/3", Since: now.Add(-5 * time.Second), Expected: 20 * time.Second, Until: now.Add(90 * time.Second)}
	for _, c := range []struct {
		columns int
		want    string
	}{
		{90, "sweep 2/9 (clients=4)  running 3/3  [====            ] 5.0 s, about 1m30s left"},
		{54, "sweep 2/9 (clients=4)  ru...  [====            ] 5.0 s"},
		{40, "sweep 2/9 (clients=4)  running...  5.0 s"},
	} {
		if got := s.render(now, c.columns); got != c.want {
			t.Errorf("%d columns: got %q, want %q", c.columns, got, c.want)
		}
	}
	s.Since = now.Add(-time.Minute)
	if got, want := s.render(now, 60), "sweep 2/9 (clients=4)  running 3/3  [================] 1m00s"; got != want {
		t.Errorf("later than expected: got %q, want %q", got, want)
	}
}
