package message

import (
	"crypto/ed25519"
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

	"downbeat/internal/streams"
)

// Messages on the wire keep their form and meaning.
func TestPinnedWireFormIsUnderstood(t *testing.T) {
	t.Parallel()
	is := goldenMessages(t)
	for _, p := range pins() {
		data := is[p.name].wire(t)
		got, err := understood(data, p.value)
		if err != nil || !reflect.DeepEqual(got, p.value) {
			t.Errorf("%s is understood as %+v (%v), want %+v", p.name, got, err, p.value)
		}
	}
}

// understood decodes a message like the one that it ought to be.
func understood(data []byte, like any) (any, error) {
	switch v := like.(type) {
	case Event:
		e, err := DecodeEvent(data)
		if err != nil {
			return nil, err
		}
		return *e, nil
	case Contender:
		c, ok := ReadContender(data, v.Namespace, v.Host)
		if !ok {
			return nil, ErrMalformed
		}
		return *c, nil
	case sealed:
		return unsealed(data, v)
	case frameOf:
		return unframed(data, v)
	}
	return nil, fmt.Errorf("%T is not a message", like)
}

func unsealed(data []byte, like sealed) (any, error) {
	trust := Trust{Unsigned: like.key == nil}
	if like.key != nil {
		trust.Keys = []ed25519.PublicKey{public(like.key)}
	}
	p, err := OpenEnvelope(data, trust, testTime.Add(-time.Hour))
	if err != nil {
		return nil, err
	}
	got := sealed{address: p.Address, key: like.key}
	if p.Purpose == PurposeJob {
		job, err := p.Job()
		if err != nil {
			return nil, err
		}
		got.content = *job
		return got, nil
	}
	c, err := p.Control()
	if err != nil {
		return nil, err
	}
	if want := like.content.(Control); Clean(want.Reason) == c.Reason { // which is shown as one line
		c.Reason = want.Reason
	}
	got.content = *c
	return got, nil
}

func unframed(data []byte, like frameOf) (any, error) {
	head, err := HeaderOf(data)
	got := frameOf{bytes: like.bytes, seq: head.Seq}
	if err == nil && (head.Run != testRun || head.Host != "alpha") {
		err = fmt.Errorf("of %s on %s", head.Run, head.Host)
	}
	if err != nil {
		return nil, err
	}
	switch FrameKindOf(data) {
	case FrameOutput:
		o, err := DecodeOutput(data)
		if err != nil {
			return nil, err
		}
		segments := slices.AppendSeq([]Segment{}, o.Segments())
		for i := range segments {
			segments[i].At = segments[i].At.UTC()
		}
		got.is = segments
	case FrameFiles:
		f, err := DecodeFiles(data)
		if err != nil {
			return nil, err
		}
		seq, _, err := f.Pieces(nil)
		if err != nil {
			return nil, err
		}
		pieces := slices.Collect(seq)
		for i, p := range pieces {
			if p.Kind == FileBegin {
				pieces[i].ModTime = p.ModTime.UTC()
			}
		}
		got.is = pieces
	case FrameSamples:
		s, err := DecodeSamples(data)
		if err != nil {
			return nil, err
		}
		got.is = s
	case FrameChunk:
		c, err := DecodeChunk(data)
		if err != nil {
			return nil, err
		}
		got.is = c
	}
	return got, nil
}

// Every field is pinned.
func TestEveryFieldIsPinned(t *testing.T) {
	t.Parallel()
	fields := make(map[string]bool) // whether one was seen that is set
	for _, root := range []any{Event{}, Job{}, Control{}, Envelope{}, Address{}, Contender{}} {
		declare(reflect.TypeOf(root), fields)
	}
	is := goldenMessages(t)
	for _, p := range pins() {
		switch v := p.value.(type) {
		case sealed:
			var e Envelope
			if err := json.Unmarshal(is[p.name].wire(t), &e); err != nil {
				t.Fatal(err)
			}
			see(reflect.ValueOf(e), fields)
			see(reflect.ValueOf(v.address), fields)
			see(reflect.ValueOf(v.content), fields)
		case frameOf:
		default:
			see(reflect.ValueOf(v), fields)
		}
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
		{"events", fmt.Sprint(eventKinds), "[waiting setting_up refused ready committed armed started process_ready acted seen asked facts exited stopping tearing_down ended done want heartbeat here cancelled]"},
		{"controls", fmt.Sprint([]ControlKind{Hello, Keepalive, Commit, Uncommit, Start, Act, Respond, Stop, Cancel}), "[hello keepalive commit uncommit start act answer stop cancel]"},
		{"causes", fmt.Sprint([]StopCause{StopRule, StopTimeout, StopFailure, StopAbort, StopLease}), "[rule timeout failure abort lease]"},
		{"outcomes of hosts", fmt.Sprint([]string{HostDone, HostStopped, HostLost}), "[done stopped lost]"},
		{"phases", fmt.Sprint([]Phase{PhaseSetup, PhaseRun, PhaseAction, PhaseTeardown}), "[setup run action teardown]"},
		{"actions", fmt.Sprint([]ActionKind{ActSignal, ActPause, ActStart, ActStop, ActRun}), "[signal pause start stop run]"},
		{"what processes ask", fmt.Sprint([]AskedWhat{AskBarrier, AskPut, AskGet, AskMark}), "[barrier put get mark]"},
		{"restarts", fmt.Sprint([]RestartOn{RestartOnFailure, RestartAlways}), "[failure always]"},
		{"bounds in time", fmt.Sprint(MaxBeats, MaxActions, MaxLives, MaxSyncNames, MaxSyncValue), "100 1000 1000 10000 16384"},
		{"purposes", fmt.Sprint([]Purpose{PurposeJob, PurposeControl}), "[job control]"},
		{"features", fmt.Sprint(Features()), "[setup teardown pty files collect beats ready restart stops actions samples udp-clock facts]"},
		{"frames", fmt.Sprintf("%c %c %c %c", FrameOutput, FrameFiles, FrameSamples, FrameChunk), "O F S C"},
		{"codecs", fmt.Sprint(Codecs()), "[snappy gzip]"},
		{"pieces", fmt.Sprintf("%d", []PieceKind{FileBegin, FileData, FileEnd, FileMissing, FilesAnew}), "[1 2 3 4 5]"},
		{"streams", fmt.Sprintf("%d %d", streams.Stdout, streams.Stderr), "0 1"},
		{"version", fmt.Sprint(Version), "2"},
		{"sizes", fmt.Sprint(MaxSigned, MaxEvent, MaxControl, MaxFrame, MaxBody, MaxChunk, MaxNonce), "8388608 16777216 65536 525312 524288 262144 128"},
		{"bounds", fmt.Sprint(maxDepth, maxObjects, maxValues, maxMembers, mostPieces, MaxAhead), "32 65536 1048576 16384 32768 48h0m0s"},
		{"queues", strings.Join([]string{
			JobsQueue("ns", "h"), ControlQueue("ns", "h"), EventsQueue("ns", "P"), JobsGroup("ns"), DeadQueue("ns"), AnyHost,
		}, " "), "ns.jobs.h ns.control.h ns.events.P ns.jobs ns.dead *"},
		{"names", ProcessName("g", 3) + " " + ProcessName("", 3), "g.3 3"},
		{
			"identity of a process", fmt.Sprint(Identity(&Job{Run: "r", Host: "h"}, &Command{Name: "g.1", Phase: PhaseRun, Group: "g", Index: 1, Rank: 2, Local: 3})),
			"[DOWNBEAT_RUN=r DOWNBEAT_HOST=h DOWNBEAT_PROCESS=g.1 DOWNBEAT_GROUP=g DOWNBEAT_INDEX=1 DOWNBEAT_RANK=2 DOWNBEAT_LOCAL=3]",
		},
		{"identity of a setup command", fmt.Sprint(Identity(&Job{Run: "r", Host: "h"}, &Command{Name: "setup.0", Phase: PhaseSetup})), "[DOWNBEAT_RUN=r DOWNBEAT_HOST=h DOWNBEAT_PROCESS=setup.0]"},
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

// The example in the docs is a frame, byte by byte.
func TestExampleOfTheDocsIsAFrame(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(page), "2026-11-23T12:00:00.123456789Z:\n\n```\n")
	example, _, closed := strings.Cut(example, "```")
	if !found || !closed {
		t.Fatal("there is no example of a frame in docs/protocol.md")
	}
	var got strings.Builder
	for line := range strings.Lines(example) {
		digits, _, _ := strings.Cut(line, "  ") // what follows is said of them
		got.WriteString(strings.ReplaceAll(strings.ReplaceAll(digits, " ", ""), "…", hex.EncodeToString([]byte(testRun)[3:len(testRun)-2])))
	}
	var want Batch
	want.Reset(testRun, "alpha", 7, testTime)
	want.Add(Segment{Command: 3, Stream: streams.Stderr, At: testTime.Add(-time.Microsecond), Offset: 300, Line: 2, Data: []byte("hi\n")})
	if frame := hex.EncodeToString(want.Bytes()); got.String() != frame {
		t.Errorf("the example is\n%s\nwant\n%s", got.String(), frame)
	}
}
