package message

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// A File is one that a host finds in the run's directory before the processes
// are prepared: with Text in it, or else with the content that hashes to SHA256,
// which the worker asks for if it has not got it; see [Want]. A path that ends in
// a slash is that of a directory.
type File struct {
	Path string `json:"path"` // within the run's directory
	// Mode are its permissions.
	Mode   uint32 `json:"mode"`
	Text   string `json:"text,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"` // hexadecimal
}

// CheckTarget reports whether a file can be put at that path of a run's directory.
func CheckTarget(target string) error {
	elements := strings.Split(target, "/")
	switch {
	case target == "":
		return errors.New("the path is empty")
	case strings.HasPrefix(target, "/"):
		return fmt.Errorf("%.80q is absolute: it is seen from the run's directory", target)
	case slices.Contains(elements, ".."):
		return fmt.Errorf("%.80q leads out of the run's directory", target)
	case slices.Contains(elements, ""), slices.Contains(elements, "."):
		return fmt.Errorf("%.80q has an element that is empty or a dot", target)
	case strings.ContainsRune(target, 0):
		return fmt.Errorf("%.80q contains a NUL byte", target)
	case len(target) > maxPattern:
		return fmt.Errorf("the path has %d bytes, at most %d are taken", len(target), maxPattern)
	}
	return nil
}

// Directory gives the path of a directory, and whether the file is one.
func (f *File) Directory() (string, bool) { return strings.CutSuffix(f.Path, "/") }

func (f *File) check() error {
	target, isDir := f.Directory()
	if err := CheckTarget(target); err != nil {
		return err
	}
	sum, err := hex.DecodeString(f.SHA256)
	switch {
	case f.Mode > 0o777:
		return fmt.Errorf("%q: mode is %o", f.Path, f.Mode)
	case isDir && (f.SHA256 != "" || f.Bytes != 0 || f.Text != ""):
		return fmt.Errorf("%q is a directory and has content", f.Path)
	case f.SHA256 == "" && f.Bytes == 0:
		return nil
	case err != nil || len(sum) != sha256.Size || hex.EncodeToString(sum) != f.SHA256:
		return fmt.Errorf("%q: sha256 is %.80q", f.Path, f.SHA256)
	case f.Bytes < 0 || f.Text != "":
		return fmt.Errorf("%q: %d bytes, and text of %d", f.Path, f.Bytes, len(f.Text))
	}
	return nil
}

// WantInfo asks for a part of the content of a job's file. It is answered with
// chunks, which may get lost: who asks, asks again.
type WantInfo struct {
	SHA256 string `json:"sha256"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	// Path, Done and Total are for people: which file, and how far it has come.
	Path  string `json:"path"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}

// A Chunk is a part of a file's content on its way to a host. It isn't signed:
// the job that names the hash of the whole is.
type Chunk struct {
	Run    string
	Sum    [sha256.Size]byte // of the whole content
	Offset int64
	Data   []byte
}

// A chunk on the wire: "DBC", the version, then the run (a length and bytes), the
// 32 bytes of the hash, the offset, the length and the bytes, and a CRC-32C of all
// that (4 bytes, little endian). Numbers are varints.
const chunkMagic = "DBC"

// MaxChunk is how much data a chunk carries at most, in bytes.
const MaxChunk = 256 << 10

// Encode gives the chunk's wire form.
func (c *Chunk) Encode() []byte {
	buf := make([]byte, 0, len(c.Data)+128)
	buf = append(buf, chunkMagic...)
	buf = append(buf, Version)
	buf = appendString(buf, c.Run)
	buf = append(buf, c.Sum[:]...)
	buf = binary.AppendUvarint(buf, uint64(c.Offset))
	buf = binary.AppendUvarint(buf, uint64(len(c.Data)))
	buf = append(buf, c.Data...)
	return binary.LittleEndian.AppendUint32(buf, crc32.Checksum(buf, castagnoli))
}

// IsChunk tells a chunk from an envelope.
func IsChunk(data []byte) bool {
	return len(data) >= len(chunkMagic) && string(data[:len(chunkMagic)]) == chunkMagic
}

// DecodeChunk reads a chunk. Its data points into data.
func DecodeChunk(data []byte) (*Chunk, error) {
	r, err := openBatch(data, chunkMagic, "chunk")
	if err != nil {
		return nil, err
	}
	c := &Chunk{Run: string(r.name())}
	copy(c.Sum[:], r.take(sha256.Size))
	c.Offset = int64(r.uvarint()) //nolint:gosec // a negative one is refused
	c.Data = r.bytes()
	if r.bad || len(r.rest) > 0 || c.Offset < 0 || len(c.Data) > MaxChunk {
		return nil, fmt.Errorf("%w: chunk of %d bytes at %d", ErrMalformed, len(c.Data), c.Offset)
	}
	return c, nil
}
