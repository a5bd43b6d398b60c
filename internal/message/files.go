package message

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"
)

// PieceKind says what a piece of [Files] is.
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

// Files is a batch of pieces: an event like others, counted by the same sequence,
// but a frame. Its pieces stay compressed until Pieces is called, so that one that
// waits for others takes no more memory than its message did.
//
// The body is the pieces, one after the other. A piece is its kind and then, of a
// begin: path, permissions and the time of its last change (nanoseconds since 1970,
// zigzag); of data: a length and bytes; of an end: the size and the 32 bytes of the
// hash; of a missing one: path and reason. Numbers are varints.
type Files struct {
	Run, Host string
	Seq       uint64

	frame *frame
}

// maxPath bounds the path in a piece, in bytes.
const maxPath = 64 << 10

// Pieces builds the wire form of [Files] piece by piece in buffers that it uses
// again after Reset.
type Pieces struct {
	// Codec is what they are compressed with, where that makes them smaller.
	Codec Codec

	raw        []byte
	compressor compressor
}

// Reset begins a new batch.
func (p *Pieces) Reset() { p.raw = p.raw[:0] }

// Len is the size of the pieces so far.
func (p *Pieces) Len() int { return len(p.raw) }

// Room is how many bytes of data a [FileData] may have now; it may be negative.
func (p *Pieces) Room() int { return MaxBody - len(p.raw) - 1 - binary.MaxVarintLen32 }

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

// Pack compresses the pieces. It is what takes time about a batch.
func (p *Pieces) Pack() Packed {
	codec, data := p.compressor.compress(p.Codec, p.raw)
	return Packed{codec: codec, data: data, size: len(p.raw)}
}

// Packed are the pieces of a batch, ready to be sent. It is valid until the
// next call of a method of its Pieces.
type Packed struct {
	codec Codec
	data  []byte
	size  int // before compression
}

// Append appends the wire form of the batch with that number to buf.
func (p Packed) Append(buf []byte, run, host string, seq uint64) []byte {
	start := len(buf)
	buf = appendPreface(buf, FrameFiles, run, host, seq, p.codec)
	buf = binary.AppendUvarint(buf, uint64(p.size))
	buf = append(buf, p.data...)
	return appendSum(buf, start)
}

// DecodeFiles reads a batch of files but for its pieces. It keeps data.
func DecodeFiles(data []byte) (*Files, error) {
	f, err := openFrame(data, FrameFiles)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(Codecs(), f.codec) && f.codec != CodecPlain {
		return nil, fmt.Errorf("%w: files frame: unknown codec %.20q", ErrMalformed, string(f.codec))
	}
	return &Files{Run: f.run, Host: f.host, Seq: f.seq, frame: f}, nil
}

// Pieces unpacks the batch, into buf where that is large enough, and gives that
// back to be used again. The pieces point into it, and take no memory of their own
// but for paths and reasons.
func (f *Files) Pieces(buf []byte) (iter.Seq[Piece], []byte, error) {
	raw, buf, err := f.frame.unpack(buf)
	if err != nil {
		return nil, buf, fmt.Errorf("files frame: %w", err)
	}
	r := reader{rest: raw}
	for n := 0; !r.bad && len(r.rest) > 0; n++ {
		r.piece(false)
		if n == mostPieces {
			return nil, buf, fmt.Errorf("%w: files frame of more than %d pieces", ErrTooLarge, mostPieces)
		}
	}
	if r.bad {
		return nil, buf, fmt.Errorf("%w: files frame: a piece ends in the middle, or is of no kind", ErrMalformed)
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
		p.Path, p.Reason = text(maxPath), Clean(text(MaxBody))
	case FilesAnew:
	default:
		r.bad = true
	}
	return p
}
