package udpclock

import (
	"encoding/binary"
	"time"
)

// A kind says what a datagram is.
type kind byte

const (
	question kind = 'Q'
	answer   kind = 'A'
)

// Length is that of every datagram: an answer is as long as its question.
const Length = headLength + sumLength

const (
	headLength = 4 + 6*8
	sumLength  = 16
	version    = 2
)

// A datagram is a question or its answer. Of a question all times are 0.
type datagram struct {
	kind    kind
	session uint64 // whose key it is signed with
	number  uint64 // of the question
	// taken and answered are when the question came and when its answer was about to be
	// sent, on the host's clock. departed is when the answer to an earlier question of the
	// session, that of number earlier, was seen to leave; 0: that isn't known of any.
	taken, answered time.Time
	earlier         uint64
	departed        time.Time
}

// seal gives the datagram's wire form, signed.
func (d *datagram) seal(key *Key) []byte {
	b := make([]byte, 0, Length)
	b = append(b, 'D', 'B', byte(d.kind), version)
	for _, n := range [...]uint64{d.session, d.number, nanoseconds(d.taken), nanoseconds(d.answered), d.earlier, nanoseconds(d.departed)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	sum := key.sum(b)
	return append(b, sum[:]...)
}

// parse reads a datagram of that kind, whose signature is to be checked.
func parse(b []byte, want kind) (d datagram, ok bool) {
	if len(b) != Length || b[0] != 'D' || b[1] != 'B' || kind(b[2]) != want || b[3] != version {
		return d, false
	}
	word := func(n int) uint64 { return binary.BigEndian.Uint64(b[4+8*n:]) }
	return datagram{
		kind: want, session: word(0), number: word(1), taken: instant(word(2)), answered: instant(word(3)), earlier: word(4), departed: instant(word(5)),
	}, true
}

func nanoseconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

func instant(nanoseconds uint64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(nanoseconds)).UTC()
}
