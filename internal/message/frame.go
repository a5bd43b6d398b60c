package message

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// FrameKind is the byte of a frame that says what its body is.
type FrameKind byte

// The kinds of frames. A frame of another kind is counted by its number and passed
// over.
const (
	FrameOutput  FrameKind = 'O' // [Output], from a worker
	FrameFiles   FrameKind = 'F' // [Files], from a worker
	FrameSamples FrameKind = 'S' // [Samples], from a worker
	FrameChunk   FrameKind = 'C' // [Chunk], to a worker
)

// String names the kind.
func (k FrameKind) String() string {
	switch k {
	case FrameOutput:
		return "output"
	case FrameFiles:
		return "files"
	case FrameSamples:
		return "samples"
	case FrameChunk:
		return "chunk"
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// Binary messages travel as a frame: "DB", the kind, the version, the run and
// the host (each a length and bytes), the sequence number (0 for a chunk), the name
// of the codec (a length and bytes; empty: plain), the size of the body before
// compression, the body, and a CRC-32 of all that (IEEE, 4 bytes, little endian).
// Numbers are varints. JSON can't begin like that.
const (
	frameMagic   = "DB"
	versionAt    = len(frameMagic) + 1
	framePreface = versionAt + 1
)

const (
	// MaxFrame is the largest frame that is accepted, in bytes.
	MaxFrame = 513 << 10
	// MaxBody is how much a compressed body may take before compression, in bytes.
	MaxBody = 512 << 10
	// maxFrameName bounds a run, a host and the name of a codec, in bytes.
	maxFrameName = 64
)

// FrameKindOf tells a frame from JSON, for which it is 0.
func FrameKindOf(data []byte) FrameKind {
	if len(data) < framePreface || string(data[:len(frameMagic)]) != frameMagic {
		return 0
	}
	return FrameKind(data[len(frameMagic)])
}

// A frame is one that was opened. Its body points into the message.
type frame struct {
	run, host string
	seq       uint64
	codec     Codec
	size      uint64 // of the body before compression
	body      []byte
}

// appendPreface appends what comes before the size.
func appendPreface(buf []byte, kind FrameKind, run, host string, seq uint64, codec Codec) []byte {
	buf = append(buf, frameMagic...)
	buf = append(buf, byte(kind), Version)
	buf = appendString(buf, run)
	buf = appendString(buf, host)
	buf = binary.AppendUvarint(buf, seq)
	return appendString(buf, string(codec))
}

// appendSum closes a frame that begins at buf[start].
func appendSum(buf []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(buf, crc32.ChecksumIEEE(buf[start:]))
}

func appendString(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

// frameHeader reads the header of a frame, of whatever kind.
func frameHeader(data []byte) (Header, error) {
	h := Header{Frame: FrameKindOf(data)}
	if len(data) > MaxFrame {
		return h, fmt.Errorf("%w: a frame of %d bytes, at most %d are accepted", ErrTooLarge, len(data), MaxFrame)
	}
	h.Version = int(data[versionAt])
	if err := checkVersion(h.Version); err != nil {
		return h, err
	}
	r := reader{rest: data[framePreface:]}
	h.Run, h.Host, h.Seq = string(r.name()), string(r.name()), r.uvarint()
	if r.bad {
		return h, fmt.Errorf("%w: a frame ends in its header", ErrMalformed)
	}
	return h, nil
}

// CheckFrame makes sure that a frame came as it was sent. Decoding does so too: this
// is for those of a kind that this build doesn't know.
func CheckFrame(data []byte) error {
	if len(data) < framePreface+crc32.Size {
		return fmt.Errorf("%w: a frame of %d bytes", ErrMalformed, len(data))
	}
	body, sum := data[:len(data)-crc32.Size], binary.LittleEndian.Uint32(data[len(data)-crc32.Size:])
	if got := crc32.ChecksumIEEE(body); got != sum {
		return fmt.Errorf("%w: checksum is %08x, should be %08x", ErrMalformed, got, sum)
	}
	return nil
}

// openFrame checks size, kind, version, checksum and header of a frame. The body is
// still compressed.
func openFrame(data []byte, kind FrameKind) (*frame, error) {
	if len(data) > MaxFrame {
		return nil, fmt.Errorf("%w: %s frame of %d bytes, at most %d are accepted", ErrTooLarge, kind, len(data), MaxFrame)
	}
	if FrameKindOf(data) != kind {
		return nil, fmt.Errorf("%w: not a frame of kind %s", ErrMalformed, kind)
	}
	if err := checkVersion(int(data[versionAt])); err != nil {
		return nil, err
	}
	if err := CheckFrame(data); err != nil {
		return nil, fmt.Errorf("%s frame: %w", kind, err)
	}
	r := reader{rest: data[framePreface : len(data)-crc32.Size]}
	f := &frame{run: string(r.name()), host: string(r.name()), seq: r.uvarint(), codec: Codec(r.name()), size: r.uvarint()}
	f.body = r.rest
	switch {
	case r.bad:
		return nil, fmt.Errorf("%w: %s frame ends in its header", ErrMalformed, kind)
	case f.codec == CodecPlain && f.size != uint64(len(f.body)):
		return nil, fmt.Errorf("%w: %s frame has a body of %d bytes, should be %d", ErrMalformed, kind, len(f.body), f.size)
	case f.codec != CodecPlain && f.size > MaxBody:
		return nil, fmt.Errorf("%w: %s frame of %d bytes before compression, at most %d are accepted", ErrTooLarge, kind, f.size, MaxBody)
	}
	return f, nil
}

// plain reports, by an error, a frame of a kind that is never compressed, and is.
func (f *frame) plain(kind FrameKind) error {
	if f.codec != CodecPlain {
		return fmt.Errorf("%w: %s frame is compressed", ErrMalformed, kind)
	}
	return nil
}
