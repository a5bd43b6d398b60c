package zstdfast

import "math/bits"

// The codes that every decoder knows: how often each is expected, of 1<<log in all. -1 is less
// than once. RFC 8878, 3.1.1.3.2.2.
var (
	literalStates = newStates(6, 4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2,
		1, 1, 1, 1, 1, -1, -1, -1, -1)
	matchStates = newStates(6, 1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1)
	offsetStates = newStates(5, 1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		-1, -1, -1, -1, -1)
)

const (
	mostStates = 64
	mostCodes  = 64
)

// states are those of a decoder for one kind of code. In each it yields a code, reads some bits
// and goes to the state that they pick. An encoder goes the other way: for a code and the state
// that comes after it, there is one state that yields the code and leads there.
type states struct {
	log    uint // 1<<log states
	before [mostCodes * mostStates]struct{ state, bits, n uint8 }
}

// newStates lays out the states of a decoder (RFC 8878, 4.1.1), and turns them round.
func newStates(log uint, expected ...int) *states {
	s := &states{log: log}
	size := 1 << log
	seen := make([]int, len(expected))
	for state, code := range layOut(size, expected) {
		// The k-th state of a code that has n of them, counted from n on.
		k := max(expected[code], 1) + seen[code]
		seen[code]++
		width := int(log) - bits.Len(uint(k)) + 1
		first := k<<width - size
		for b := range 1 << width {
			before := &s.before[code*mostStates+first+b]
			before.state, before.bits, before.n = uint8(state), uint8(b), uint8(width)
		}
	}
	return s
}

// layOut spreads codes over the states.
func layOut(size int, expected []int) []int {
	codes := make([]int, size)
	free := size // from there on are the codes that are expected less than once
	for code, n := range expected {
		if n < 0 {
			free--
			codes[free] = code
		}
	}
	at := 0
	for code, n := range expected {
		for range n {
			codes[at] = code
			for at = (at + size/2 + size/8 + 3) % size; at >= free; {
				at = (at + size/2 + size/8 + 3) % size
			}
		}
	}
	return codes
}

// next is the state that yields a code and leads to the state after it, with the bits that pick
// that one.
func (s *states) next(b bitBuffer, c code, after uint) (bitBuffer, uint) {
	t := &s.before[(c.code*mostStates+after)%(mostCodes*mostStates)]
	return bitBuffer{b.bits | uint64(t.bits)<<(b.n&63), b.n + uint(t.n)}, uint(t.state)
}

// first is a state that yields the code of the last sequence, after which comes none: any does.
func (s *states) first(c code) uint { return uint(s.before[c.code*mostStates].state) }
