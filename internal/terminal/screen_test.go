package terminal

import (
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
)

// A screen is a terminal as far as the live line needs one: it understands what
// Live sends and is as long as the text. Rows hold one byte per column.
type screen struct {
	tty *os.File // the side that programs write to

	mu       sync.Mutex
	columns  int
	noWrap   bool
	rows     [][]byte
	row, col int
	escape   []byte // an unfinished sequence
	wrapped  int    // how often a row was too short
	raw      []byte
}

// newScreen opens a terminal and reads what is written to it until the test ends.
func newScreen(t *testing.T, columns int) *screen {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{tty: tty, rows: [][]byte{nil}}
	s.resize(t, columns)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(s, master) // ends with an error when the tty is closed
	}()
	t.Cleanup(func() {
		_ = tty.Close()
		<-done
		_ = master.Close()
	})
	return s
}

// resize doesn't reflow: it stands for terminals that only cut.
func (s *screen) resize(t *testing.T, columns int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.columns = columns
	if err := pty.Setsize(s.tty, &pty.Winsize{Rows: 24, Cols: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw = append(s.raw, p...)
	for _, c := range p {
		s.put(c)
	}
	return len(p), nil
}

func (s *screen) put(c byte) {
	switch {
	case len(s.escape) > 0:
		s.escape = append(s.escape, c)
		if c >= '@' && c != '[' {
			s.obey(string(s.escape))
			s.escape = nil
		}
	case c == 0x1b:
		s.escape = []byte{c}
	case c == '\r':
		s.col = 0
	case c == '\n':
		s.down()
	default:
		s.print(c)
	}
}

func (s *screen) obey(sequence string) {
	switch sequence {
	case eraseBelow:
		s.rows = s.rows[:s.row+1]
		s.rows[s.row] = s.rows[s.row][:min(s.col, len(s.rows[s.row]))]
	case wrapOff:
		s.noWrap = true
	case wrapOn:
		s.noWrap = false
	default:
		panic("unknown sequence " + sequence)
	}
}

func (s *screen) print(c byte) {
	if s.col == s.columns {
		if s.noWrap {
			s.col--
		} else {
			s.wrapped++
			s.col = 0
			s.down()
		}
	}
	row := s.rows[s.row]
	for len(row) <= s.col {
		row = append(row, ' ')
	}
	row[s.col] = c
	s.rows[s.row] = row
	s.col++
}

func (s *screen) down() {
	s.row++
	if s.row == len(s.rows) {
		s.rows = append(s.rows, nil)
	}
}

// text is what can be read on the screen.
func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for i, row := range s.rows {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.Write(row)
	}
	return b.String()
}

// last is the lowest row that isn't empty.
func (s *screen) last() string {
	text := strings.TrimRight(s.text(), "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// received is everything that came, as it came.
func (s *screen) received() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.raw)
}

func (s *screen) wraps() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrapped
}
