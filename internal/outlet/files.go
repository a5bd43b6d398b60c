package outlet

import (
	"fmt"
	"os"
)

// fileSize is the size of one file: its disk space is freed when all of it has been read, even
// if more is waiting.
const fileSize = 64 << 20

// files keep what doesn't fit into memory; under the mutex of the spool.
type files struct {
	dirs []string
	most int64 // bytes in all; 0: no bound
	list []*file
	size int64 // bytes that have not been read
}

// A file is written at its end and read from its beginning.
type file struct {
	f          *os.File
	begin, end int64 // of the bytes that have not been read
}

// any reports whether there are files, behind which new bytes have to go.
func (s *files) any() bool { return len(s.list) > 0 }

// begin makes the next file.
func (s *files) begin() error {
	f, err := create(s.dirs)
	if err != nil {
		return err
	}
	s.list = append(s.list, &file{f: f})
	return nil
}

// write appends data to the last file, and returns how much of it was written.
func (s *files) write(data []byte) (int, error) {
	if s.most > 0 && s.size >= s.most {
		return 0, fmt.Errorf("%d MB wait already", s.size/1e6)
	}
	last := s.list[len(s.list)-1]
	if last.end >= fileSize {
		if err := s.begin(); err != nil {
			return 0, err
		}
		last = s.list[len(s.list)-1]
	}
	n, err := last.f.WriteAt(data, last.end)
	last.end += int64(n)
	s.size += int64(n)
	return n, err
}

// first is the piece to read next; false if nothing is in any file.
func (s *files) first() (piece, bool) {
	if s.size == 0 {
		return piece{}, false
	}
	for s.list[0].begin == s.list[0].end {
		s.list[0].f.Close()
		s.list = s.list[1:]
	}
	f := s.list[0]
	return piece{f, f.begin, min(f.end-f.begin, blockSize)}, true
}

// A piece of a file is read without the mutex: new bytes go behind it.
type piece struct {
	file     *file
	at, size int64
}

func (p piece) read(buf []byte) (int, error) {
	n, err := p.file.f.ReadAt(buf[:p.size], p.at)
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// advance notes that n bytes of a file have been taken.
func (s *files) advance(f *file, n int) {
	f.begin += int64(n)
	s.size -= int64(n)
}

// end lets go of all files.
func (s *files) end() {
	for _, f := range s.list {
		f.f.Close()
	}
	s.list, s.size = nil, 0
}
