package message

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// taken is how many bytes are allocated by f, all together.
func taken(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// checked closes a binary message with its checksum.
func checked(data []byte) []byte {
	return binary.LittleEndian.AppendUint32(data, crc32.ChecksumIEEE(data))
}

// enveloped puts a payload into an unsigned envelope.
func enveloped(payload string) []byte {
	data, err := json.Marshal(Envelope{Version: Version, Payload: payload})
	if err != nil {
		panic(err)
	}
	return data
}

// enclosed puts a job into a payload, and that into an envelope.
func enclosed(job string) []byte {
	return enveloped(`{"purpose":"job","namespace":"downbeat","host":"alpha","run":"` + testRun + `","expires":"2026-11-23T12:01:00Z","reply_to":"downbeat.events.X","job":` + job + `}`)
}

func event(content string) []byte {
	return []byte(`{"downbeat":2,"event":"done","run":"` + testRun + `","host":"alpha","seq":1,"time":"2026-11-23T12:00:00Z",` + content + `}`)
}

// hostileMessages are messages that take much more memory decoded than as they
// are, if they are decoded.
var hostileMessages = sync.OnceValue(func() map[string][]byte {
	open := enclosed
	list := func(member, element string, n int) string {
		return `{"` + member + `":[` + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + `]}`
	}
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"%x":"",`, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	all := map[string][]byte{
		"a job of many processes":     open(list("commands", "{}", 70_000)),
		"a job of many variables":     open(`{"commands":[{"env":{` + members(20_000) + `}}]}`),
		"a job of many patterns":      open(list("collect", `""`, 1_100_000)),
		"a deep job":                  open(strings.Repeat(`{"a":[`, 100_000)),
		"an envelope of many members": []byte(`{"downbeat":2,` + members(20_000) + `}`),
		"an event of many totals":     event(`"done":` + list("totals", "{}", 70_000)),
		"an event of many starts":     event(`"x":` + list("started", "{}", 70_000)),
		"an event of a long text":     event(`"done":{"outcome":"` + strings.Repeat("\x7f", 400_000) + `"}`),
		"an event of a long time":     []byte(`{"downbeat":2,"event":"ended","time":"` + strings.Repeat("9", 400_000) + `"}`),
		"a deep event":                []byte(strings.Repeat(`[`, 400_000)),
		"a payload of many members":   enveloped(`{"purpose":"job",` + members(20_000) + `}`),
		"a deep payload":              enveloped(strings.Repeat(`[`, 400_000)),
		"an event of many texts":      event(`"refused":` + list("problems", `{"reason":""}`, 70_000)),
	}
	var output Batch
	output.Reset(testRun, "alpha", 1, testTime)
	for range 120_000 {
		output.Add(Segment{})
	}
	all["a batch of many segments"] = slices.Clone(output.Bytes())
	for name, piece := range map[string]Piece{"missing": {Kind: FileMissing}, "anew": {Kind: FilesAnew}, "begin": {Kind: FileBegin}} {
		for _, codec := range []Codec{CodecPlain, CodecGzip, CodecSnappy} {
			p := Pieces{Codec: codec}
			for p.Len() < MaxBody-16 {
				p.Add(piece)
			}
			all["files of many pieces of kind "+name+", "+string(codec)] = p.Pack().Append(nil, testRun, "alpha", 1)
		}
	}
	all["a large frame of output"] = checked(append([]byte("DBO\x02"), make([]byte, 1<<20)...))
	all["a large frame of files"] = checked(append([]byte("DBF\x02"), make([]byte, 1<<20)...))
	all["a large chunk"] = checked(append([]byte("DBC\x02"), make([]byte, 1<<20)...))
	all["a frame with a long name"] = checked(append(append([]byte("DBO\x02"), binary.AppendUvarint(nil, 500_000)...), make([]byte, 500_000)...))
	return all
})

// decodeAll decodes a message in every way.
func decodeAll(data []byte) {
	if e, err := OpenEnvelope(data, Trust{Unsigned: true}, testTime); err == nil {
		_, _ = e.Job()
		_, _ = e.Control()
	}
	ReplyAddress(data, "downbeat")
	_, _ = HeaderOf(data)
	_, _ = DecodeEvent(data)
	_, _ = DecodeChunk(data)
	if o, err := DecodeOutput(data); err == nil {
		for range o.Segments() {
			continue
		}
	}
	if f, err := DecodeFiles(data); err == nil {
		if pieces, _, err := f.Pieces(nil); err == nil {
			for range pieces {
				continue
			}
		}
	}
}

// However a message is decoded, the memory that takes is bounded by its size, and small
// for one that is refused.
func TestHostileMessagesTakeLittleMemory(t *testing.T) { //nolint:paralleltest // it measures what all together allocate
	for name, data := range hostileMessages() {
		bound := uint64(12*len(data) + 12<<20)
		if got := taken(func() { decodeAll(data) }); got > bound {
			t.Errorf("%s of %d bytes takes %d bytes, want at most %d", name, len(data), got, bound)
		}
	}
}

// Finding out for whom a message is allocates nothing worth speaking of.
func TestHeaderTakesNoMemory(t *testing.T) { //nolint:paralleltest // it measures what all together allocate
	for name, data := range hostileMessages() {
		if got := taken(func() { _, _ = HeaderOf(data) }); got > 4<<20 {
			t.Errorf("the header of %s of %d bytes takes %d bytes", name, len(data), got)
		}
	}
}

// The reason for refusing a message stays short, whatever the message holds.
func TestReasonsAreShort(t *testing.T) {
	t.Parallel()
	for name, data := range hostileMessages() {
		e, err := OpenEnvelope(data, Trust{Unsigned: true}, testTime)
		if err == nil {
			_, err = e.Job()
		}
		_, eventErr := DecodeEvent(data)
		for _, err := range []error{err, eventErr} {
			if err == nil && name == "an event of a long text" { // which is cut
				continue
			}
			if err == nil || len(err.Error()) > 1000 || Clean(err.Error()) != err.Error() {
				t.Errorf("%s is refused with %.2000q", name, fmt.Sprint(err))
			}
		}
	}
}

func TestBoundsOfJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		`{"a":[{"b":"c"},1,true]}`:        nil,
		`{"a":{"x":1},"b":{"x":1}}`:       nil,
		`{"a":"\"}{","b":["a","a"]}`:      nil,
		`{"HTTP_PROXY":1,"http_proxy":2}`: nil,
		`{"a":1,"a":1}`:                   ErrMalformed,
		`{"a":{"b":1,"b":2}}`:             ErrMalformed,
		`[[{"b":1,"c":[],"b":2}]]`:        ErrMalformed,
		`{"a":1,"\u0061":1}`:              ErrMalformed,
		`{"\\":1,"\\":1}`:                 ErrMalformed,
		"{\"a\":\"\xff\"}":                ErrMalformed,
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth):     nil,
		strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1): ErrMalformed,
		"[" + strings.Repeat("{},", maxObjects-1) + "{}]":                 nil,
		"[" + strings.Repeat("{},", maxObjects) + "{}]":                   ErrTooLarge,
		"[" + strings.Repeat("0,", maxValues-2) + "0]":                    nil,
		"[" + strings.Repeat("0,", maxValues) + "0]":                      ErrTooLarge,
	} {
		if err := scan([]byte(text), nil); !errors.Is(err, want) {
			t.Errorf("%.60s: error %v, want %v", text, err, want)
		}
	}
}

// A job that no worker would take is not sent.
func TestJobBeyondTheBoundsIsNotSealed(t *testing.T) {
	t.Parallel()
	j := testJob()
	j.Commands = make([]Command, maxObjects+1)
	if _, err := Seal(jobAddress(), j, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want %v", err, ErrTooLarge)
	}
}

// Ten thousand commands, each with some arguments and variables, are a job.
func TestLargeJobIsTaken(t *testing.T) {
	t.Parallel()
	j := testJob()
	j.Commands = nil
	for i := range 10_000 {
		j.Commands = append(j.Commands, Command{
			Name: ProcessName("client", i), Phase: PhaseRun, Group: "client", Index: i, Rank: i, Local: i, Argv: strings.Fields("./client -n 1000 --server 10.0.0.1:7000 -v -o out.jsonl"),
			Env: map[string]string{"A": "b"},
		})
	}
	e, err := OpenEnvelope(mustSeal(t, jobAddress(), j, testKey(0)), Trust{Unsigned: true}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.Job(); err != nil || len(got.Commands) != 10_000 {
		t.Error(err)
	}
}

// The scan and the decoder find the same members in the outermost object.
func FuzzScan(f *testing.F) {
	for _, m := range goldenMessages(f) {
		if m.Is != "frame" {
			f.Add(m.wire(f))
		}
		if m.Payload != "" {
			f.Add([]byte(m.Payload))
		}
	}
	f.Add([]byte(`{"a":"\"\\","b":{"c":[1,{"d":2}]}, "e" : [ ] }`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := make(map[string]string)
		err := scan(data, func(key string, value []byte) error {
			got[key] = string(value)
			return nil
		})
		var want map[string]json.RawMessage
		if err != nil || json.Unmarshal(data, &want) != nil || want == nil {
			return
		}
		if len(got) != len(want) {
			t.Fatalf("%q has %d members, want %d", data, len(got), len(want))
		}
		for key, value := range want {
			if got[key] != string(bytes.TrimSpace(value)) {
				t.Fatalf("%q: %q is %q, want %q", data, key, got[key], value)
			}
		}
	})
}

// Decoding takes memory in proportion to the message's size.
func FuzzMemory(f *testing.F) {
	for _, data := range hostileMessages() {
		f.Add(data[:min(len(data), 1000)])
	}
	for _, m := range goldenMessages(f) {
		f.Add(m.wire(f))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got := taken(func() { decodeAll(data) }); got > uint64(100*len(data))+4<<20 {
			t.Errorf("%d bytes take %d", len(data), got)
		}
	})
}
