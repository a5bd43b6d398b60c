// Package runlog keeps what a worker has to report of one run, on its disk,
// until the publisher has it: journal, spool and crash record in one.
//
// A log is a directory of segments. Record 0, alone in its segment, is the job
// as it came, synced before [Create] returns; the records from 1 are the
// events in the order of their sequence numbers. A record is a length and a
// CRC-32C (4 bytes each, little endian) and the bytes. Segments that the
// publisher has acknowledged are deleted, so the log takes as much disk as is
// on its way and not as much as the run has printed. Beside them lies a reserve,
// which is given up where the disk is full: see [Log.AppendReserved].
package runlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	headerLen  = 8
	suffix     = ".log"
	segmentLen = 16 << 20 // a segment that has grown beyond this is closed
	// spentLen is the size beyond which a segment is closed when all of it has been
	// acknowledged: its room may be needed.
	spentLen = 1 << 20
	// reserveLen is the room that is kept for what has to be told when the disk
	// is full: some hundred lifecycle events.
	reserveLen  = 128 << 10
	reserveName = "reserve"
	// maxRecord bounds what a damaged length can make a reader allocate.
	maxRecord = 64 << 20
)

// ErrDamaged is wrapped by errors about records that were not written so.
var ErrDamaged = errors.New("run log is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Log is an open run log. Append, Trim and readers may be used concurrently.
type Log struct {
	dir string

	mu       sync.Mutex
	segments []*segment // in order; the last one is written to
	next     uint64     // the sequence number of the next record
	appended chan struct{}
	scratch  []byte
	failed   error // an append failed: the tail is not known any more
}

type segment struct {
	first uint64 // sequence number of its first record
	file  *os.File
	size  int64 // of what is complete
}

// Create makes the log's directory, which must not exist, with the job as
// record 0, and returns once both are safe on the disk.
func Create(dir string, job []byte) (*Log, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make run log: %w", err)
	}
	l := &Log{dir: dir, appended: make(chan struct{})}
	err := l.Append(job)
	if err == nil {
		err = l.segments[0].file.Sync()
	}
	if err == nil {
		err = l.rotate()
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, reserveName), make([]byte, reserveLen), 0o600)
	}
	if err == nil {
		err = errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write the job to the run log: %w", err), l.Close(), os.RemoveAll(dir))
	}
	return l, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open opens a log that a worker which died has left, and gives back the job.
// A record that was being written at that moment is cut off.
func Open(dir string) (*Log, []byte, error) {
	l := &Log{dir: dir, appended: make(chan struct{})}
	job, err := l.load()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open run log %s: %w", dir, err), l.Close())
	}
	return l, job, nil
}

func (l *Log) load() ([]byte, error) {
	firsts, err := segmentNames(l.dir)
	if err != nil {
		return nil, err
	}
	if len(firsts) == 0 || firsts[0] != 0 {
		return nil, fmt.Errorf("%w: the job is not there", ErrDamaged)
	}
	for _, first := range firsts {
		if err := l.loadSegment(first); err != nil {
			return nil, err
		}
	}
	job, ok, err := l.readAt(l.segments[0], 0, nil)
	if err == nil && !ok {
		err = fmt.Errorf("%w: the job is incomplete", ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	if len(l.segments) == 1 {
		err = l.rotate()
	}
	return job, err
}

// loadSegment counts a segment's records and cuts off what follows the last
// whole one: only the tail of the newest segment can be torn.
func (l *Log) loadSegment(first uint64) error {
	f, err := os.OpenFile(l.path(first), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s := &segment{first: first, file: f, size: info.Size()}
	l.segments = append(l.segments, s)
	l.next = first
	var offset int64
	var buf []byte
	for {
		record, ok, err := l.readAt(s, offset, buf)
		if err != nil || !ok {
			break
		}
		buf = record
		offset += headerLen + int64(len(record))
		l.next++
	}
	s.size = offset
	return f.Truncate(offset)
}

func segmentNames(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var firsts []uint64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		first, err := strconv.ParseUint(name, 10, 63) // so that counting on does not begin anew
		if err != nil {
			return nil, fmt.Errorf("%w: unexpected file %q", ErrDamaged, e.Name())
		}
		firsts = append(firsts, first)
	}
	slices.Sort(firsts)
	return firsts, nil
}

func (l *Log) path(first uint64) string {
	return filepath.Join(l.dir, fmt.Sprintf("%020d%s", first, suffix))
}

// Append writes a record; it gets the next sequence number. After an error
// (a full disk, say) the log takes no more: what was appended before it can
// still be read.
func (l *Log) Append(record []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	if err := l.append(record); err != nil {
		l.failed = fmt.Errorf("append to run log: %w", err)
		return l.failed
	}
	l.announce()
	return nil
}

// Try is Append for what the run can do without: where the record can't be
// written, the log goes on as if it had not been tried.
func (l *Log) Try(record []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	if err := l.append(record); err != nil {
		if s := l.segments[len(l.segments)-1]; s.file.Truncate(s.size) != nil {
			l.failed = fmt.Errorf("append to run log: %w", err)
		}
		return fmt.Errorf("append to run log: %w", err)
	}
	l.announce()
	return nil
}

// AppendReserved is Append for what has to be told of a log that takes no more:
// it uses the room that was kept for that. What Append has refused is missing then,
// without a gap in the numbers.
func (l *Log) AppendReserved(record []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.failed, os.ErrClosed) {
		return l.failed
	}
	if err := os.Remove(filepath.Join(l.dir, reserveName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("use the run log's reserve: %w", err)
	}
	if err := l.append(record); err != nil {
		return fmt.Errorf("append to run log: %w", err)
	}
	l.announce()
	return nil
}

// announce counts a record that is whole, and wakes who waits for one.
func (l *Log) announce() {
	l.next++
	close(l.appended)
	l.appended = make(chan struct{})
}

func (l *Log) append(record []byte) error {
	if len(l.segments) == 0 || l.segments[len(l.segments)-1].size > segmentLen {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	s := l.segments[len(l.segments)-1]
	l.scratch = binary.LittleEndian.AppendUint32(l.scratch[:0], uint32(len(record)))
	l.scratch = binary.LittleEndian.AppendUint32(l.scratch, crc32.Checksum(record, castagnoli))
	l.scratch = append(l.scratch, record...)
	if _, err := s.file.WriteAt(l.scratch, s.size); err != nil {
		return err
	}
	s.size += int64(len(l.scratch))
	return nil
}

// rotate begins a new segment with the next record.
func (l *Log) rotate() error {
	const flags = os.O_RDWR | os.O_CREATE | os.O_EXCL
	f, err := os.OpenFile(l.path(l.next), flags, 0o600)
	if errors.Is(err, os.ErrNotExist) && os.MkdirAll(l.dir, 0o700) == nil { // somebody has removed it
		f, err = os.OpenFile(l.path(l.next), flags, 0o600)
	}
	if err != nil {
		return err
	}
	l.segments = append(l.segments, &segment{first: l.next, file: f})
	return nil
}

// Last is the sequence number of the newest record; 0 is the job.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next - 1
}

// First is the sequence number of the oldest event that is kept.
func (l *Log) First() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segments[1].first
}

// Appended returns a channel that is closed by the next Append.
func (l *Log) Appended() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.appended
}

// Trim deletes the segments of which every record is at most upTo; the job stays.
func (l *Log) Trim(upTo uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	if n := len(l.segments); n > 1 && upTo+1 >= l.next && l.segments[n-1].size > spentLen {
		errs = append(errs, l.rotate())
	}
	for len(l.segments) > 2 && l.segments[2].first <= upTo+1 {
		s := l.segments[1]
		l.segments = slices.Delete(l.segments, 1, 2)
		errs = append(errs, s.file.Close())
		if err := os.Remove(s.file.Name()); !errors.Is(err, os.ErrNotExist) { // somebody may have been quicker
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("trim run log: %w", err)
	}
	return nil
}

// Close closes the log's files and leaves them where they are.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = os.ErrClosed
	var errs []error
	for _, s := range l.segments {
		errs = append(errs, s.file.Close())
	}
	l.segments = nil
	return errors.Join(errs...)
}

// readAt reads the record at an offset into buf, which it grows as needed; ok is
// false at the end of what is complete.
func (l *Log) readAt(s *segment, offset int64, buf []byte) (record []byte, ok bool, err error) {
	if offset+headerLen > s.size {
		return buf, false, nil
	}
	var header [headerLen]byte
	if _, err := s.file.ReadAt(header[:], offset); err != nil {
		return buf, false, err
	}
	n := int64(binary.LittleEndian.Uint32(header[:4]))
	if n > maxRecord || offset+headerLen+n > s.size {
		return buf, false, fmt.Errorf("%w: record of %d bytes at offset %d of %s", ErrDamaged, n, offset, s.file.Name())
	}
	record = slices.Grow(buf[:0], int(n))[:n]
	if _, err := io.ReadFull(io.NewSectionReader(s.file, offset+headerLen, n), record); err != nil {
		return buf, false, err
	}
	if crc32.Checksum(record, castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
		return buf, false, fmt.Errorf("%w: checksum of the record at offset %d of %s", ErrDamaged, offset, s.file.Name())
	}
	return record, true, nil
}
