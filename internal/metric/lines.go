package metric

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// maxLine is the longest line that is looked at, in bytes; a longer one is
// left out, so that memory stays bounded.
const maxLine = 1 << 20

// lines reads a stream by lines. Their ends, \n and \r\n, don't belong to them.
type lines struct {
	r       *bufio.Reader
	text    []byte // valid until the next one is asked for
	tooLong bool   // text is not the whole line
	err     error  // that of the stream, but for its end
	long    []byte // of a line that did not fit into r
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, 64<<10)} }

// next reads a line. A last one without newline is one.
func (l *lines) next() bool {
	l.long, l.tooLong = l.long[:0], false
	for {
		piece, err := l.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			l.keep(piece)
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			l.err = err
			return false
		}
		if len(l.long) == 0 {
			l.text = piece
		} else {
			l.keep(piece)
			l.text = l.long
		}
		if err != nil && len(l.text) == 0 {
			return false
		}
		l.text = bytes.TrimSuffix(bytes.TrimSuffix(l.text, []byte("\n")), []byte("\r"))
		l.tooLong = l.tooLong || len(l.text) > maxLine
		return true
	}
}

// keep adds to a line that came in pieces, as far as it may grow. The two bytes
// more are the line's end.
func (l *lines) keep(piece []byte) {
	if room := maxLine + 2 - len(l.long); len(piece) > room {
		piece, l.tooLong = piece[:room], true
	}
	l.long = append(l.long, piece...)
}

// number reads a decimal number, strictly: no unit, no infinity, no separators.
func number(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0123456789+-.eE") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}
