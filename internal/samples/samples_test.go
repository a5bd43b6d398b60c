package samples

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var epoch = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// rows reads a file, as texts.
func rows(t *testing.T, file []byte) []string {
	t.Helper()
	var got []string
	for r := NewReader(iotest.OneByteReader(bytes.NewReader(file))); ; {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			return append(got, err.Error())
		}
		text := fmt.Sprintf("%s±%s", row.At.Sub(epoch), row.Bound)
		for i, s := range row.Subjects {
			if row.Values[i] != nil {
				text += fmt.Sprintf(" %s/%s%v", row.Tables[s.Table].Name, s.Name, row.Values[i])
			}
		}
		got = append(got, text)
	}
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// two blocks, of which the second begins with what the first does not have.
func twoBlocks() (first, second []byte) {
	var b Builder
	b.Row(epoch)
	b.Put(Network, "eth0", []int64{1, 2, 3, 4, 5})
	b.Row(epoch.Add(time.Second))
	b.Put(Disk, "sda", []int64{math.MaxInt64, 0, Unknown, 7, 8})
	b.Put(Network, "eth0", []int64{1, 2, 300, 4, 5})
	b.Row(epoch.Add(500 * time.Millisecond))
	b.Put(Disk, "sda", []int64{math.MinInt64, 0, Unknown, 7, 8})
	first = slices.Clone(b.Block())
	b.Row(epoch.Add(2 * time.Second))
	b.Put(Network, "lo", []int64{0, 0, 0, 0, 0})
	return first, slices.Clone(b.Block())
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	first, second := twoBlocks()
	file := Append(Append([]byte(Header), first), second)
	same(t, rows(t, file),
		"0s±0s network/eth0[1 2 3 4 5]",
		"1s±0s network/eth0[1 2 300 4 5] disk/sda[9223372036854775807 0 -1 7 8]",
		"500ms±0s disk/sda[-9223372036854775808 0 -1 7 8]",
		"2s±0s network/lo[0 0 0 0 0]",
	)
}

func TestExampleOfTheDocsIsABlock(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(page), "a second later:\n\n```\n")
	example, _, closed := strings.Cut(example, "```")
	if !found || !closed {
		t.Fatal("there is no example of a block in docs/protocol.md")
	}
	var block []byte
	for line := range strings.Lines(example) {
		digits, _, _ := strings.Cut(line, "   ") // what follows is said of them
		part, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(digits), " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		block = append(block, part...)
	}
	first := time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC).Sub(epoch)
	same(t, rows(t, Append([]byte(Header), block)),
		fmt.Sprintf("%s±0s host/[5000000]", first), fmt.Sprintf("%s±0s host/[5990000]", first+time.Second))
}

func TestRowWithoutSubjectsIsARow(t *testing.T) {
	t.Parallel()
	var b Builder
	b.Row(epoch)
	if b.Rows() != 1 {
		t.Errorf("%d rows, want 1", b.Rows())
	}
	same(t, rows(t, Append([]byte(Header), b.Block())), "0s±0s")
	if b.Rows() != 0 {
		t.Errorf("%d rows after the block was closed", b.Rows())
	}
}

func TestBlockIsPutOnAnotherClock(t *testing.T) {
	t.Parallel()
	first, _ := twoBlocks()
	moved, err := Retime(first, func(at time.Time) (time.Time, time.Duration) {
		return at.Add(time.Hour), 1500 * time.Nanosecond
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, rows(t, Append([]byte(Header), moved)),
		"1h0m0s±2µs network/eth0[1 2 3 4 5]",
		"1h0m1s±2µs network/eth0[1 2 300 4 5] disk/sda[9223372036854775807 0 -1 7 8]",
		"1h0m0.5s±2µs disk/sda[-9223372036854775808 0 -1 7 8]",
	)
}

func TestFileThatEndsEarlyGivesWhatIsWhole(t *testing.T) {
	t.Parallel()
	first, second := twoBlocks()
	whole := Append([]byte(Header), first)
	file := Append(slices.Clone(whole), second)
	for size := range file {
		got := rows(t, file[:size])
		want := 0
		if size >= len(whole) {
			want = 3
		}
		if size != 0 && size != len(whole) && size != len(Header) {
			want++ // the error
			if last := got[len(got)-1]; last != ErrCut.Error() {
				t.Errorf("of %d bytes: %s", size, last)
			}
		}
		if len(got) != want {
			t.Errorf("%d rows of %d bytes, want %d", len(got), size, want)
		}
	}
}

func TestDamagedBlockIsRefused(t *testing.T) {
	t.Parallel()
	first, _ := twoBlocks()
	one := []byte{1, 1, 't', 1, 1, 'f'} // a table t with a field f
	for _, tc := range []struct {
		name  string
		block []byte
		want  string
	}{
		{"empty", nil, "ends in its names"},
		{"no tables", []byte{0, 1, 0, 0}, "ends in its names"},
		{"a table that is not there", append(slices.Clone(one), 1, 1, 0), "ends in its names"},
		{"too many fields", []byte{1, 1, 't', 200}, "ends in its names"},
		{"a long name", []byte{1, 255, 255, 3}, "ends in its names"},
		{"a row of more subjects than there are", append(slices.Clone(one), 1, 0, 0, 2, 0, 2, 1, 1), "middle of a row"},
		{"a field that is not there", append(slices.Clone(one), 1, 0, 0, 2, 0, 1, 5, 2), "middle of a row"},
		{"not sampled, and yet a field", append(slices.Clone(one), 1, 0, 0, 2, 0, 1, 2, 2), "middle of a row"},
		{"cut off", first[:len(first)-1], "middle of a row"},
		{"too large", make([]byte, MaxBlock+1), "at most 524288 are read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := Retime(tc.block, func(at time.Time) (time.Time, time.Duration) { return at, 0 })
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("put on another clock: %v, want it to say %q", err, tc.want)
			}
			got := rows(t, Append([]byte(Header), tc.block))
			if len(got) == 0 || !strings.Contains(strings.Join(got, " "), ErrMalformed.Error()) {
				t.Errorf("read: %q", got)
			}
		})
	}
}

func TestFileOfSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	same(t, rows(t, []byte("downbeat times 1\n")), `malformed samples: it doesn't begin with "downbeat samples 1\n"`)
	same(t, rows(t, append([]byte(Header), 255, 255, 255, 127)), "malformed samples: a block of 268435455 bytes")
	same(t, rows(t, append([]byte(Header), 3, 1, 2, 3)), "malformed samples: zlib: invalid header")
}

// busy is a block of 5 rows of 48 processes that do something.
func busy() []byte {
	var b Builder
	for i := range int64(5) {
		b.Row(epoch.Add(time.Duration(i) * time.Second))
		for p := range int64(48) {
			b.Put(Process, fmt.Sprintf("client.%d", p), []int64{i*p*999_983 + p, i * p * 3371, 1<<28 + i*4096*p, 0, i * 8192, i * p * 17, i * p, 12, 31, 1})
		}
	}
	return slices.Clone(b.Block())
}

func TestSampleOfAProcessTakesAFewBytes(t *testing.T) {
	t.Parallel()
	raw := busy()
	if packed := Append(nil, raw); len(raw) > 5*48*25 || len(packed) > 5*48*12 {
		t.Errorf("5 samples of 48 processes take %d bytes, and %d in a file", len(raw), len(packed))
	}
}

func FuzzReader(f *testing.F) {
	first, second := twoBlocks()
	f.Add(first)
	f.Add(second)
	f.Add(busy())
	f.Fuzz(func(t *testing.T, block []byte) {
		same := func(at time.Time) (time.Time, time.Duration) { return at, time.Millisecond }
		out, err := Retime(block, same)
		file := Append([]byte(Header), block)
		n := 0
		for r := NewReader(bytes.NewReader(file)); ; n++ {
			if _, rerr := r.Next(); rerr != nil {
				if (err == nil) != errors.Is(rerr, io.EOF) {
					t.Fatalf("put on another clock: %v; read: %v", err, rerr)
				}
				break
			}
		}
		if err != nil {
			return
		}
		again, err := Retime(out, same)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("put on a clock twice: %v", err)
		}
	})
}
