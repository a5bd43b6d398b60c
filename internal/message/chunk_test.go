package message

import (
	"errors"
	"testing"
)

func TestDamagedChunkIsRefused(t *testing.T) {
	t.Parallel()
	c := Chunk{Run: testRun, Host: "alpha", Offset: 7, Data: []byte("some bytes")}
	good := c.Encode()
	got, err := DecodeChunk(good)
	if err != nil || got.Run != testRun || got.Host != "alpha" || got.Offset != 7 || string(got.Data) != "some bytes" {
		t.Fatalf("decoded %+v, %v", got, err)
	}
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x20
		if _, err := DecodeChunk(bad); err == nil {
			t.Errorf("byte %d was changed, and the chunk was accepted", i)
		}
		if _, err := DecodeChunk(good[:i]); err == nil {
			t.Errorf("the chunk was cut to %d bytes and accepted", i)
		}
	}
	for _, c := range []Chunk{{Run: testRun, Offset: -1}, {Run: testRun, Data: make([]byte, MaxChunk+1)}} {
		if _, err := DecodeChunk(c.Encode()); !errors.Is(err, ErrMalformed) {
			t.Errorf("offset %d, %d bytes: error %v, want %v", c.Offset, len(c.Data), err, ErrMalformed)
		}
	}
}

func FuzzDecodeChunk(f *testing.F) {
	c := Chunk{Run: testRun, Host: "alpha", Offset: 7, Data: []byte("some bytes")}
	f.Add(c.Encode())
	f.Add([]byte("DBC\x02"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = DecodeChunk(data) })
}
