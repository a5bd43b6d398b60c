package results

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"downbeat/internal/streams"
)

// An Excerpt is the beginning and the end of what a process wrote, or all of it.
type Excerpt struct {
	// Head and Tail are lines in the order in which they came. If bytes were left out between
	// them, the last of Head and the first of Tail may be parts of lines; otherwise there is no
	// Tail.
	Head, Tail []ExcerptLine
	// SkippedBytes were left out between them.
	SkippedBytes int64
}

// An ExcerptLine is one line of an excerpt.
type ExcerptLine struct {
	Stream streams.Stream
	// Time is when the worker read the end of the line, on the publisher's clock; zero if that
	// isn't known.
	Time time.Time
	// Text is without the newline.
	Text []byte
}

// ReadExcerpt reads at most limit bytes of what a process of the run in dir wrote, half from
// the beginning and half from the end. Nothing else of the output is read from the disk, but
// all of its times: tick is called for each read of the worker, in the order in which they
// came. Damaged times end early (see [Reader.Logs], which says so); lines after that have the
// last known time.
func ReadExcerpt(dir string, p Process, limit int64, tick func(at time.Time, stream streams.Stream)) (Excerpt, error) {
	fail := func(err error) (Excerpt, error) {
		return Excerpt{}, fmt.Errorf("read the output of %s/%s: %w", p.Host, p.Name, err)
	}
	if err := errors.Join(checkElement("host", p.Host), checkElement("process", p.Name)); err != nil {
		return fail(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = root.Close() }() // only read
	x := excerpter{root: root, process: p, ends: ends{half: limit / 2}, tick: tick}
	for _, stream := range streams.Both() {
		if x.sizes[stream], err = sizeOf(root, x.path(stream)); err != nil {
			return fail(err)
		}
	}
	x.scan()
	e, err := x.excerpt()
	if err != nil {
		return fail(err)
	}
	return e, nil
}

// sizeOf is the size of a file; 0 if it does not exist.
func sizeOf(root *os.Root, path string) (int64, error) {
	info, err := root.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// A piece is a segment of a stream and where it is in the stream's file.
type piece struct {
	segment
	offset int64
}

// An excerpter reads an excerpt: first the times, then the bytes that are in it.
type excerpter struct {
	root    *os.Root
	process Process
	tick    func(time.Time, streams.Stream)
	ends    ends
	sizes   [2]int64 // of standard output and standard error
	known   [2]int64 // how much of each has a time
}

func (x *excerpter) path(stream streams.Stream) string {
	return OutputPath(x.process.Host, x.process.Name, stream)
}

// scan finds the ends of the output. The rest of a stream after the end of the times is one
// more piece.
func (x *excerpter) scan() {
	last := x.scanTimes()
	for _, stream := range streams.Both() {
		rest := x.sizes[stream] - x.known[stream]
		x.add(piece{segment: segment{stream: stream, at: last[stream], size: rest}})
	}
}

// scanTimes finds the pieces that have a time, and the last time of each stream.
func (x *excerpter) scanTimes() (last [2]int64) {
	f, err := x.root.Open(TimesPath(x.process.Host, x.process.Name))
	if err != nil {
		return last
	}
	defer func() { _ = f.Close() }() // only read
	times := newTimesDecoder(f, 2*timesSize)
	for {
		s, err := times.read()
		if err != nil {
			return last
		}
		p := piece{segment: s}
		last[p.stream] = s.at
		x.tick(time.Unix(0, s.at), s.stream)
		x.add(p)
	}
}

// add takes as much of a piece as the file has.
func (x *excerpter) add(p piece) {
	stream := p.stream
	p.offset = x.known[stream]
	p.size = min(p.size, x.sizes[stream]-p.offset)
	if p.size > 0 {
		x.known[stream] += p.size
		x.ends.add(p)
	}
}

func (x *excerpter) excerpt() (Excerpt, error) {
	if x.ends.skipped == 0 {
		head, err := x.lines(append(x.ends.head, x.ends.tail...))
		return Excerpt{Head: head}, err
	}
	head, err := x.lines(x.ends.head)
	if err != nil {
		return Excerpt{}, err
	}
	tail, err := x.lines(x.ends.tail)
	return Excerpt{Head: head, Tail: tail, SkippedBytes: x.ends.skipped}, err
}

// lines reads what the pieces hold, and cuts it at newlines.
func (x *excerpter) lines(pieces []piece) ([]ExcerptLine, error) {
	bytes, err := x.read(pieces)
	if err != nil {
		return nil, err
	}
	var lines []ExcerptLine
	var open [2]ExcerptLine
	for _, p := range pieces {
		stream := p.stream
		lines = cutLines(lines, &open[stream], p, bytes[stream][:p.size:p.size])
		bytes[stream] = bytes[stream][p.size:]
	}
	for _, l := range open {
		if len(l.Text) > 0 {
			lines = append(lines, l)
		}
	}
	return lines, nil
}

// cutLines appends the lines that end in data; open is the unfinished one.
func cutLines(lines []ExcerptLine, open *ExcerptLine, p piece, data []byte) []ExcerptLine {
	at := time.Time{}
	if p.at != 0 {
		at = time.Unix(0, p.at).UTC()
	}
	for {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			break
		}
		lines = append(lines, ExcerptLine{Stream: p.stream, Time: at, Text: append(open.Text, data[:end:end]...)})
		*open = ExcerptLine{}
		data = data[end+1:]
	}
	if len(data) > 0 {
		*open = ExcerptLine{Stream: p.stream, Time: at, Text: append(open.Text, data...)}
	}
	return lines
}

// read reads the bytes of each stream's pieces, which follow one another in its file.
func (x *excerpter) read(pieces []piece) ([2][]byte, error) {
	var data [2][]byte
	var from, size [2]int64
	for _, p := range pieces {
		if size[p.stream] == 0 {
			from[p.stream] = p.offset
		}
		size[p.stream] += p.size
	}
	for _, stream := range streams.Both() {
		if size[stream] == 0 {
			continue
		}
		data[stream] = make([]byte, size[stream])
		if n, err := readAt(x.root, x.path(stream), data[stream], from[stream]); int64(n) < size[stream] {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%s became shorter while it was read", x.path(stream))
			}
			return data, err
		}
	}
	return data, nil
}

// ends keeps the first and the last pieces, half bytes of each, of all that are added.
type ends struct {
	half             int64
	head, tail       []piece
	headSize, inTail int64
	skipped          int64
}

func (e *ends) add(p piece) {
	if room := e.half - e.headSize; room > 0 {
		first := p
		first.size = min(p.size, room)
		e.head = append(e.head, first)
		e.headSize += first.size
		p.offset += first.size
		p.size -= first.size
	}
	if p.size > 0 {
		e.tail = append(e.tail, p)
		e.inTail += p.size
		e.shorten()
	}
}

// shorten drops the first bytes of the tail that are too many.
func (e *ends) shorten() {
	for excess := e.inTail - e.half; excess > 0; excess = e.inTail - e.half {
		first := &e.tail[0]
		drop := min(excess, first.size)
		first.offset += drop
		first.size -= drop
		e.inTail -= drop
		e.skipped += drop
		if first.size == 0 {
			e.tail = e.tail[1:] // append reallocates the rest from time to time
		}
	}
}
