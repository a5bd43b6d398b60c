package message

import (
	"bytes"
	"crypto/sha256"
	"io/fs"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// packed makes the wire form of a batch, not compressed.
func packed(seq uint64, pieces ...Piece) []byte { return packedBy(CodecPlain, seq, pieces...) }

func packedBy(codec Codec, seq uint64, pieces ...Piece) []byte {
	p := Pieces{Codec: codec}
	for _, piece := range pieces {
		p.Add(piece)
	}
	return p.Pack().Append(nil, testRun, "alpha", seq)
}

func TestFilesSurviveTheWire(t *testing.T) {
	t.Parallel()
	var buf []byte
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.Uint64().Draw(t, "seq")
		var want []Piece
		for range rapid.IntRange(1, 8).Draw(t, "pieces") {
			p := Piece{Kind: PieceKind(rapid.IntRange(1, 5).Draw(t, "kind"))}
			switch p.Kind {
			case FileBegin:
				p.Path = string(rapid.SliceOf(rapid.Byte()).Draw(t, "path"))
				p.Mode = fs.FileMode(rapid.Uint32Range(0, 0o777).Draw(t, "mode"))
				p.ModTime = time.Unix(0, testTime.UnixNano()+rapid.Int64Range(-1e18, 1e18).Draw(t, "time"))
			case FileData:
				p.Data = bytes.Repeat(rapid.SliceOf(rapid.Byte()).Draw(t, "data"), rapid.IntRange(1, 50).Draw(t, "times"))
			case FileEnd:
				p.Size = rapid.Uint64().Draw(t, "size")
				p.Sum = sha256.Sum256(rapid.SliceOf(rapid.Byte()).Draw(t, "hashed"))
			case FileMissing:
				p.Path, p.Reason = rapid.String().Draw(t, "path"), rapid.String().Draw(t, "reason")
			case FilesAnew:
			}
			want = append(want, p)
		}
		codec := rapid.SampledFrom([]Codec{CodecPlain, CodecGzip, CodecSnappy}).Draw(t, "codec")
		a, err := DecodeFiles(packedBy(codec, seq, want...))
		if err != nil {
			t.Fatal(err)
		}
		if a.Run != testRun || a.Host != "alpha" || a.Seq != seq {
			t.Errorf("decoded batch %d of %s on %s", a.Seq, a.Run, a.Host)
		}
		pieces, unpacked, err := a.Pieces(buf)
		if err != nil {
			t.Fatal(err)
		}
		buf = unpacked
		got := slices.Collect(pieces)
		for i := range want {
			want[i].Reason = Clean(want[i].Reason)
		}
		for i := range got {
			if len(got[i].Data) == 0 {
				got[i].Data = want[i].Data
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("decoded %+v, want %+v", got, want)
		}
	})
}

func TestDamagedFilesAreRefused(t *testing.T) {
	t.Parallel()
	good := packed(1, Piece{Kind: FileData, Data: []byte("some bytes")})
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x20
		if _, err := DecodeFiles(bad); err == nil {
			t.Errorf("byte %d was changed, and the batch was accepted", i)
		}
		if _, err := DecodeFiles(good[:i]); err == nil {
			t.Errorf("the batch was cut to %d bytes and accepted", i)
		}
	}
}

func TestAFullBatchStaysBelowWhatQueuesCarry(t *testing.T) {
	t.Parallel()
	var p Pieces
	p.Add(Piece{Kind: FileData, Data: make([]byte, p.Room())})
	if p.Len() > MaxBody {
		t.Errorf("%d bytes of pieces, at most %d are taken", p.Len(), MaxBody)
	}
	a, err := DecodeFiles(p.Pack().Append(nil, testRun, "alpha", 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Pieces(nil); err != nil {
		t.Error(err)
	}
}

func TestPatternsPickPaths(t *testing.T) {
	t.Parallel()
	set := NewPathSet([]string{"*.jsonl", "logs/**", "conf", "./a/{x,y}/z", "deep/**/last"})
	for path, want := range map[string]bool{
		"a.jsonl": true, "sub/a.jsonl": false, "logs/a": true, "logs/a/b/c": true, "conf": true, "conf/a/b": true, "config": false,
		"a/x/z": true, "a/y/z": true, "a/w/z": false, "deep/last": true, "deep/er/last": true, "x\ny.jsonl": true, "\xff.jsonl": true,
	} {
		if got := set.Has(path); got != want {
			t.Errorf("Has(%q) = %t, want %t", path, got, want)
		}
	}
	some := NewPathSet([]string{"*.jsonl", "logs/**", "a/*/b", "conf"})
	for dir, want := range map[string]bool{
		"other": false, "logs": true, "logs/a/b": true, "a": true, "a/x": true, "a/x/y": false, "conf": true, "conf/x": true,
	} {
		if got := some.MayBeBelow(dir); got != want {
			t.Errorf("MayBeBelow(%q) = %t, want %t", dir, got, want)
		}
	}
}

func TestPatternsThatLeaveTheDirectoryAreRefused(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"", "/etc/passwd", "../x", "a/../../x", "a/..", "[a", "{a", "a\x00b", ".", "./", string(make([]byte, 5000))} {
		if err := CheckPattern(pattern); err == nil {
			t.Errorf("pattern %.20q is accepted", pattern)
		}
	}
	for _, pattern := range []string{"*", "**", "a/b", "./a", "a/", "...", "a..b", "x y", "[a-c]?"} {
		if err := CheckPattern(pattern); err != nil {
			t.Errorf("pattern %q: %v", pattern, err)
		}
	}
}

func FuzzDecodeFiles(f *testing.F) {
	for _, codec := range []Codec{CodecPlain, CodecGzip, CodecSnappy} {
		f.Add(packedBy(codec, 1, Piece{Kind: FileBegin, Path: "a"}, Piece{Kind: FileData, Data: bytes.Repeat([]byte("x"), 300)}, Piece{Kind: FileEnd, Size: 300}))
	}
	f.Add([]byte("DBF\x02"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if a, err := DecodeFiles(data); err == nil {
			_, _, _ = a.Pieces(nil)
		}
	})
}
