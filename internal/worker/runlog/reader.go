package runlog

import (
	"errors"
	"fmt"
	"slices"
)

// ErrTrimmed is returned for a record that was acknowledged and deleted.
var ErrTrimmed = errors.New("record has been acknowledged and deleted")

// A Reader goes through a log's records, also while they are being appended.
// It is for one goroutine.
type Reader struct {
	log    *Log
	next   uint64
	first  uint64 // of the segment that offset is in
	offset int64
	sought bool
}

// Reader returns a reader whose first record is seq.
func (l *Log) Reader(seq uint64) *Reader { return &Reader{log: l, next: seq} }

// Seek makes seq the next record; where it is already, that costs nothing.
func (r *Reader) Seek(seq uint64) {
	if seq != r.next {
		r.next, r.sought = seq, false
	}
}

// Next returns the next record and its sequence number, in buf where it fits.
// ok is false where there is none yet; see [Log.Appended].
func (r *Reader) Next(buf []byte) (seq uint64, record []byte, ok bool, err error) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.segments == nil {
		return 0, buf, false, l.failed
	}
	if r.next >= l.next {
		return 0, buf, false, nil
	}
	s, err := r.locate(buf)
	if err != nil {
		return 0, buf, false, err
	}
	record, ok, err = l.readAt(s, r.offset, buf)
	if err != nil || !ok {
		return 0, record, false, err
	}
	seq = r.next
	r.next++
	r.offset += headerLen + int64(len(record))
	return seq, record, true, nil
}

// locate finds the segment that holds r.next, and its offset there.
func (r *Reader) locate(buf []byte) (*segment, error) {
	s := r.log.segmentOf(r.next)
	if s == nil {
		return nil, fmt.Errorf("read record %d of the run log: %w", r.next, ErrTrimmed)
	}
	if r.sought && s.first == r.first {
		return s, nil
	}
	r.first, r.offset, r.sought = s.first, 0, true
	for seq := s.first; seq < r.next; seq++ {
		record, ok, err := r.log.readAt(s, r.offset, buf)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("%w: record %d is missing", ErrDamaged, seq)
		}
		buf = record
		r.offset += headerLen + int64(len(record))
	}
	return s, nil
}

func (l *Log) segmentOf(seq uint64) *segment {
	for i, s := range slices.Backward(l.segments) {
		if s.first <= seq {
			if i == 0 && seq > 0 {
				return nil // only the job is left of what is before the others
			}
			return s
		}
	}
	return nil
}
