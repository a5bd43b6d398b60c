package terminal

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"downbeat/internal/testkit"
)

func newLive(t *testing.T, s *screen) *Live {
	t.Helper()
	l := NewLive(s.tty, true)
	t.Cleanup(l.Close)
	return l
}

func write(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if n, err := io.WriteString(w, text); n != len(text) || err != nil {
		t.Fatalf("write: got %d, %v, want %d", n, err, len(text))
	}
}

// The live line stays below the lines that are written above it, and says how
// long it has been.
func TestLiveBelowLines(t *testing.T) {
	t.Parallel()
	s := newScreen(t, 80)
	l := newLive(t, s)
	l.Set(Status{Text: "sample  running 7/8", Since: time.Now().Add(-time.Hour)})
	testkit.WaitFor(t, "the live line", func() bool { return s.text() == "sample  running 7/8  1h00m" })
	write(t, l.Writer(s.tty), "alpha/0 | one\nalpha/0 | two\n")
	testkit.WaitFor(t, "two lines", func() bool {
		return s.text() == "alpha/0 | one\nalpha/0 | two\nsample  running 7/8  1h00m"
	})
	l.Set(Status{Text: "sample  running 6/8"})
	testkit.WaitFor(t, "the new status", func() bool { return s.last() == "sample  running 6/8" })
	l.Set(Status{})
	testkit.WaitFor(t, "no status", func() bool { return s.text() == "alpha/0 | one\nalpha/0 | two\n" })
}

// After Close the terminal holds what was written and nothing else, the lines
// written just before included.
func TestCloseLeavesOnlyLines(t *testing.T) {
	t.Parallel()
	s := newScreen(t, 80)
	l := newLive(t, s)
	l.Set(Status{Text: "a live line that is longer than all of the others"})
	testkit.WaitFor(t, "the live line", func() bool { return s.text() != "" })
	out, want := l.Writer(s.tty), ""
	for i := range 200 {
		line := fmt.Sprintf("alpha/0 | line %d\n", i)
		write(t, out, line)
		want += line
	}
	l.Close()
	write(t, out, "summary\n")
	l.Close()
	testkit.WaitFor(t, "the summary", func() bool { return strings.HasSuffix(s.text(), "summary\n") })
	if got := s.text(); got != want+"summary\n" {
		t.Errorf("got\n%s\nwant\n%ssummary\n", got, want)
	}
}

// While a line is unfinished the live line stays away, and tears nothing.
func TestUnfinishedLine(t *testing.T) {
	t.Parallel()
	s := newScreen(t, 80)
	l := newLive(t, s)
	start := time.Now()
	l.Set(Status{Text: "status", Since: start})
	out := l.Writer(s.tty)
	testkit.WaitFor(t, "the live line", func() bool { return strings.HasPrefix(s.text(), "status") })
	write(t, out, "Password: ")
	testkit.WaitFor(t, "the unfinished line alone", func() bool { return s.text() == "Password: " })
	drawn := strings.Count(s.received(), "status")
	testkit.WaitFor(t, "two refreshes", func() bool { return time.Since(start) > 3*refresh })
	if n := strings.Count(s.received(), "status"); n != drawn {
		t.Errorf("the live line was drawn %d times beside an unfinished line", n-drawn)
	}
	write(t, out, "secret\n")
	testkit.WaitFor(t, "the live line again", func() bool {
		return strings.HasPrefix(s.text(), "Password: secret\nstatus")
	})
}

// The live line is cut to the terminal's width, also when that changes, and
// never wraps.
func TestNarrowTerminal(t *testing.T) {
	t.Parallel()
	s := newScreen(t, 80)
	l := newLive(t, s)
	l.Set(Status{Text: "sample  running 48/48 on alpha bravo charlie delta", Since: time.Now().Add(-2 * time.Hour)})
	testkit.WaitFor(t, "the whole line", func() bool {
		return s.text() == "sample  running 48/48 on alpha bravo charlie delta  2h00m"
	})
	for columns, want := range map[int]string{
		40: "sample  running 48/48 on alph...  2h00m",
		20: "sample  r...  2h00m",
		6:  "2h00m",
		4:  "...",
		1:  "",
		80: "sample  running 48/48 on alpha bravo charlie delta  2h00m",
	} {
		s.resize(t, columns)
		testkit.WaitFor(t, fmt.Sprintf("%q at %d columns", want, columns), func() bool { return s.text() == want })
	}
	if n := s.wraps(); n > 0 {
		t.Errorf("the live line wrapped %d times", n)
	}
}

// A line drawn for a wider terminal than there is by now doesn't wrap.
func TestWidthChangesUnnoticed(t *testing.T) {
	t.Parallel()
	s := newScreen(t, 60)
	l := newLive(t, s)
	l.Set(Status{Text: strings.Repeat("x", 70)})
	testkit.WaitFor(t, "the live line", func() bool { return len(s.text()) == 59 })
	s.mu.Lock()
	s.columns = 10 // and nobody was told
	s.mu.Unlock()
	write(t, l.Writer(s.tty), "one\n")
	testkit.WaitFor(t, "the line", func() bool { return strings.HasPrefix(s.text(), "one\n") })
	if n := s.wraps(); n > 0 {
		t.Errorf("the live line wrapped %d times", n)
	}
}

// Before something else is written to, which may print on the same terminal,
// the live line is gone; afterwards it comes back.
func TestLineGivesWayToPipe(t *testing.T) {
	t.Parallel()
	s := newScreen(t, 80)
	l := newLive(t, s)
	l.Set(Status{Text: "status"})
	testkit.WaitFor(t, "the live line", func() bool { return s.text() == "status" })
	entered, goOn := make(chan struct{}), make(chan struct{})
	out := l.Writer(writerFunc(func(p []byte) (int, error) {
		close(entered)
		<-goOn
		return len(p), nil
	}))
	result := make(chan error)
	go func() {
		_, err := out.Write([]byte("line\n"))
		result <- err
	}()
	<-entered
	testkit.WaitFor(t, "an empty screen", func() bool { return s.text() == "" })
	write(t, l.Writer(s.tty), "meanwhile\n")
	testkit.WaitFor(t, "a line without the live line", func() bool { return s.text() == "meanwhile\n" })
	begun, drawn := time.Now(), strings.Count(s.received(), "status")
	testkit.WaitFor(t, "two refreshes", func() bool { return time.Since(begun) > 3*refresh })
	if n := strings.Count(s.received(), "status"); n != drawn {
		t.Errorf("the live line was drawn %d times during the write", n-drawn)
	}
	close(goOn)
	if err := <-result; err != nil {
		t.Error(err)
	}
	testkit.WaitFor(t, "the live line again", func() bool { return s.text() == "meanwhile\nstatus" })
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Where there is no terminal, or a person wants none of it, nothing is written
// and writers are those that were given.
func TestSilent(t *testing.T) {
	t.Parallel()
	s := newScreen(t, 80)
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, l := range map[string]*Live{
		"file": NewLive(file, true), "disabled": NewLive(s.tty, false), "none": NewLive(nil, true),
	} {
		l.Set(Status{Text: "status"})
		if l.Writer(file) != io.Writer(file) {
			t.Errorf("%s: the writer is wrapped", name)
		}
		l.Close()
	}
	if info, err := file.Stat(); err != nil || info.Size() > 0 || s.text() != "" {
		t.Errorf("got %d bytes in the file and %q on the screen, want none", info.Size(), s.text())
	}
	live := newLive(t, s)
	if live.Writer(file) != io.Writer(file) {
		t.Error("a file on disk is wrapped")
	}
}

// A terminal that takes nothing holds up neither Set nor, once it goes on, a line.
func TestStoppedTerminal(t *testing.T) {
	t.Parallel()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	l := NewLive(tty, true)
	out := l.Writer(tty)
	result := make(chan error)
	const size = 1 << 20
	go func() {
		_, err := out.Write([]byte(strings.Repeat("x", size-1) + "\n"))
		result <- err
	}()
	testkit.WaitFor(t, "a write that waits", func() bool {
		if !l.mu.TryLock() {
			return true
		}
		l.mu.Unlock()
		return false
	})
	l.Set(Status{Text: "status"})
	select {
	case err := <-result:
		t.Fatalf("the write ended with %v although nobody reads", err)
	default:
	}
	read := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, master)
		read <- n
	}()
	if err := <-result; err != nil {
		t.Error(err)
	}
	l.Close()
	_ = tty.Close()
	if n := <-read; n < size {
		t.Errorf("got %d bytes, want at least %d", n, size)
	}
}

// A terminal that is gone is reported to those who write lines.
func TestTerminalGone(t *testing.T) {
	t.Parallel()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	l := NewLive(tty, true)
	defer l.Close()
	_ = master.Close()
	out := l.Writer(tty)
	testkit.WaitFor(t, "an error", func() bool {
		_, err := out.Write([]byte("line\n"))
		return err != nil
	})
}
