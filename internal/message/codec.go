package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
)

// A Codec is how the body of a frame is compressed, by its name on the wire.
type Codec string

// The codecs.
const (
	CodecPlain  Codec = ""       // not at all
	CodecGzip   Codec = "gzip"   // RFC 1952
	CodecSnappy Codec = "snappy" // a block: https://github.com/google/snappy/blob/main/format_description.txt
)

// Codecs are those that this build reads and writes, the best first.
func Codecs() []Codec { return []Codec{CodecSnappy, CodecGzip} }

// PickCodec gives the first of those offered that this build knows; [CodecPlain] if
// there is none.
func PickCodec(offered []Codec) Codec {
	for _, c := range offered {
		if slices.Contains(Codecs(), c) {
			return c
		}
	}
	return CodecPlain
}

// A compressor compresses bodies. It makes what it needs when it is first needed,
// and uses it again. It is for one goroutine.
type compressor struct {
	gzip *gzip.Writer
	buf  []byte
}

// compress gives raw in the codec, or as it is where that makes it no smaller. The
// result is valid until the next call.
func (c *compressor) compress(codec Codec, raw []byte) (Codec, []byte) {
	var err error
	switch codec {
	case CodecSnappy:
		c.buf = s2.EncodeSnappy(c.buf[:cap(c.buf)], raw)
	case CodecGzip:
		err = c.compressGzip(raw)
	default:
		return CodecPlain, raw
	}
	if err != nil || len(c.buf) >= len(raw) {
		return CodecPlain, raw
	}
	return codec, c.buf
}

func (c *compressor) compressGzip(raw []byte) (err error) {
	out := bytes.NewBuffer(c.buf[:0])
	if c.gzip == nil {
		if c.gzip, err = gzip.NewWriterLevel(out, gzip.BestSpeed); err != nil {
			return err
		}
	} else {
		c.gzip.Reset(out)
	}
	_, err = c.gzip.Write(raw)
	err = errors.Join(err, c.gzip.Close())
	c.buf = out.Bytes()
	return err
}

// unpack gives the frame's body as it was before compression: never more than the
// frame says, which is bounded. It decompresses into buf where that is large enough,
// and gives that back to be used again.
func (f *frame) unpack(buf []byte) (body, reuse []byte, err error) {
	if f.codec == CodecPlain {
		return f.body, buf, nil
	}
	if uint64(cap(buf)) < f.size {
		buf = make([]byte, 0, f.size)
	}
	switch f.codec {
	case CodecSnappy:
		body, err = unpackSnappy(f.body, buf[:f.size])
	case CodecGzip:
		body, err = unpackGzip(f.body, buf[:0:f.size])
	default:
		return nil, buf, fmt.Errorf("%w: unknown codec %.20q", ErrMalformed, string(f.codec))
	}
	if err != nil {
		return nil, buf, fmt.Errorf("%w: %s: %s", ErrMalformed, f.codec, quoted(err.Error()))
	}
	if uint64(len(body)) != f.size {
		return nil, buf, fmt.Errorf("%w: a body of %d bytes, should be %d", ErrMalformed, len(body), f.size)
	}
	return body, buf, nil
}

// unpackSnappy fills into, and no more.
func unpackSnappy(packed, into []byte) ([]byte, error) {
	switch size, err := s2.DecodedLen(packed); {
	case err != nil:
		return nil, err
	case size != len(into):
		return nil, fmt.Errorf("a block of %d bytes, should be %d", size, len(into))
	}
	return s2.Decode(into, packed)
}

var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

// unpackGzip fills into, and no more.
func unpackGzip(packed, into []byte) ([]byte, error) {
	r := gzipReaders.Get().(*gzip.Reader)
	defer gzipReaders.Put(r)
	if err := r.Reset(bytes.NewReader(packed)); err != nil {
		return nil, err
	}
	n, err := io.ReadFull(r, into[:cap(into)])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	var one [1]byte
	if more, err := r.Read(one[:]); more > 0 || !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more than %d bytes, or not the whole (%w)", cap(into), err)
	}
	return into[:n], nil
}
