package message

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"time"

	"github.com/klauspost/compress/s2"
)

// PieceKind says what a piece of an artifact batch is.
type PieceKind uint8

// The pieces. Those of one file follow one another: [FileBegin], any number of
// [FileData], and [FileEnd] or [FileMissing].
const (
	// FileBegin: the pieces that follow are of the file at Path.
	FileBegin PieceKind = 1
	// FileData: the next bytes of that file.
	FileData PieceKind = 2
	// FileEnd: that was the file, Size bytes that hash to Sum.
	FileEnd PieceKind = 3
	// FileMissing: the file at Path is not brought home, for that Reason. If it
	// was begun, what has come of it is void. An empty Path stands for several.
	FileMissing PieceKind = 4
	// FilesAnew: all that came before of any file is void; it is sent again.
	FilesAnew PieceKind = 5
)

// A Piece is part of what a host brings home. Which fields are set depends on
// Kind.
type Piece struct {
	Kind PieceKind
	// Path is relative to the run's directory, with slashes; any bytes.
	Path    string
	Mode    fs.FileMode // permissions alone
	ModTime time.Time   // on the host's own clock, as its files have it
	Data    []byte
	Size    uint64
	Sum     [32]byte // SHA-256
	Reason  string
}

// An Artifact is a batch of pieces: an event like others, counted by the same
// sequence, but binary. Its pieces are compressed until Pieces is called, so
// that one that waits for others takes no more memory than its message did.
type Artifact struct {
	Run, Host string
	Seq       uint64

	packed  []byte
	coding  byte
	rawSize uint64
}

// An artifact batch on the wire: "DBA", the version, then the run and the host
// (each a length and bytes), the sequence number, the coding of the pieces (0
// plain, 1 S2, of which Snappy is a part), their size before it, the pieces to the end,
// and a CRC-32C of all that (4 bytes, little endian). A piece is its kind and then, of a begin:
// path, permissions and the time of its last change (nanoseconds since 1970,
// zigzag); of data: a length and bytes; of an end: the size and the 32 bytes of
// the hash; of a missing one: path and reason. Numbers are varints.
const (
	artifactMagic = "DBA"
	codedPlain    = 0
	codedS2       = 1
)

// MaxPieces is how much the pieces of one batch may take before compression, in
// bytes.
const MaxPieces = 512 << 10

// Pieces builds the wire form of an [Artifact] piece by piece in buffers that it
// uses again after Reset.
type Pieces struct{ raw, packed []byte }

// Reset begins a new batch.
func (p *Pieces) Reset() { p.raw = p.raw[:0] }

// Len is the size of the pieces so far.
func (p *Pieces) Len() int { return len(p.raw) }

// Room is how many bytes of data a [FileData] may have now; it may be negative.
func (p *Pieces) Room() int { return MaxPieces - len(p.raw) - 1 - binary.MaxVarintLen32 }

// Add appends a piece.
func (p *Pieces) Add(piece Piece) {
	p.raw = append(p.raw, byte(piece.Kind))
	switch piece.Kind {
	case FileBegin:
		p.raw = appendString(p.raw, piece.Path)
		p.raw = binary.AppendUvarint(p.raw, uint64(piece.Mode.Perm()))
		p.raw = binary.AppendVarint(p.raw, piece.ModTime.UnixNano())
	case FileData:
		p.raw = binary.AppendUvarint(p.raw, uint64(len(piece.Data)))
		p.raw = append(p.raw, piece.Data...)
	case FileEnd:
		p.raw = binary.AppendUvarint(p.raw, piece.Size)
		p.raw = append(p.raw, piece.Sum[:]...)
	case FileMissing:
		p.raw = appendString(p.raw, piece.Path)
		p.raw = appendString(p.raw, piece.Reason)
	case FilesAnew:
	}
}

// Pack compresses the pieces, where that makes them smaller. It is what takes
// time about a batch.
func (p *Pieces) Pack() Packed {
	p.packed = s2.Encode(p.packed[:cap(p.packed)], p.raw)
	if len(p.packed) < len(p.raw) {
		return Packed{p.packed, codedS2, len(p.raw)}
	}
	return Packed{p.raw, codedPlain, len(p.raw)}
}

// Packed are the pieces of a batch, ready to be sent. It is valid until the
// next call of a method of its Pieces.
type Packed struct {
	data    []byte
	coding  byte
	rawSize int
}

// Append appends the wire form of the batch with that number to buf.
func (p Packed) Append(buf []byte, run, host string, seq uint64) []byte {
	start := len(buf)
	buf = append(buf, artifactMagic...)
	buf = append(buf, Version)
	buf = appendString(buf, run)
	buf = appendString(buf, host)
	buf = binary.AppendUvarint(buf, seq)
	buf = append(buf, p.coding)
	buf = binary.AppendUvarint(buf, uint64(p.rawSize))
	buf = append(buf, p.data...)
	return binary.LittleEndian.AppendUint32(buf, crc32.Checksum(buf[start:], castagnoli))
}

// IsArtifact tells an artifact batch from other events.
func IsArtifact(data []byte) bool {
	return len(data) >= len(artifactMagic) && string(data[:len(artifactMagic)]) == artifactMagic
}

// DecodeArtifact reads an artifact batch but for its pieces. It keeps data.
func DecodeArtifact(data []byte) (*Artifact, error) {
	r, err := openBatch(data, artifactMagic, "artifact batch")
	if err != nil {
		return nil, err
	}
	a := &Artifact{Run: string(r.name()), Host: string(r.name()), Seq: r.uvarint(), coding: r.byte(), rawSize: r.uvarint(), packed: r.rest}
	switch {
	case r.bad:
		return nil, fmt.Errorf("%w: artifact batch ends in the middle", ErrMalformed)
	case a.coding > codedS2:
		return nil, fmt.Errorf("%w: artifact batch: unknown coding %d", ErrMalformed, a.coding)
	case a.rawSize > MaxPieces:
		return nil, fmt.Errorf("%w: artifact batch of %d bytes, at most %d are taken", ErrTooLarge, a.rawSize, MaxPieces)
	}
	return a, nil
}

// Pieces unpacks the batch, into buf where that is large enough, and gives that
// back to be used again. The pieces point into it, and take no memory of their own
// but for paths and reasons.
func (a *Artifact) Pieces(buf []byte) (iter.Seq[Piece], []byte, error) {
	raw := a.packed
	size := len(raw)
	if a.coding == codedS2 {
		var err error
		if size, err = s2.DecodedLen(a.packed); err != nil {
			return nil, buf, fmt.Errorf("%w: artifact batch: %w", ErrMalformed, err)
		}
	}
	if uint64(size) != a.rawSize { // which is within bounds
		return nil, buf, fmt.Errorf("%w: artifact batch: %d bytes of pieces, should be %d", ErrMalformed, size, a.rawSize)
	}
	if a.coding == codedS2 {
		var err error
		if buf, err = s2.Decode(buf[:cap(buf)], a.packed); err != nil {
			return nil, buf, fmt.Errorf("%w: artifact batch: %w", ErrMalformed, err)
		}
		raw = buf
	}
	r := reader{rest: raw}
	for n := 0; !r.bad && len(r.rest) > 0; n++ {
		r.piece(false)
		if n == mostPieces {
			return nil, buf, fmt.Errorf("%w: artifact batch of more than %d pieces", ErrTooLarge, mostPieces)
		}
	}
	if r.bad {
		return nil, buf, fmt.Errorf("%w: artifact batch: a piece ends in the middle, or is of no kind", ErrMalformed)
	}
	return eachPiece(raw), buf, nil
}

// mostPieces is how many pieces a batch has at most: an empty file takes two, of
// some fifty bytes.
const mostPieces = 1 << 15

func eachPiece(raw []byte) iter.Seq[Piece] {
	return func(yield func(Piece) bool) {
		r := reader{rest: raw}
		for len(r.rest) > 0 && yield(r.piece(true)) {
			continue
		}
	}
}

// piece takes a piece off, with its texts if they are wanted.
func (r *reader) piece(texts bool) Piece {
	text := func(most int) string {
		b := r.bytes()
		if len(b) > most {
			r.bad = true
		}
		if !texts || r.bad {
			return ""
		}
		return string(b)
	}
	p := Piece{Kind: PieceKind(r.byte())}
	switch p.Kind {
	case FileBegin:
		p.Path, p.Mode = text(maxPath), fs.FileMode(r.uvarint())&fs.ModePerm
		p.ModTime = time.Unix(0, r.varint())
	case FileData:
		p.Data = r.bytes()
	case FileEnd:
		p.Size = r.uvarint()
		copy(p.Sum[:], r.take(len(p.Sum)))
	case FileMissing:
		p.Path, p.Reason = text(maxPath), Clean(text(MaxPieces))
	case FilesAnew:
	default:
		r.bad = true
	}
	return p
}

func (r *reader) byte() byte {
	b := r.take(1)
	if r.bad {
		return 0
	}
	return b[0]
}
