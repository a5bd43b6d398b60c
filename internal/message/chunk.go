package message

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// WantInfo asks for a part of the content of a job's file. It is answered with
// chunks, which may get lost: who asks, asks again.
type WantInfo struct {
	SHA256 string `json:"sha256"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	// Path, Done and Total are for people: which file, and how far it has come.
	Path  string `json:"path"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}

// A Chunk is a part of a file's content on its way to a host. It isn't signed:
// the job that names the hash of the whole is.
//
// The body of its frame, which is never compressed, is the 32 bytes of the hash,
// the offset as a varint, and the data to the end.
type Chunk struct {
	Run, Host string
	Sum       [sha256.Size]byte // of the whole content
	Offset    int64
	Data      []byte
}

// MaxChunk is how much data a chunk carries at most, in bytes.
const MaxChunk = 256 << 10

// Encode gives the chunk's wire form.
func (c *Chunk) Encode() []byte {
	var offset [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(offset[:], uint64(c.Offset))
	buf := make([]byte, 0, len(c.Data)+256)
	buf = appendPreface(buf, FrameChunk, c.Run, c.Host, 0, CodecPlain)
	buf = binary.AppendUvarint(buf, uint64(len(c.Sum)+n+len(c.Data)))
	buf = append(buf, c.Sum[:]...)
	buf = append(buf, offset[:n]...)
	buf = append(buf, c.Data...)
	return appendSum(buf, 0)
}

// DecodeChunk reads a chunk. Its data points into data.
func DecodeChunk(data []byte) (*Chunk, error) {
	f, err := openFrame(data, FrameChunk)
	if err != nil {
		return nil, err
	}
	if err := f.plain(FrameChunk); err != nil {
		return nil, err
	}
	r := reader{rest: f.body}
	c := &Chunk{Run: f.run, Host: f.host}
	copy(c.Sum[:], r.take(sha256.Size))
	c.Offset = int64(r.uvarint()) // a negative one is refused
	c.Data = r.rest
	if r.bad || c.Offset < 0 || len(c.Data) > MaxChunk {
		return nil, fmt.Errorf("%w: chunk of %d bytes at %d", ErrMalformed, len(c.Data), c.Offset)
	}
	return c, nil
}
