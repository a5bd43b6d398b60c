package zstdfast

import (
	"encoding/binary"
	"math/bits"
)

// A sequence is a number of literals, and then a match: what came offset bytes before, again.
type sequence struct{ literals, match, offset uint32 }

const (
	tableBits = 14
	// minMatch is the length of the shortest match that is looked for, in bytes.
	minMatch = 4
	// margin is how far before the end the search stops, in bytes, so that it may read in
	// steps of 8 and copy in steps of 16.
	margin = 16
)

// A matcher finds what occurred before. It remembers where it last saw each hash, and takes what
// it finds there or nothing.
type matcher struct {
	table     [1 << tableBits]uint32
	literals  [maxBlock + margin]byte
	sequences [maxBlock / minMatch]sequence
}

// reset forgets the frame before. What the table then says of every hash is that it was seen at 0,
// which is found out to be so or not like any other place.
func (m *matcher) reset() { clear(m.table[:]) }

// find takes src apart from an index on, as literals and sequences. Literals that belong to no
// sequence are the last. The result is valid until the next call.
func (m *matcher) find(src []byte, from int) ([]byte, []sequence) {
	literals, sequences := 0, 0
	next := from // what comes before is in the result
	for at := max(from, 1); at < len(src)-margin; {
		v := binary.LittleEndian.Uint64(src[at:])
		h := hash(v)
		seen := int(m.table[h])
		m.table[h] = uint32(at)
		if uint32(v) != binary.LittleEndian.Uint32(src[seen:]) {
			at += 1 + (at-next)>>6 // faster where nothing was found for long
			continue
		}
		for at > next && seen > 0 && src[at-1] == src[seen-1] {
			at--
			seen--
		}
		n := at - next
		if n <= 16 {
			copy(m.literals[literals:literals+16], src[next:next+16]) // a fixed size is faster
		} else {
			copy(m.literals[literals:], src[next:at])
		}
		literals += n
		next = matchEnd(src, at+minMatch, seen+minMatch)
		m.sequences[sequences] = sequence{uint32(n), uint32(next - at), uint32(at - seen)}
		sequences++
		at = next
	}
	literals += copy(m.literals[literals:], src[next:])
	return m.literals[:literals], m.sequences[:sequences]
}

// matchEnd is the first index from at on where src isn't what it is from seen on.
func matchEnd(src []byte, at, seen int) int {
	for ; at <= len(src)-8; at, seen = at+8, seen+8 {
		if differ := binary.LittleEndian.Uint64(src[at:]) ^ binary.LittleEndian.Uint64(src[seen:]); differ != 0 {
			return at + bits.TrailingZeros64(differ)/8
		}
	}
	for at < len(src) && src[at] == src[seen] {
		at, seen = at+1, seen+1
	}
	return at
}

// hash is of the first six bytes of v: matches of four or five alone are often chance, and gain
// little.
func hash(v uint64) uint64 {
	const prime = 227718039650203
	return v << 16 * prime >> (64 - tableBits)
}
