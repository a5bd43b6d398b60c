package message

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The wire format is a promise: whoever changes one of these strings breaks
// every worker in the field.
func TestWireFormIsPinned(t *testing.T) {
	t.Parallel()
	var batch Batch
	batch.Reset(testRun, "alpha", 7, testTime)
	batch.Add(Segment{Process: 3, Stream: Stderr, At: testTime.Add(-time.Microsecond), Offset: 300, Line: 2, Data: []byte("hi\n")})
	event := Event{Kind: Exited, Run: testRun, Host: "alpha", Seq: 9, Time: testTime, Exited: &ExitedInfo{
		Process: 1, ExitCode: -1, Signal: "SIGKILL", StartedAt: testTime, EndedAt: testTime, UserUS: 1, SystemUS: 2, MaxRSSBytes: 3, Stopped: true, Killed: true,
	}}
	eventJSON, err := event.Encode()
	if err != nil {
		t.Fatal(err)
	}
	ended := Event{Kind: Stepped, Run: testRun, Host: "alpha", Seq: 3, Time: testTime, Step: &StepInfo{
		Step: 4, Outcome: StepTimedOut, Reason: "r", ExitCode: -1, Signal: "SIGTERM", StartedAt: testTime, EndedAt: testTime, Swept: 1,
	}}
	endedJSON, err := ended.Encode()
	if err != nil {
		t.Fatal(err)
	}
	step, err := json.Marshal(Step{Name: "setup.0", Argv: []string{"x"}, Env: map[string]string{"A": "b"}, Dir: "d", Pty: true, OKExit: []int{0}, TimeoutMS: 60000})
	if err != nil {
		t.Fatal(err)
	}
	control, err := json.Marshal(Control{Kind: Stop, At: testTime, Cause: StopRule, Reason: "r", GraceMS: 5, Ack: 1, Probe: &Probe{ID: 1, SentAt: testTime}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, got, want string }{
		{"output batch", hex.EncodeToString(batch.Bytes()), "44424f011a30314a443557394d34515833543043395638" +
			"5a375936523550" + "4b05616c70686107" + "154d9748cdaaea18" + "07cf0fac02020368690a" + checksumOf(t, batch)},
		{"event", string(eventJSON), `{"downbeat":1,"event":"exited","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z",` +
			`"exited":{"process":1,"exit_code":-1,"signal":"SIGKILL","started_at":"2026-11-23T12:00:00.123456789Z","ended_at":"2026-11-23T12:00:00.123456789Z",` +
			`"user_us":1,"system_us":2,"max_rss_bytes":3,"stopped":true,"killed":true}}`},
		{"end of a step", string(endedJSON), `{"downbeat":1,"event":"step","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":3,"time":"2026-11-23T12:00:00.123456789Z",` +
			`"step":{"step":4,"outcome":"timed_out","reason":"r","exit_code":-1,"signal":"SIGTERM","started_at":"2026-11-23T12:00:00.123456789Z",` +
			`"ended_at":"2026-11-23T12:00:00.123456789Z","user_us":0,"system_us":0,"max_rss_bytes":0,"swept":1}}`},
		{"step", string(step), `{"name":"setup.0","argv":["x"],"env":{"A":"b"},"dir":"d","pty":true,"ok_exit":[0],"timeout_ms":60000}`},
		{"control", string(control), `{"control":"stop","at":"2026-11-23T12:00:00.123456789Z","cause":"rule","reason":"r","grace_ms":5,"ack":1,` +
			`"probe":{"id":1,"sent_at":"2026-11-23T12:00:00.123456789Z"}}`},
		{"envelope", string(mustSeal(t, jobAddress(), Control{Kind: Keepalive}, testKey(0))), `{"downbeat":1,"purpose":"job","namespace":"downbeat","host":"alpha",` +
			`"run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","expires":"2026-11-23T12:01:00.123456789Z","payload":"{\"control\":\"keepalive\"}","key":"` + KeyID(public(testKey(0))) +
			`","signature":"` + signatureOf(t) + `"}`},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s = %s\nwant %s", tt.name, tt.got, tt.want)
		}
	}
}

// checksumOf and signatureOf are computed: their own correctness is tested by
// opening what carries them.
func checksumOf(t *testing.T, b Batch) string {
	t.Helper()
	return hex.EncodeToString(b.buf[len(b.buf)-4:])
}

func signatureOf(t *testing.T) string {
	t.Helper()
	var e Envelope
	if err := json.Unmarshal(mustSeal(t, jobAddress(), Control{Kind: Keepalive}, testKey(0)), &e); err != nil {
		t.Fatal(err)
	}
	return e.Signature
}

func TestOutputSurvivesTheWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := Output{Run: testRun, Host: "alpha", Seq: rapid.Uint64().Draw(t, "seq")}
		var batch Batch
		batch.Reset(want.Run, want.Host, want.Seq, testTime)
		for range rapid.IntRange(0, 8).Draw(t, "segments") {
			s := Segment{
				Process: rapid.IntRange(0, 10_000).Draw(t, "process"), Stream: Stream(rapid.IntRange(0, 1).Draw(t, "stream")),
				At:     time.Unix(0, testTime.UnixNano()+rapid.Int64Range(-1e12, 1e12).Draw(t, "at")),
				Offset: rapid.Uint64().Draw(t, "offset"), Line: rapid.Uint64().Draw(t, "line"), Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
			}
			batch.Add(s)
			want.Segments = append(want.Segments, s)
		}
		got, err := DecodeOutput(batch.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(*got, want) && len(want.Segments)+len(got.Segments) > 0 {
			t.Errorf("decoded %+v, want %+v", *got, want)
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

func TestEventWithoutItsContentIsRefused(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		`{"downbeat":1,"event":"exited"}`, `{"downbeat":1,"event":"started"}`, `{"downbeat":1}`, `{"downbeat":1,"event":"nonsense"}`, `[]`, ``,
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
	batch.Add(Segment{Process: 1, Data: []byte("x\n")})
	f.Add(batch.Bytes())
	f.Add([]byte("DBO\x01"))
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
	f.Add([]byte(`{"downbeat":1,"event":"done","host":"a","done":{"outcome":"done","totals":[]}}`))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = DecodeEvent(data) })
}
