// Package zstdfast compresses into frames of Zstandard (RFC 8878), which every decoder reads. It
// takes about half the time of the library's fastest level and compresses less: literals are
// copied as they are, and the codes are those that every decoder knows without being told.
//
// [github.com/klauspost/compress/zstd] decompresses.
package zstdfast

import (
	"encoding/binary"
	"fmt"
)

const (
	// MaxSource is the most that one frame holds before compression, in bytes: offsets reach
	// no further.
	MaxSource = 1 << 27
	// maxBlock is the most that one block holds before compression, in bytes.
	maxBlock = 128 << 10
)

// The types of blocks.
const (
	rawBlock        = 0
	compressedBlock = 2
)

// An Encoder compresses one frame after the other in memory that it uses again, about 740 KiB.
// The zero value is ready. It is for one goroutine.
type Encoder struct {
	matcher matcher
	writer  writer
}

// Append appends a frame with the content of src to dst. Where src can't be compressed, the frame
// is larger, by 12 bytes and 3 for each further 128 KiB. It panics if src is larger than
// [MaxSource].
func (e *Encoder) Append(dst, src []byte) []byte {
	if len(src) > MaxSource {
		panic(fmt.Sprintf("zstdfast: %d bytes in one frame, at most %d fit", len(src), MaxSource))
	}
	// The magic number, and a header that says: the content's size follows in 4 bytes, and it
	// is the window's too.
	dst = append(dst, 0x28, 0xb5, 0x2f, 0xfd, 0xa0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(src)))
	e.matcher.reset()
	for from := 0; ; from += maxBlock {
		if len(src)-from <= maxBlock {
			return e.appendBlock(dst, src, from, 1)
		}
		dst = e.appendBlock(dst, src[:from+maxBlock], from, 0)
	}
}

// appendBlock appends the block that holds src from that index on. last is 1 for the frame's
// last block.
func (e *Encoder) appendBlock(dst, src []byte, from, last int) []byte {
	const header = 3
	start := len(dst)
	dst = append(dst, make([]byte, header)...)
	literals, sequences := e.matcher.find(src, from)
	dst = appendLiterals(dst, literals)
	dst = e.writer.appendSequences(dst, sequences)
	kind, size := compressedBlock, len(dst)-start-header
	if size >= len(src)-from {
		kind, size = rawBlock, len(src)-from
		dst = append(dst[:start+header], src[from:]...)
	}
	h := last | kind<<1 | size<<3
	dst[start], dst[start+1], dst[start+2] = byte(h), byte(h>>8), byte(h>>16)
	return dst
}

// appendLiterals appends the section of a block with the literals, uncompressed.
func appendLiterals(dst, literals []byte) []byte {
	const raw, sizeIn20Bits = 0, 3 << 2
	h := raw | sizeIn20Bits | len(literals)<<4
	dst = append(dst, byte(h), byte(h>>8), byte(h>>16))
	return append(dst, literals...)
}
