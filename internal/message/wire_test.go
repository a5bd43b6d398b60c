package message

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"downbeat/internal/streams"

	"pgregory.net/rapid"
)

func TestOutputSurvivesTheWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.Uint64().Draw(t, "seq")
		var want []Segment
		var batch Batch
		batch.Reset(testRun, "alpha", seq, testTime)
		for range rapid.IntRange(0, 8).Draw(t, "segments") {
			s := Segment{
				Command: rapid.IntRange(0, 10_000).Draw(t, "command"), Stream: streams.Stream(rapid.IntRange(0, 1).Draw(t, "stream")),
				At:     time.Unix(0, testTime.UnixNano()+rapid.Int64Range(-1e12, 1e12).Draw(t, "at")),
				Offset: rapid.Uint64().Draw(t, "offset"), Line: rapid.Uint64().Draw(t, "line"), Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
			}
			batch.Add(s)
			want = append(want, s)
		}
		got, err := DecodeOutput(batch.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got.Run != testRun || got.Host != "alpha" || got.Seq != seq {
			t.Errorf("decoded batch %d of %s on %s", got.Seq, got.Run, got.Host)
		}
		if segments := slices.Collect(got.Segments()); !reflect.DeepEqual(segments, want) {
			t.Errorf("decoded %+v, want %+v", segments, want)
		}
	})
}

func TestDamagedOutputIsRefused(t *testing.T) {
	t.Parallel()
	var batch Batch
	batch.Reset(testRun, "alpha", 1, testTime)
	batch.Add(Segment{Data: []byte("some bytes")})
	good := batch.Bytes()
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x20
		if _, err := DecodeOutput(bad); err == nil {
			t.Errorf("byte %d was changed, and the batch was accepted", i)
		}
	}
	for i := range good {
		if _, err := DecodeOutput(good[:i]); err == nil {
			t.Errorf("the batch was cut to %d bytes and accepted", i)
		}
	}
}

// Numbers of commands stay within what is counted with.
func TestSegmentOfNoPossibleCommandIsRefused(t *testing.T) {
	t.Parallel()
	for command, want := range map[int]error{1 << 31: nil, 1<<31 + 1: ErrMalformed, 1 << 40: ErrMalformed, -1: ErrMalformed} {
		var batch Batch
		batch.Reset(testRun, "alpha", 1, testTime)
		batch.Add(Segment{Command: command})
		if _, err := DecodeOutput(batch.Bytes()); !errors.Is(err, want) {
			t.Errorf("command %d: error %v, want %v", command, err, want)
		}
	}
}

func TestEventWithoutItsContentIsRefused(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		`{"downbeat":2,"event":"exited"}`, `{"downbeat":2,"event":"started"}`, `{"downbeat":2}`, `{"event":"committed"}`, `{"downbeat":2,"event":"here","host":"../a","here":{}}`, `[]`, ``,
	} {
		if _, err := DecodeEvent([]byte(data)); !errors.Is(err, ErrMalformed) {
			t.Errorf("DecodeEvent(%s): error %v, want %v", data, err, ErrMalformed)
		}
	}
	if _, err := DecodeEvent([]byte(`{"downbeat":9,"event":"committed"}`)); !errors.Is(err, ErrVersion) {
		t.Errorf("error %v, want %v", err, ErrVersion)
	}
}

func FuzzDecodeOutput(f *testing.F) {
	var batch Batch
	batch.Reset(testRun, "alpha", 1, testTime)
	batch.Add(Segment{Command: 1, Data: []byte("x\n")})
	f.Add(batch.Bytes())
	f.Add([]byte("DBO\x02"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = DecodeOutput(data) })
}

func FuzzOpenEnvelope(f *testing.F) {
	data, err := Seal(jobAddress(), testJob(), testKey(0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(_ *testing.T, data []byte) {
		e, err := OpenEnvelope(data, Trust{Unsigned: true}, testTime)
		if err != nil {
			return
		}
		_, _ = e.Job()
		_, _ = e.Control()
	})
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(`{"downbeat":2,"event":"done","host":"a","done":{"outcome":"done","totals":[]}}`))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = DecodeEvent(data) })
}
