package message

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Binary messages begin alike: "DB" and a letter, the version, and, but for chunks,
// the run, the host and the number. They end in a CRC-32C of all that is before.

// batchLetter gives the letter of a binary message to a publisher.
func batchLetter(data []byte) (byte, bool) {
	const magic = len(outputMagic)
	if len(data) < magic || string(data[:magic-1]) != outputMagic[:magic-1] {
		return 0, false
	}
	letter := data[magic-1]
	return letter, letter >= 'A' && letter <= 'Z' && letter != chunkMagic[magic-1]
}

// batchHeader reads the header of a batch, of whatever letter.
func batchHeader(data []byte, letter byte) (Header, error) {
	h := Header{Batch: letter}
	if len(data) > MaxBatch {
		return h, fmt.Errorf("%w: a batch of %d bytes, at most %d are accepted", ErrTooLarge, len(data), MaxBatch)
	}
	if len(data) <= len(outputMagic) {
		return h, fmt.Errorf("%w: a batch of %d bytes", ErrMalformed, len(data))
	}
	h.Version = int(data[len(outputMagic)])
	if err := checkVersion(h.Version); err != nil {
		return h, err
	}
	r := reader{rest: data[len(outputMagic)+1:]}
	h.Run, h.Host, h.Seq = string(r.name()), string(r.name()), r.uvarint()
	if r.bad {
		return h, fmt.Errorf("%w: a batch ends in its header", ErrMalformed)
	}
	return h, nil
}

// CheckSum makes sure that a batch came as it was sent. Decoding does so too: this
// is for those of a letter that this build doesn't know.
func CheckSum(data []byte) error {
	if len(data) < len(outputMagic)+1+crc32.Size {
		return fmt.Errorf("%w: a batch of %d bytes", ErrMalformed, len(data))
	}
	body, sum := data[:len(data)-crc32.Size], binary.LittleEndian.Uint32(data[len(data)-crc32.Size:])
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return fmt.Errorf("%w: checksum is %08x, should be %08x", ErrMalformed, got, sum)
	}
	return nil
}

// openBatch checks size, magic, version and checksum of a binary message, and gives
// a reader of what is between; what names it for the error.
func openBatch(data []byte, magic, what string) (reader, error) {
	switch {
	case len(data) > MaxBatch:
		return reader{}, fmt.Errorf("%w: %s of %d bytes, at most %d are accepted", ErrTooLarge, what, len(data), MaxBatch)
	case len(data) < len(magic)+1+crc32.Size || string(data[:len(magic)]) != magic:
		return reader{}, fmt.Errorf("%w: not an %s", ErrMalformed, what)
	}
	if err := checkVersion(int(data[len(magic)])); err != nil {
		return reader{}, err
	}
	if err := CheckSum(data); err != nil {
		return reader{}, fmt.Errorf("%s: %w", what, err)
	}
	return reader{rest: data[len(magic)+1 : len(data)-crc32.Size]}, nil
}

// maxPath bounds the path in a piece, in bytes.
const maxPath = 64 << 10

// name takes off a run or a host.
func (r *reader) name() []byte {
	const most = 64
	b := r.bytes()
	if len(b) > most {
		r.bad = true
		return nil
	}
	return b
}
