package zstdfast_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"downbeat/internal/zstdfast"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const block = 128 << 10

var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
})

// decompress reads one frame, with no more memory than its content takes.
func decompress(t testing.TB, frame []byte, size int) []byte {
	t.Helper()
	d, err := decoder()
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.DecodeAll(frame, make([]byte, 0, size))
	if err != nil {
		t.Fatalf("decompressing %d bytes: %v", len(frame), err)
	}
	return got
}

// checkBack compresses src, and checks that it comes back and that the frame isn't too large.
func checkBack(t testing.TB, e *zstdfast.Encoder, src []byte) (size int) {
	t.Helper()
	frame := e.Append([]byte("before"), src)
	rest, ok := bytes.CutPrefix(frame, []byte("before"))
	if !ok {
		t.Fatal("what was in dst has changed")
	}
	if got := decompress(t, rest, len(src)); !bytes.Equal(got, src) {
		t.Fatalf("%d bytes came back as %d others", len(src), len(got))
	}
	if most := len(src) + 12 + 3*(max(len(src)-1, 0)/block); len(rest) > most {
		t.Errorf("%d bytes are compressed to %d, at most %d are promised", len(src), len(rest), most)
	}
	return len(rest)
}

// noise makes bytes that can't be compressed.
func noise(random *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// lines makes lines of JSON, as a workload generator writes them.
func lines(random *rand.Rand, size int) []byte {
	var b bytes.Buffer
	for at := 1_763_900_000_000_000; b.Len() < size; at += random.IntN(2000) {
		fmt.Fprintf(&b, `{"time_us":%d,"client":%d,"op":"get","latency_us":%d,"ok":true}`+"\n", at, random.IntN(24), 100+random.IntN(4000))
	}
	return b.Bytes()[:size]
}

// What was compressed comes back, whatever it is and whatever was compressed before it.
func TestContentComesBack(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var e zstdfast.Encoder
	far := noise(random, 300_000)
	for name, src := range map[string][]byte{
		"a letter often":             bytes.Repeat([]byte("a"), 3*block),
		"a pair of letters often":    []byte(strings.Repeat("ab", 100_000)),
		"noise":                      noise(random, 2*block+17),
		"noise, and the same again":  append(bytes.Clone(far), far...),
		"far matches, long and not":  bytes.Join([][]byte{far, far[:40_000], far[50_000:50_007], far[100_000:250_000], far[7:12]}, []byte("....")),
		"lines":                      lines(random, 5*block/2),
		"lines, noise, and lines":    append(append(lines(random, block/2), noise(random, block)...), lines(random, block)...),
		"few values, without order":  fewValues(random, 2*block),
		"noise in the middle of one": append(append(bytes.Repeat([]byte("x"), 70_000), noise(random, 20)...), bytes.Repeat([]byte("x"), 70_000)...),
	} {
		if checkBack(t, &e, src); t.Failed() {
			t.Fatal(name)
		}
	}
}

// Content of any size comes back.
func TestSizes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	var e zstdfast.Encoder
	text, chaos := lines(random, 2*block), noise(random, 2*block)
	for _, size := range []int{0, 1, 2, 15, 16, 17, 18, 255, 256, 65_791, 65_792, block - 1, block, block + 1} {
		checkBack(t, &e, text[:size])
		checkBack(t, &e, text[len(text)-size:])
		checkBack(t, &e, chaos[:size])
	}
}

// fewValues makes short matches, and many of them.
func fewValues(random *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = "abc"[random.IntN(3)]
	}
	return b
}

// Lines of JSON become less than a quarter, and noise stays as large as it is.
func TestCompresses(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	var e zstdfast.Encoder
	const size = 512 << 10
	if got := checkBack(t, &e, lines(random, size)); got > size/4 {
		t.Errorf("%d bytes of lines are compressed to %d", size, got)
	}
	if got := checkBack(t, &e, noise(random, size)); got < size {
		t.Errorf("%d bytes of noise are compressed to %d", size, got)
	}
}

// What is compressed once more needs no memory anew.
//
//nolint:paralleltest // AllocsPerRun counts those of the whole process
func TestMemoryIsUsedAgain(t *testing.T) {
	src := lines(rand.New(rand.NewPCG(5, 6)), 2*block)
	e, dst := new(zstdfast.Encoder), make([]byte, 0, 3*block)
	if got := testing.AllocsPerRun(10, func() { e.Append(dst, src) }); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

// More than offsets reach is refused.
func TestTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("it was compressed")
		}
	}()
	new(zstdfast.Encoder).Append(nil, make([]byte, zstdfast.MaxSource+1)) // which is not touched
}

func FuzzContentComesBack(f *testing.F) {
	for _, s := range []string{"", "a", "abcdabcdabcdabcdabcdabcd", strings.Repeat("0123456789", 30)} {
		f.Add([]byte(s), uint16(1))
		f.Add([]byte(s), uint16(3000))
	}
	var e zstdfast.Encoder
	f.Fuzz(func(t *testing.T, src []byte, times uint16) {
		if len(src)*int(times) <= 3*block {
			checkBack(t, &e, bytes.Repeat(src, int(times)))
		}
		checkBack(t, &e, src)
	})
}

func BenchmarkLines(b *testing.B) {
	src := lines(rand.New(rand.NewPCG(7, 8)), 512<<10)
	e, dst := new(zstdfast.Encoder), make([]byte, 0, 600<<10)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		e.Append(dst, src)
	}
}
