package sqs

import (
	"bytes"
	"encoding/ascii85"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"downbeat/internal/queue"
)

// A message's text is a line that describes the rest, and the content: the header as JSON, if
// any, and the body, in one of three encodings.
//
//	downbeat 1 ENCODING TTL PERSISTENT HEADER [SET INDEX COUNT]
//	CONTENT
//
// TTL is in milliseconds (0: none), PERSISTENT is 0 or 1, HEADER the number of bytes of the
// JSON that the content begins with. Content that is too large for one message of SQS travels
// as a set: its text is cut into COUNT pieces.
const (
	mark = "downbeat 1 "

	encodingText = "text" // as it is
	encodingA85  = "a85"  // in Adobe's Ascii85 without its brackets: 5 characters for 4 bytes
	encodingZstd = "zstd" // compressed, then the same
	encodingWake = "wake" // no message: ends the long poll of the consumer that the content names
)

const (
	// plainMost is the size up to which readable content stays readable. Compressing it would
	// save nothing: SQS charges for each started 64 KiB.
	plainMost = 4 << 10
	// maxHeader bounds the header's JSON, in which a byte takes six at most.
	maxHeader = 8 * queue.MaxHeader
	// firstLine bounds the length of the first line.
	firstLine = 160
)

// errForeign: the text was not written by Downbeat.
var errForeign = errors.New("not Downbeat's encoding")

// A codec converts messages to text and back. It may be used concurrently.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newCodec() (*codec, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBody+2*queue.MaxHeader))
	if err != nil {
		return nil, err
	}
	return &codec{encoder, decoder}, nil
}

// A parcel is a message as text, not yet cut.
type parcel struct {
	line    string // the first line without its end
	content string
}

// pack makes a parcel as small as possible, but keeps small readable messages readable.
func (c *codec) pack(m queue.Message) (parcel, error) {
	var header []byte
	if len(m.Header) > 0 {
		var err error
		if header, err = json.Marshal(m.Header); err != nil {
			return parcel{}, err
		}
	}
	raw := m.Body
	if len(header) > 0 {
		raw = append(header, m.Body...)
	}
	encoding, content := c.encode(raw)
	persistent := 0
	if m.Persistent {
		persistent = 1
	}
	ttl := (m.TTL + time.Millisecond - 1) / time.Millisecond
	return parcel{fmt.Sprintf("%s%s %d %d %d", mark, encoding, ttl, persistent, len(header)), content}, nil
}

func (c *codec) encode(raw []byte) (encoding, content string) {
	readable := permitted(raw)
	if readable && len(raw) <= plainMost {
		return encodingText, string(raw)
	}
	small := c.encoder.EncodeAll(raw, nil)
	if readable && len(raw) <= ascii85.MaxEncodedLen(len(small)) {
		return encodingText, string(raw)
	}
	if len(small) < len(raw) {
		return encodingZstd, toA85(small)
	}
	return encodingA85, toA85(raw)
}

// permitted tells whether SQS accepts the bytes as they are: UTF-8 without control characters
// other than tab and newline, and without characters beyond the basic plane, which not every
// implementation accepts.
func permitted(raw []byte) bool {
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		switch {
		case r == utf8.RuneError && size == 1:
			return false
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r > 0xFFFD:
			return false
		}
		raw = raw[size:]
	}
	return true
}

func toA85(raw []byte) string {
	text := make([]byte, ascii85.MaxEncodedLen(len(raw)))
	return string(text[:ascii85.Encode(text, raw)])
}

func fromA85(text string) ([]byte, error) {
	zeros := strings.Count(text, "z") // each stands for four bytes by itself
	size := 4*zeros + (len(text)-zeros)/5*4 + 8
	if size > maxBody+2*queue.MaxHeader+8 {
		return nil, fmt.Errorf("%w: %d bytes", queue.ErrTooLarge, size)
	}
	raw := make([]byte, size)
	n, _, err := ascii85.Decode(raw, []byte(text), true)
	return raw[:n], err
}

// cut splits a parcel into texts of SQS messages, none over limit bytes. If there are several,
// they carry the name set.
func (p parcel) cut(limit int, set string) ([]string, error) {
	if len(p.line)+1+len(p.content) <= limit {
		return []string{p.line + "\n" + p.content}, nil
	}
	room := limit - firstLine
	if room <= 0 {
		return nil, fmt.Errorf("%w: the queue takes %d bytes in a message", queue.ErrTooLarge, limit)
	}
	var pieces []string
	for rest := p.content; len(rest) > 0; {
		n := min(room, len(rest))
		for n < len(rest) && !utf8.RuneStart(rest[n]) { // a piece has to be UTF-8 by itself
			n--
		}
		pieces = append(pieces, rest[:n])
		rest = rest[n:]
	}
	for i, piece := range pieces {
		pieces[i] = fmt.Sprintf("%s %s %d %d\n%s", p.line, set, i, len(pieces), piece)
	}
	return pieces, nil
}

// A piece is one SQS message, its first line understood.
type piece struct {
	encoding   string
	ttl        time.Duration
	persistent bool
	header     int
	set        string // empty: it is whole
	index      int
	count      int
	content    string
}

// maxPieces bounds how many pieces a first line can make a consumer wait for.
const maxPieces = 4096

// parse understands the text of one SQS message.
func parse(text string) (piece, error) {
	line, content, ok := strings.Cut(text, "\n")
	rest, marked := strings.CutPrefix(line, mark)
	fields := strings.Split(rest, " ")
	if !ok || !marked || len(line) > firstLine || (len(fields) != 4 && len(fields) != 7) {
		return piece{}, errForeign
	}
	numbers := make([]int, len(fields))
	for i, field := range fields {
		if i == 0 || i == 4 {
			continue
		}
		n, err := strconv.Atoi(field)
		if err != nil || n < 0 {
			return piece{}, errForeign
		}
		numbers[i] = n
	}
	p := piece{
		encoding: fields[0], ttl: time.Duration(numbers[1]) * time.Millisecond, persistent: numbers[2] == 1, header: numbers[3],
		count: 1, content: content,
	}
	if len(fields) == 7 {
		p.set, p.index, p.count = fields[4], numbers[5], numbers[6]
	}
	if p.index >= p.count || p.count > maxPieces || p.ttl/time.Millisecond != time.Duration(numbers[1]) {
		return piece{}, errForeign
	}
	return p, nil
}

// unpack makes the message of a piece that holds the whole content.
func (c *codec) unpack(p piece) (queue.Message, error) {
	var raw []byte
	var err error
	switch p.encoding {
	case encodingText:
		raw = []byte(p.content)
	case encodingA85:
		raw, err = fromA85(p.content)
	case encodingZstd:
		if raw, err = fromA85(p.content); err == nil {
			raw, err = c.decoder.DecodeAll(raw, nil)
		}
	default:
		err = errForeign
	}
	if err == nil && (p.header > len(raw) || p.header > maxHeader) {
		err = errForeign
	}
	m := queue.Message{Persistent: p.persistent}
	if err == nil && p.header > 0 {
		err = json.NewDecoder(bytes.NewReader(raw[:p.header])).Decode(&m.Header)
	}
	if err != nil {
		return queue.Message{}, fmt.Errorf("decode a message: %w", err)
	}
	m.Body = raw[p.header:]
	return m, nil
}
