package course

// SerialSpan is how many serial numbers are remembered.
const SerialSpan = 1024

// Serials tell serial numbers that are new from those seen before. They remember the
// last [SerialSpan]; what is older counts as seen. The zero value has seen none.
type Serials struct {
	newest uint64
	seen   [SerialSpan / 64]uint64 // a bit for each serial modulo SerialSpan
}

// Fresh reports whether the serial is new, and remembers it.
func (s *Serials) Fresh(serial uint64) bool {
	if serial == 0 || serial+SerialSpan <= s.newest {
		return false
	}
	if serial > s.newest {
		if serial-s.newest > SerialSpan {
			s.newest = serial - SerialSpan
		}
		for s.newest < serial {
			s.newest++
			s.seen[s.newest%SerialSpan/64] &^= 1 << (s.newest % 64)
		}
	}
	word, bit := &s.seen[serial%SerialSpan/64], uint64(1)<<(serial%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}
