package zstdfast

import (
	"encoding/binary"
	"math/bits"
)

// A writer writes sequences as a decoder reads them, backwards: the first bit that is written is
// the last that is read.
type writer struct{ out [maxBlock + 8]byte }

// appendSequences appends the section of a block with the sequences.
func (w *writer) appendSequences(dst []byte, sequences []sequence) []byte {
	dst = appendCount(dst, len(sequences))
	if len(sequences) == 0 {
		return dst
	}
	const predefinedCodes = 0
	dst = append(dst, predefinedCodes)
	size, b := w.write(sequences)
	dst = append(dst, w.out[:size]...)
	for b = b.add(1, 1); b.n > 0; b = (bitBuffer{b.bits >> 8, b.n - min(b.n, 8)}) { // a 1 is the end
		dst = append(dst, byte(b.bits))
	}
	return dst
}

// appendCount appends the number of sequences.
func appendCount(dst []byte, n int) []byte {
	switch {
	case n < 128:
		return append(dst, byte(n))
	case n < 0x7f00:
		return append(dst, byte(n>>8+128), byte(n))
	}
	return append(dst, 255, byte(n-0x7f00), byte((n-0x7f00)>>8))
}

// write puts sequences into the writer, and returns how many bytes they take, with the bits that
// make no whole byte. It stops when they are more than a block holds, as they are of no use then.
func (w *writer) write(sequences []sequence) (size int, b bitBuffer) {
	var literals, match, offset uint // the states
	for i := len(sequences) - 1; i >= 0 && size <= maxBlock; i-- {
		s := &sequences[i]
		m, o := s.match-shortest, s.offset+repeated
		lc, mc, oc := literalLengths.of(s.literals), matchLengths.of(m), offsetCode(o)
		if i == len(sequences)-1 {
			literals, match, offset = literalStates.first(lc), matchStates.first(mc), offsetStates.first(oc)
		} else {
			b, offset = offsetStates.next(b, oc, offset)
			b, match = matchStates.next(b, mc, match)
			b, literals = literalStates.next(b, lc, literals)
		}
		// By now there are at most 7 bits of the bytes before, 27 of an offset, and 17 of states.
		if lc.extra+mc.extra > 64-7-27-17 {
			size, b = w.flush(size, b)
		}
		size, b = w.flush(size, b.add(s.literals, lc.extra).add(m, mc.extra))
		b = b.add(o, oc.extra)
	}
	return size, b.add(uint32(match), matchStates.log).add(uint32(offset), offsetStates.log).add(uint32(literals), literalStates.log)
}

const (
	// shortest is the match that the codes of lengths begin with.
	shortest = 3
	// repeated is how many offsets stand for those of sequences before, which are not used.
	repeated = 3
)

// flush moves whole bytes to the output.
func (w *writer) flush(size int, b bitBuffer) (int, bitBuffer) {
	binary.LittleEndian.PutUint64(w.out[size:], b.bits)
	return size + int(b.n/8), bitBuffer{b.bits >> (b.n &^ 7 & 63), b.n & 7}
}

// A bitBuffer holds up to 64 bits.
type bitBuffer struct {
	bits uint64
	n    uint
}

// add adds the n lowest bits of v.
func (b bitBuffer) add(v uint32, n uint) bitBuffer {
	return bitBuffer{b.bits | uint64(v&(1<<(n&31)-1))<<(b.n&63), b.n + n}
}

// A code stands for a range of numbers, of which so many extra bits pick one.
type code struct{ code, extra uint }

// offsetCode is the code of an offset: its number of bits, less one.
func offsetCode(offset uint32) code {
	n := uint(bits.Len32(offset)) - 1
	return code{n, n}
}

// lengthCodes are the codes of lengths: of short ones in a table, of long ones by the number of
// their bits.
type lengthCodes struct {
	short [128]struct{ code, extra uint8 }
	long  uint // code of a long one, less its extra bits
}

// RFC 8878, 3.1.1.3.2.1.1.
var (
	literalLengths = newLengthCodes(16, 18, 20, 22, 24, 28, 32, 40, 48, 64)
	matchLengths   = newLengthCodes(32, 34, 36, 38, 40, 44, 48, 56, 64, 80, 96, 128)
)

// newLengthCodes makes codes of which those up to the first base stand for one length each, and
// the others for those from a base to the next; from the last on these are powers of two.
func newLengthCodes(bases ...int) *lengthCodes {
	c := new(lengthCodes)
	for length := range bases[0] {
		c.short[length].code = uint8(length)
	}
	for i, base := range bases {
		next := 2 * base
		if i+1 < len(bases) {
			next = bases[i+1]
		}
		extra := bits.Len(uint(next-base)) - 1
		for length := base; length < min(next, len(c.short)); length++ {
			c.short[length].code, c.short[length].extra = uint8(bases[0]+i), uint8(extra)
		}
		c.long = uint(bases[0] + i - extra)
	}
	return c
}

// of is the code of a length.
func (c *lengthCodes) of(length uint32) code {
	if length < uint32(len(c.short)) {
		s := &c.short[length]
		return code{uint(s.code), uint(s.extra)}
	}
	extra := uint(bits.Len32(length)) - 1
	return code{c.long + extra, extra}
}
