package message

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// A pin is a message and the bytes that it has on the wire: JSON as it is, binary
// in hexadecimal. The bytes are literals: whoever changes one of them breaks every
// worker and every publisher in the field.
type pin struct {
	name  string
	value any // with every field that it can have, or with none that it can do without
	want  string
}

var pinnedProbe = Probe{ID: 7, SentAt: testTime, TakenAt: testTime.Add(1), AnswerAt: testTime.Add(2)}

// pinnedEvent completes an event.
func pinnedEvent(e Event) Event {
	e.Version, e.Run, e.Host, e.Seq, e.Time = Version, testRun, "alpha", 9, testTime
	return e
}

func pinnedJob() Job {
	return Job{
		Run: testRun, Host: "alpha", ReplyTo: "downbeat.events.JD5W9M4QX3", Needs: []Feature{FeatureSetup, FeaturePty}, Since: testRun, Experiment: "locks", Datapoint: 3,
		Processes: []Process{
			{Name: "server.1", Group: "server", Index: 1, Rank: 2, Local: 3, Argv: []string{"serve", "-v"}, Env: map[string]string{"A": "b"}, Dir: "d", DelayMS: 5, Pty: true},
			{Name: "0", Argv: []string{"x"}},
		},
		Setup:    []Step{{Name: "setup.0", Argv: []string{"x"}, Env: map[string]string{"A": "b"}, Dir: "d", Pty: true, OKExit: []int{0, 3}, TimeoutMS: 60_000}},
		Teardown: []Step{{Name: "teardown.0", Argv: []string{"y"}, OKExit: []int{0}, TimeoutMS: 1}},
		Collect:  []string{"*.jsonl"},
		Files: []File{
			{Path: "a/b", Mode: 0o755, Bytes: 2, SHA256: "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"},
			{Path: "c", Mode: 0o644, Text: "t"},
		},
		LeaseMS: 30_000, WindowBytes: 8 << 20, GraceMS: 10_000,
	}
}

// pins are all of them.
func pins() []pin {
	return slices.Concat(pinnedEvents(), pinnedRequests(), pinnedBatches(), pinnedEnvelopes())
}

func pinnedBatches() []pin {
	var output Batch
	output.Reset(testRun, "alpha", 7, testTime)
	output.Add(Segment{Process: 3, Stream: Stderr, At: testTime.Add(-time.Microsecond), Offset: 300, Line: 2, Data: []byte("hi\n")})
	output.Add(Segment{Process: 200, Stream: Stdout, At: testTime.Add(time.Second), Data: []byte{0xff}})
	plain := packed(7,
		Piece{Kind: FileBegin, Path: "a/b", Mode: 0o644, ModTime: testTime},
		Piece{Kind: FileData, Data: []byte("hi")},
		Piece{Kind: FileEnd, Size: 2, Sum: sha256.Sum256([]byte("hi"))},
		Piece{Kind: FileMissing, Path: "c", Reason: "x"},
		Piece{Kind: FilesAnew},
	)
	coded := packed(300, Piece{Kind: FileData, Data: []byte(strings.Repeat("x", 191))})
	chunk := Chunk{Run: testRun, Sum: sha256.Sum256([]byte("hi")), Offset: 256 << 10, Data: []byte("hi")}
	return []pin{
		{"batch of output", hexadecimal(output.Bytes()), pinnedOutput},
		{"batch of files", hexadecimal(plain), pinnedFiles},
		{"head of a batch of files, coded", hexadecimal(coded[:46]), pinnedCoded[:92]}, // the rest is up to the compressor
		{"chunk", hexadecimal(chunk.Encode()), pinnedChunk},
	}
}

// hexadecimal is what is already on the wire.
type hexadecimal []byte

func pinnedEnvelopes() []pin {
	job := Address{Purpose: PurposeJob, Namespace: "downbeat", Host: "alpha", Run: testRun, Expires: testTime.Add(time.Minute)}
	control := Address{Purpose: PurposeControl, Namespace: "n_s-1", Host: "alpha", Run: testRun, Serial: 12, Expires: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	hello := Address{Purpose: PurposeControl, Namespace: "downbeat", Host: AnyHost, Expires: testTime}
	cancel := Address{Purpose: PurposeControl, Namespace: "downbeat", Run: testRun, Serial: 1, Expires: testTime}
	return []pin{
		{"envelope of a job", sealed{job, Job{Run: testRun, Processes: []Process{}}, testKey(0)}, pinnedJobEnvelope},
		{"envelope of a control", sealed{control, Control{Kind: Keepalive, Reason: "<\u00e9\n>"}, testKey(1)}, pinnedControlEnvelope},
		{"envelope of a hello", sealed{hello, Control{Kind: Hello, ReplyTo: "downbeat.events.X"}, testKey(0)}, pinnedHelloEnvelope},
		{"envelope of a cancel, not signed", sealed{cancel, Control{Kind: Cancel}, nil}, pinnedCancelEnvelope},
	}
}

// sealed is what an envelope is made of.
type sealed struct {
	address Address
	content any
	key     ed25519.PrivateKey
}

// onWire gives a pinned value's wire form.
func onWire(t *testing.T, value any) string {
	t.Helper()
	var data []byte
	var err error
	switch v := value.(type) {
	case hexadecimal:
		return hex.EncodeToString(v)
	case sealed:
		data, err = Seal(v.address, v.content, v.key)
	case Event:
		data, err = v.Encode()
	default:
		data, err = json.Marshal(v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The wire format is a promise.
func TestWireFormIsPinned(t *testing.T) {
	t.Parallel()
	for _, pin := range pins() {
		if got := onWire(t, pin.value); got != pin.want {
			t.Errorf("%s is\n%s\nwant\n%s", pin.name, got, pin.want)
		}
	}
}

// What is on the wire means what it always meant.
func TestPinnedWireFormIsUnderstood(t *testing.T) {
	t.Parallel()
	for _, pin := range pins() {
		var got any
		var err error
		switch v := pin.value.(type) {
		case Event:
			var e *Event
			if e, err = DecodeEvent([]byte(pin.want)); err == nil {
				got = *e
			}
		case sealed:
			trust := Trust{Unsigned: v.key == nil}
			if v.key != nil {
				trust.Keys = []ed25519.PublicKey{public(v.key)}
			}
			var e *Envelope
			if e, err = OpenEnvelope([]byte(pin.want), trust, testTime.Add(-time.Hour)); err == nil {
				got = sealed{e.Address(), v.content, v.key}
			}
		case hexadecimal:
			continue // below
		default:
			into := reflect.New(reflect.TypeOf(v))
			err = json.Unmarshal([]byte(pin.want), into.Interface())
			got = into.Elem().Interface()
		}
		if err != nil || !reflect.DeepEqual(got, pin.value) {
			t.Errorf("%s is understood as %+v (%v), want %+v", pin.name, got, err, pin.value)
		}
	}
}

func TestPinnedBatchesAreUnderstood(t *testing.T) {
	t.Parallel()
	o, err := DecodeOutput(unhex(t, pinnedOutput))
	if err != nil {
		t.Fatal(err)
	}
	segments := slices.Collect(o.Segments())
	want := []Segment{
		{Process: 3, Stream: Stderr, At: time.Unix(0, testTime.UnixNano()-1000), Offset: 300, Line: 2, Data: []byte("hi\n")},
		{Process: 200, At: time.Unix(0, testTime.UnixNano()+1e9), Data: []byte{0xff}},
	}
	if o.Run != testRun || o.Host != "alpha" || o.Seq != 7 || !reflect.DeepEqual(segments, want) {
		t.Errorf("output %d of %s on %s: %+v", o.Seq, o.Run, o.Host, segments)
	}
	for text, want := range map[string][]Piece{
		pinnedFiles: {
			{Kind: FileBegin, Path: "a/b", Mode: 0o644, ModTime: time.Unix(0, testTime.UnixNano())},
			{Kind: FileData, Data: []byte("hi")},
			{Kind: FileEnd, Size: 2, Sum: sha256.Sum256([]byte("hi"))},
			{Kind: FileMissing, Path: "c", Reason: "x"},
			{Kind: FilesAnew},
		},
		pinnedCoded: {{Kind: FileData, Data: []byte(strings.Repeat("x", 191))}},
	} {
		a, err := DecodeArtifact(unhex(t, text))
		if err != nil {
			t.Fatal(err)
		}
		pieces, _, err := a.Pieces(nil)
		if got := slices.Collect(pieces); err != nil || !reflect.DeepEqual(got, want) || a.Run != testRun || a.Host != "alpha" {
			t.Errorf("pieces %+v of %s on %s (%v), want %+v", got, a.Run, a.Host, err, want)
		}
	}
	c, err := DecodeChunk(unhex(t, pinnedChunk))
	if err != nil || c.Run != testRun || c.Offset != 262144 || string(c.Data) != "hi" || c.Sum != sha256.Sum256([]byte("hi")) {
		t.Errorf("chunk %+v (%v)", c, err)
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Who adds a field has to pin it.
func TestEveryFieldIsPinned(t *testing.T) {
	t.Parallel()
	fields := make(map[string]bool) // whether one was seen that is set
	for _, root := range []any{Event{}, Job{}, Control{}, Envelope{}, Contender{}} {
		declare(reflect.TypeOf(root), fields)
	}
	for _, pin := range pins() {
		if s, ok := pin.value.(sealed); ok {
			var e Envelope
			if err := json.Unmarshal([]byte(pin.want), &e); err != nil {
				t.Fatal(err)
			}
			see(reflect.ValueOf(e), fields)
			see(reflect.ValueOf(s.content), fields)
			continue
		}
		see(reflect.ValueOf(pin.value), fields)
	}
	for name, seen := range fields {
		if !seen {
			t.Errorf("%s is not pinned", name)
		}
	}
}

// wireStruct tells our structs from those of others, such as times.
func wireStruct(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && strings.HasSuffix(t.PkgPath(), "message")
}

func declare(t reflect.Type, fields map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if !wireStruct(t) {
		return
	}
	for f := range t.Fields() {
		fields[t.Name()+"."+f.Name] = false
		declare(f.Type, fields)
	}
}

func see(v reflect.Value, fields map[string]bool) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		see(v.Elem(), fields)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			see(v.Index(i), fields)
		}
	case wireStruct(v.Type()):
		for f, value := range v.Fields() {
			if !value.IsZero() {
				fields[v.Type().Name()+"."+f.Name] = true
			}
			see(value, fields)
		}
	}
}

// Everything that is a word or a number of the protocol.
func TestWordsAndNumbersOfTheProtocolArePinned(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, got, want string }{
		{"events", fmt.Sprint(eventKinds), "[waiting setting_up step refused ready committed started exited stopping tearing_down ended done want heartbeat here cancelled]"},
		{"controls", fmt.Sprint([]ControlKind{Hello, Keepalive, Commit, Uncommit, Start, Stop, Cancel}), "[hello keepalive commit uncommit start stop cancel]"},
		{"causes", fmt.Sprint([]StopCause{StopRule, StopTimeout, StopFailure, StopAbort, StopLease}), "[rule timeout failure abort lease]"},
		{"outcomes of hosts", fmt.Sprint([]string{HostDone, HostStopped, HostLost}), "[done stopped lost]"},
		{"outcomes of steps", fmt.Sprint([]StepOutcome{StepSucceeded, StepFailed, StepTimedOut, StepStopped}), "[succeeded failed timed_out stopped]"},
		{"purposes", fmt.Sprint([]Purpose{PurposeJob, PurposeControl}), "[job control]"},
		{"features", fmt.Sprint(Features()), "[setup teardown pty files collect]"},
		{"pieces", fmt.Sprintf("%d", []PieceKind{FileBegin, FileData, FileEnd, FileMissing, FilesAnew}), "[1 2 3 4 5]"},
		{"streams", fmt.Sprintf("%d %d", Stdout, Stderr), "0 1"},
		{"version", fmt.Sprint(Version), "1"},
		{"sizes", fmt.Sprint(MaxSigned, MaxEvent, MaxControl, MaxBatch, MaxPieces, MaxChunk), "8388608 16777216 65536 525312 524288 262144"},
		{"bounds", fmt.Sprint(maxDepth, maxObjects, maxValues, maxMembers, mostPieces, MaxAhead), "32 65536 1048576 16384 32768 48h0m0s"},
		{"queues", strings.Join([]string{
			JobsQueue("ns", "h"), ControlQueue("ns", "h"), EventsQueue("ns", "P"), JobsGroup("ns"), DeadQueue("ns"), AnyHost,
		}, " "), "ns.jobs.h ns.control.h ns.events.P ns.jobs ns.dead *"},
		{"names", ProcessName("g", 3) + " " + ProcessName("", 3) + " " + SetupName + " " + TeardownName, "g.3 3 setup teardown"},
		{
			"identity of a process", fmt.Sprint(Identity(&Job{Run: "r", Host: "h"}, &Process{Name: "g.1", Group: "g", Index: 1, Rank: 2, Local: 3})),
			"[DOWNBEAT_RUN=r DOWNBEAT_HOST=h DOWNBEAT_PROCESS=g.1 DOWNBEAT_GROUP=g DOWNBEAT_INDEX=1 DOWNBEAT_RANK=2 DOWNBEAT_LOCAL=3]",
		},
		{"identity of a step", fmt.Sprint(StepIdentity(&Job{Run: "r", Host: "h"}, &Step{Name: "setup.0"})), "[DOWNBEAT_RUN=r DOWNBEAT_HOST=h DOWNBEAT_PROCESS=setup.0]"},
		{"files of a key", PrivateKeyFile + " " + PublicKeyFile, "downbeat.key downbeat.pub"},
		{"name of a key", KeyID(public(testKey(0))), pinnedKeyID},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.name, tt.got, tt.want)
		}
	}
	if publisher, err := PublisherOf(testRun); err != nil || publisher != testRun[10:20] {
		t.Errorf("the publisher of the run is %s (%v)", publisher, err)
	}
}

// A key that was made once stays one, and so does what it signs.
func TestFilesOfAKeyArePinned(t *testing.T) {
	t.Parallel()
	der, err := x509.MarshalPKCS8PrivateKey(testKey(0))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); got != pinnedPrivateKey {
		t.Fatalf("the private key is\n%s", got)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(pinnedPrivateKey), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ReadPrivateKey(file)
	if err != nil || !key.Equal(testKey(0)) {
		t.Errorf("the private key is read as another (%v)", err)
	}
	pub, err := ParsePublicKey(pinnedPublicKey)
	if err != nil || !pub.Equal(public(testKey(0))) {
		t.Errorf("the public key is read as another (%v)", err)
	}
}
