package message

import (
	"encoding/binary"
	"slices"
)

// Samples is a block of samples: an event like others, counted by the same sequence, but a frame,
// which is never compressed. What the block holds is known to the samples package.
type Samples struct {
	Run, Host string
	Seq       uint64
	Block     []byte
}

// MinSampleMS is the shortest time between two samples, in milliseconds.
const MinSampleMS = 100

// Append appends the wire form to buf.
func (s *Samples) Append(buf []byte) []byte {
	start := len(buf)
	buf = appendPreface(slices.Grow(buf, len(s.Block)+128), FrameSamples, s.Run, s.Host, s.Seq, CodecPlain)
	buf = binary.AppendUvarint(buf, uint64(len(s.Block)))
	buf = append(buf, s.Block...)
	return appendSum(buf, start)
}

// DecodeSamples reads a block of samples, which points into data.
func DecodeSamples(data []byte) (*Samples, error) {
	f, err := openFrame(data, FrameSamples)
	if err != nil {
		return nil, err
	}
	if err := f.plain(FrameSamples); err != nil {
		return nil, err
	}
	return &Samples{Run: f.run, Host: f.host, Seq: f.seq, Block: f.body}, nil
}
