package message

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// noise is what can't be compressed.
func noise(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte("noise"))).Read(data)
	return data
}

func TestCodecIsTheFirstThatIsKnown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		offered []Codec
		want    Codec
	}{
		{nil, CodecPlain}, {[]Codec{"brotli"}, CodecPlain}, {[]Codec{"brotli", CodecGzip, CodecSnappy}, CodecGzip}, {[]Codec{CodecSnappy, CodecGzip}, CodecSnappy}, {[]Codec{""}, CodecPlain},
	} {
		if got := PickCodec(tt.offered); got != tt.want {
			t.Errorf("of %q, %q is picked, want %q", tt.offered, got, tt.want)
		}
	}
}

// A batch that does not get smaller is sent uncompressed.
func TestNoiseIsNotCompressed(t *testing.T) {
	t.Parallel()
	for _, codec := range Codecs() {
		var c compressor
		for _, data := range [][]byte{noise(300_000), noise(10), nil, bytes.Repeat([]byte("x"), 300_000), noise(300_000)} {
			got, body := c.compress(codec, data)
			if len(body) > len(data) || got == CodecPlain && !bytes.Equal(body, data) {
				t.Errorf("%s makes %d bytes of %d, and says that they are %q", codec, len(body), len(data), got)
			}
			f := &frame{codec: got, size: uint64(len(data)), body: body}
			if back, _, err := f.unpack(nil); err != nil || !bytes.Equal(back, data) {
				t.Errorf("%s: %d bytes come back for %d (%v)", codec, len(back), len(data), err)
			}
		}
	}
}

// Data compressed by the standard library can be read, in several members too.
func TestGzipOfOthersIsRead(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	for _, part := range []string{"hello, ", "world"} {
		w := gzip.NewWriter(&packed)
		w.Name, w.Comment = "name", "comment"
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f := &frame{codec: CodecGzip, size: 12, body: packed.Bytes()}
	if got, _, err := f.unpack(nil); err != nil || string(got) != "hello, world" {
		t.Errorf("%q (%v)", got, err)
	}
}

// A body of a few bytes must not be able to take gigabytes of memory, and one that
// is not as large as its frame says is not taken.
func TestBodyIsNeverLargerThanItsFrameSays(t *testing.T) { //nolint:paralleltest // it measures what is allocated
	for _, codec := range Codecs() {
		large := 64 << 20
		if codec == CodecSnappy {
			large = 8 << 20 // it makes nothing smaller than a 20th, and a frame has its limit
		}
		var c compressor
		_, bomb := c.compress(codec, make([]byte, large))
		for size, want := range map[uint64]error{uint64(large): ErrTooLarge, 10: ErrMalformed, MaxBody: ErrMalformed, 0: ErrMalformed} {
			var err error
			got := taken(func() {
				p := Packed{codec: codec, data: bomb, size: int(size)}
				var f *Files
				if f, err = DecodeFiles(p.Append(nil, testRun, "alpha", 1)); err == nil {
					_, _, err = f.Pieces(nil)
				}
			})
			if !errors.Is(err, want) || got > 4<<20 {
				t.Errorf("%s: %d bytes as if they were %d take %d bytes, error %v, want %v", codec, large, size, got, err, want)
			}
		}
		_, small := c.compress(codec, make([]byte, 1000))
		for _, size := range []int{999, 1001} {
			f, err := DecodeFiles(Packed{codec: codec, data: small, size: size}.Append(nil, testRun, "alpha", 1))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := f.Pieces(nil); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: 1000 bytes as if they were %d: error %v, want %v", codec, size, err, ErrMalformed)
			}
		}
		for cut := range small {
			f := &frame{codec: codec, size: 1000, body: small[:cut]}
			if _, _, err := f.unpack(nil); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: cut to %d of %d bytes: error %v, want %v", codec, cut, len(small), err, ErrMalformed)
			}
		}
	}
}

func TestFrameOfAnUnknownCodecIsRefused(t *testing.T) {
	t.Parallel()
	p := Packed{codec: "brotli", data: []byte("x"), size: 1}
	if _, err := DecodeFiles(p.Append(nil, testRun, "alpha", 1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("error %v, want %v", err, ErrMalformed)
	}
}

// Output and chunks are never compressed: what waits takes no more memory than its
// message did.
func TestCompressedOutputIsRefused(t *testing.T) {
	t.Parallel()
	for kind, size := range map[FrameKind]int{FrameOutput: 8, FrameChunk: 33} { // of the least that there can be
		data := appendPreface(nil, kind, testRun, "alpha", 1, CodecSnappy)
		data = append(data, byte(size))
		data = appendSum(append(data, make([]byte, size)...), 0)
		_, outputErr := DecodeOutput(data)
		_, chunkErr := DecodeChunk(data)
		if !errors.Is(outputErr, ErrMalformed) || !errors.Is(chunkErr, ErrMalformed) {
			t.Errorf("a compressed %s: errors %v, %v, want %v", FrameKindOf(data), outputErr, chunkErr, ErrMalformed)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	var c compressor
	for _, codec := range Codecs() {
		_, body := c.compress(codec, bytes.Repeat([]byte("abc"), 100))
		f.Add(string(codec), uint32(300), body)
	}
	f.Fuzz(func(t *testing.T, codec string, size uint32, body []byte) {
		fr := &frame{codec: Codec(codec), size: uint64(size % MaxBody), body: body}
		if fr.codec == CodecPlain {
			return
		}
		if got, _, err := fr.unpack(nil); err == nil && uint64(len(got)) != fr.size {
			t.Errorf("%d bytes, the frame says %d", len(got), fr.size)
		}
	})
}

var benchData = map[string][]byte{"noise": noise(MaxBody - 100), "json": jsonLines(MaxBody - 100), "zero": make([]byte, MaxBody-100)}

// jsonLines are like what programs write who measure something.
func jsonLines(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"time":"2026-11-23T12:%02d:%02d.%06dZ","op":%q,"latency_us":%d,"bytes":%d,"ok":true}`+"\n", i/60000%60, i/1000%60, r.IntN(1e6), []string{"read", "write", "scan"}[r.IntN(3)], r.IntN(1e5), r.IntN(1e4))
	}
	return b.Bytes()[:n]
}

func BenchmarkPack(b *testing.B) {
	for name, data := range benchData {
		for _, codec := range []Codec{CodecPlain, CodecGzip, CodecSnappy} {
			b.Run(fmt.Sprintf("%s/%s", name, codec), func(b *testing.B) {
				p := Pieces{Codec: codec}
				b.SetBytes(int64(len(data)))
				var buf []byte
				for b.Loop() {
					p.Reset()
					p.Add(Piece{Kind: FileData, Data: data})
					buf = p.Pack().Append(buf[:0], testRun, "alpha", 1)
				}
				b.ReportMetric(float64(len(buf))/float64(len(data)), "ratio")
			})
		}
	}
}

func BenchmarkUnpack(b *testing.B) {
	for name, data := range benchData {
		for _, codec := range []Codec{CodecPlain, CodecGzip, CodecSnappy} {
			b.Run(fmt.Sprintf("%s/%s", name, codec), func(b *testing.B) {
				p := Pieces{Codec: codec}
				p.Add(Piece{Kind: FileData, Data: data})
				wire := p.Pack().Append(nil, testRun, "alpha", 1)
				b.SetBytes(int64(len(data)))
				var buf []byte
				for b.Loop() {
					f, err := DecodeFiles(wire)
					if err != nil {
						b.Fatal(err)
					}
					if _, buf, err = f.Pieces(buf); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
