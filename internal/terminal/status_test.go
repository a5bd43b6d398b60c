package terminal

import (
	"strings"
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

// Characters that move the cursor or change colours are dropped; wide characters count twice.
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

// A bar shows how much of the time that is expected has passed; it gives way to the
// text where the terminal is narrow, and that to what is left.
func TestStatusBar(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := Status{Text: "sweep 2/9 (clients=4)  running 3/3", Since: now.Add(-5 * time.Second), Expected: 20 * time.Second, Until: now.Add(90 * time.Second)}
	for _, c := range []struct {
		columns int
		want    string
	}{
		{90, "sweep 2/9 (clients=4)  running 3/3  [====            ]  5.0 s, about 1m30s left"},
		{54, "sweep 2/9 (clients=4)  run...  5.0 s, about 1m30s left"},
		{40, "sweep 2/9 (c...  5.0 s, about 1m30s left"},
	} {
		if got := s.render(now, c.columns); got != c.want {
			t.Errorf("%d columns: got %q, want %q", c.columns, got, c.want)
		}
	}
	s.Since, s.Until = now.Add(-time.Minute), time.Time{}
	if got, want := s.render(now, 61), "sweep 2/9 (clients=4)  running 3/3  [================]  1m00s"; got != want {
		t.Errorf("later than expected: got %q, want %q", got, want)
	}
}

// sweep is what the live line says of a long experiment on many hosts.
func sweep(now time.Time, name string) Status {
	return Status{
		Parts: []Part{
			{Text: name, Rank: RankName},
			{Text: "13/40", Rank: RankPlace, Sep: " "},
			{Text: "(clients=16, mode=linearizable)", Rank: RankDetail, Sep: " "},
			{Text: "running 48/48", Short: "48/48", Rank: RankState, Sep: "  "},
			{Text: "2 failed", Rank: RankFailures, Sep: ", "},
			{Text: "on alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima", Rank: RankDetail, Sep: " "},
			{Text: "3 datapoints did not succeed", Short: "3 did not", Rank: RankFailures, Sep: ", "},
			{Text: ": 0012-clients=8 0009-clients=4 0002-clients=1", Rank: RankNames},
		},
		Since: now.Add(-65 * time.Second), Expected: 2 * time.Minute, Until: now.Add(550 * time.Second),
	}
}

// Failures and the time that is left have their place at any width that terminals
// have; hosts, names and the bar are what gives way.
func TestStatusKeepsWhatMatters(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		columns int
		name    string
		want    string
	}{
		{39, "locks", "48/48, 2 failed, 3 did not, 9m10s left"},
		{59, "locks", "running 48/48, 2 failed, 3 did not  1m05s, about 9m10s left"},
		{79, "locks", "locks 13/40  running 48/48, 2 failed, 3 did not  1m05s, about 9m10s left"},
		{79, "an-experiment-whose-name-is-long-enough-to-fill-a-whole-line-of-any-terminal", "13/40  running 48/48, 2 failed, 3 datapoints did not succeed  1m05s, 9m10s left"},
		{
			199, "locks", "locks 13/40 (clients=16, mode=linearizable)  running 48/48, 2 failed on alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo ..., " +
				"3 datapoints did not succeed  1m05s, about 9m10s left",
		},
	} {
		s := sweep(now, c.name)
		if got := s.render(now, c.columns); got != c.want {
			t.Errorf("%d columns:\ngot  %q\nwant %q", c.columns, got, c.want)
		}
	}
}

// Parts of any text take at most the columns that there are, and what matters is whole
// or not there.
func TestPartsFit(t *testing.T) {
	t.Parallel()
	now := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		s := sweep(now, rapid.String().Draw(t, "name"))
		for i := range s.Parts {
			if s.Parts[i].Rank > RankElapsed {
				s.Parts[i].Text = rapid.String().Draw(t, "text")
			}
		}
		columns := rapid.IntRange(0, 250).Draw(t, "columns")
		line := s.render(now, columns)
		if n := columnsOf(line); n > columns {
			t.Errorf("%q takes %d columns of %d", line, n, columns)
		}
		if line != printable(line) {
			t.Errorf("%q holds control characters", line)
		}
		for _, matters := range []string{"2 failed", "3 d", "9m10s left"} {
			if columns >= 39 && !strings.Contains(line, matters) {
				t.Errorf("%d columns: %q lacks %q", columns, line, matters)
			}
		}
	})
}

// Where it may be over before, the line says that the time is the most there is.
func TestAtMost(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	s := Status{Text: "sweep", Since: now.Add(-5 * time.Second), Until: now.Add(90 * time.Second), AtMost: true}
	for columns, want := range map[int]string{80: "sweep  5.0 s, at most about 1m30s left", 20: "at most 1m30s left"} {
		if got := s.render(now, columns); got != want {
			t.Errorf("on %d columns: %q, want %q", columns, got, want)
		}
	}
}
