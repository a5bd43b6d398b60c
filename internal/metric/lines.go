package metric

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLine is the longest line that is read, in bytes; longer ones are left out, so that memory
// is bounded. One of JSON may be as long as a document.
const maxLine = 1 << 20

// lines reads a stream by lines. A line ends with \n, \r\n or a \r alone, with
// which a progress bar is written over; the ends don't belong to it. A last line
// may have none.
type lines struct {
	r       *bufio.Reader
	text    []byte // valid until the next one is asked for
	number  int    // of the line, from 1, counting \n alone: as an editor has it
	tooLong bool   // text is not the whole line
	most    int    // how long a line may be
	err     error  // of the stream; its end is not an error

	long  []byte // of a line that did not fit into r
	ended byte   // what the line ended with
}

func newLines(r io.Reader, most int) *lines {
	return &lines{r: bufio.NewReaderSize(r, 64<<10), most: most, ended: '\n'}
}

// next reads a line.
func (l *lines) next() bool {
	l.long, l.tooLong = l.long[:0], false
	l.pass()
	for {
		piece, ended, err := l.piece()
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			l.err = err
			return false
		case ended == 0 && err == nil:
			l.keep(piece)
			continue
		case len(l.long) == 0:
			l.text = piece
		default:
			l.keep(piece)
			l.text = l.long
		}
		if err != nil && len(l.text) == 0 {
			return false
		}
		l.ended = ended
		l.tooLong = l.tooLong || len(l.text) > l.most
		return true
	}
}

// pass goes on to the next line: past the \n of a \r\n, and counts.
func (l *lines) pass() {
	if l.ended == '\r' {
		if next, err := l.r.Peek(1); err == nil && next[0] == '\n' {
			_, _ = l.r.Discard(1) // it is in the buffer
			l.ended = '\n'
		}
	}
	if l.ended == '\n' {
		l.number++
	}
	l.ended = 0
}

// piece reads up to the end of the line, or of what is in the buffer: ended is 0 then.
func (l *lines) piece() (piece []byte, ended byte, err error) {
	if _, err := l.r.Peek(1); err != nil {
		return nil, 0, err
	}
	piece, _ = l.r.Peek(l.r.Buffered())
	if i := bytes.IndexByte(piece, '\n'); i >= 0 {
		piece, ended = piece[:i], '\n'
	}
	if i := bytes.IndexByte(piece, '\r'); i >= 0 {
		piece, ended = piece[:i], '\r'
	}
	n := len(piece)
	if ended != 0 {
		n++
	}
	_, _ = l.r.Discard(n) // it is in the buffer
	return piece, ended, nil
}

// keep adds to a line that came in pieces, as far as it may grow.
func (l *lines) keep(piece []byte) {
	if room := l.most + 1 - len(l.long); len(piece) > room {
		piece, l.tooLong = piece[:room], true
	}
	l.long = append(l.long, piece...)
}
