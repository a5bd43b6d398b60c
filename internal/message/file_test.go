package message

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestWireFormOfShippedFilesIsPinned(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("hi"))
	chunk := Chunk{Run: testRun, Sum: sum, Offset: 300, Data: []byte("hi")}
	file, err := json.Marshal([]File{{Path: "a/b", Mode: 0o755, Bytes: 2, SHA256: hex.EncodeToString(sum[:])}, {Path: "c", Mode: 0o644, Text: "x"}, {Path: "d/e/", Mode: 0o700}})
	if err != nil {
		t.Fatal(err)
	}
	want := Event{Kind: Want, Run: testRun, Host: "alpha", Time: testTime, Want: &WantInfo{SHA256: "8f", Offset: 1, Bytes: 2, Path: "a/b", Done: 1, Total: 3}}
	event, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const hash = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"
	tests := []struct{ name, got, want string }{
		{"chunk", hex.EncodeToString(chunk.Encode()), "44424301" + "1a30314a443557394d34515833543043395638" + "5a375936523550" + "4b" + hash + "ac02" + "026869"},
		{"files", string(file), `[{"path":"a/b","mode":493,"bytes":2,"sha256":"` + hash + `"},{"path":"c","mode":420,"text":"x"},{"path":"d/e/","mode":448}]`},
		{"want", string(event), `{"downbeat":1,"event":"want","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","time":"2026-11-23T12:00:00.123456789Z",` +
			`"want":{"sha256":"8f","offset":1,"bytes":2,"path":"a/b","done":1,"total":3}}`},
	}
	for _, tt := range tests {
		if !strings.HasPrefix(tt.got, tt.want) {
			t.Errorf("%s = %s\nwant %s", tt.name, tt.got, tt.want)
		}
	}
}

func TestDamagedChunkIsRefused(t *testing.T) {
	t.Parallel()
	c := Chunk{Run: testRun, Offset: 7, Data: []byte("some bytes")}
	good := c.Encode()
	got, err := DecodeChunk(good)
	if err != nil || got.Run != testRun || got.Offset != 7 || string(got.Data) != "some bytes" {
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

func TestFilesOfAJobAreChecked(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("ab", 32)
	for _, f := range []File{
		{Path: "a", Mode: 0o644, Bytes: 1, SHA256: hash}, {Path: "a/b", Mode: 0, Text: "x"}, {Path: "..a", Mode: 0o777}, {Path: "empty", SHA256: hash},
	} {
		if err := f.check(); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
	for _, f := range []File{
		{Path: ""},
		{Path: "/a"},
		{Path: "../a"},
		{Path: "a/../b"},
		{Path: "a//b"},
		{Path: "a//"},
		{Path: "/"},
		{Path: "a/", Text: "x"},
		{Path: "./a"},
		{Path: "a\x00"},
		{Path: strings.Repeat("a/", 4000) + "a"},
		{Path: "a", Mode: 0o4755},
		{Path: "a", Bytes: 1},
		{Path: "a", SHA256: "../../etc/passwd"},
		{Path: "a", SHA256: strings.ToUpper(hash)},
		{Path: "a", SHA256: hash[1:]},
		{Path: "a", SHA256: hash, Bytes: -1},
		{Path: "a", SHA256: hash, Text: "x"},
	} {
		j := testJob()
		j.Files = []File{f}
		if err := j.Check(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%+v: error %v, want %v", f, err, ErrMalformed)
		}
	}
	j := testJob()
	j.Collect = []string{"../x"}
	if err := j.Check(); !errors.Is(err, ErrMalformed) {
		t.Errorf("a pattern that leads out: error %v, want %v", err, ErrMalformed)
	}
}

func FuzzDecodeChunk(f *testing.F) {
	c := Chunk{Run: testRun, Offset: 7, Data: []byte("some bytes")}
	f.Add(c.Encode())
	f.Add([]byte("DBC\x01"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = DecodeChunk(data) })
}
