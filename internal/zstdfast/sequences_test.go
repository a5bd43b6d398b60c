package zstdfast

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// Sequences of any number, with lengths and offsets of any size, are decoded as what they say.
func TestSequencesOfAllSizes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	before := make([]byte, 1<<19)
	for i := range before {
		before[i] = byte(random.Uint32())
	}
	for round := range 48 {
		most := 1 << (2 + round%16) // of the lengths, in bytes
		number := []int{1, 127, 128, 0x7eff, 0x7f00, 32_700}[round/8]
		var sequences []sequence
		var literals []byte
		want := bytes.Clone(before)
		for len(sequences) < number {
			s := sequence{uint32(random.IntN(most)), uint32(3 + random.IntN(most)), 0}
			if number > 128 {
				s.literals, s.match = 0, 3+uint32(random.IntN(2))
			}
			if len(want)-len(before)+int(s.literals+s.match) > maxBlock {
				break
			}
			piece := before[random.IntN(1000):][:s.literals]
			literals, want = append(literals, piece...), append(want, piece...)
			s.offset = 1 + uint32(random.IntN(1<<random.IntN(20))%len(want))
			for range s.match {
				want = append(want, want[len(want)-int(s.offset)])
			}
			sequences = append(sequences, s)
		}
		got, err := d.DecodeAll(frameOf(before, literals, sequences, len(want)), nil)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("round %d: %d sequences with lengths below %d: got %d bytes, want %d (%v)", round, len(sequences), most, len(got), len(want), err)
		}
	}
}

// frameOf makes a frame of raw blocks with what was before, and one of the sequences.
func frameOf(before, literals []byte, sequences []sequence, size int) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, byte(size), byte(size >> 8), byte(size >> 16), byte(size >> 24)}
	add := func(kind, last int, data []byte) {
		h := last | kind<<1 | len(data)<<3
		frame = append(append(frame, byte(h), byte(h>>8), byte(h>>16)), data...)
	}
	for ; len(before) > 0; before = before[maxBlock:] {
		add(rawBlock, 0, before[:maxBlock])
	}
	add(compressedBlock, 1, new(writer).appendSequences(appendLiterals(nil, literals), sequences))
	return frame
}

// Sequences that take more than the block are given up.
func TestSequencesThatGainNothing(t *testing.T) {
	t.Parallel()
	sequences := make([]sequence, maxBlock/minMatch)
	for i := range sequences {
		sequences[i] = sequence{0, minMatch, 1<<26 + uint32(i)}
	}
	if got := len(new(writer).appendSequences(nil, sequences)); got <= maxBlock {
		t.Errorf("%d sequences that reach far take %d bytes", len(sequences), got)
	}
}
