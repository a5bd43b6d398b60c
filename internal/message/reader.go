package message

import "encoding/binary"

// A reader takes fields off a byte slice; bad is set, for good, by the first that
// is not there.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) skip(n int) {
	if n <= 0 {
		r.bad, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}

func (r *reader) byte() byte {
	b := r.take(1)
	if r.bad {
		return 0
	}
	return b[0]
}

func (r *reader) uint64() uint64 {
	v := r.take(8)
	if r.bad {
		return 0
	}
	return binary.LittleEndian.Uint64(v)
}

// take takes n bytes off.
func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	v := r.rest[:n:n]
	r.rest = r.rest[n:]
	return v
}

// bytes takes a length off, and as many bytes.
func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	v := r.rest[:n:n]
	r.rest = r.rest[n:]
	return v
}

// name takes a run, a host or a codec off.
func (r *reader) name() []byte {
	b := r.bytes()
	if len(b) > maxFrameName {
		r.bad = true
		return nil
	}
	return b
}
