package message

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"downbeat/internal/facts"
	"downbeat/internal/streams"
)

// A pin is a message of which the golden file holds the wire form: every kind, with
// every field that it can have, and with none that it can do without.
type pin struct {
	name  string
	value any // an Event, a Contender, a sealed, a frameOf
}

// sealed is what an envelope is made of.
type sealed struct {
	address Address
	content any
	key     ed25519.PrivateKey
}

// A frameOf is a frame. Bytes are what this build makes of it; nil where another
// program has made it and this build has only to read it, as what a compressor
// makes of a text is its own affair.
type frameOf struct {
	bytes []byte
	is    any // *Chunk, []Segment, []Piece
	seq   uint64
}

func pins() []pin {
	return append(append(append(pinnedJobs(), pinnedControls()...), pinnedEvents()...), pinnedFrames()...)
}

// testClockKey is 32 bytes in base64, of 0 to 31.
const testClockKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func pinnedJobs() []pin {
	job := Address{Purpose: PurposeJob, Namespace: "downbeat", Host: "alpha", Run: testRun, Expires: testTime.Add(time.Minute)}
	return []pin{
		{"job", sealed{job, Job{
			Run: testRun, Host: "alpha", ReplyTo: "downbeat.events.JD5W9M4QX3", Needs: []Feature{FeatureSetup, FeaturePty}, Since: testRun, Experiment: "<locks>", Datapoint: 3,
			Commands: []Command{
				{Name: "server.1", Phase: PhaseRun, Group: "server", Index: 1, Rank: 2, Local: 3, Argv: []string{"serve", "-v"}, Env: map[string]string{"A": "ü"}, Dir: "d", DelayMS: 5, Pty: true, OKExit: []int{0, 143}},
				{Name: "0", Phase: PhaseRun, Argv: []string{"x"}, OKExit: []int{0}},
				{Name: "setup.0", Phase: PhaseSetup, Argv: []string{"x"}, Env: map[string]string{"A": "b"}, Dir: "d", Pty: true, OKExit: []int{0, 3}, TimeoutMS: 60_000},
				{Name: "teardown.0", Phase: PhaseTeardown, Argv: []string{"y"}, OKExit: []int{0}, TimeoutMS: 1},
			},
			Collect: []string{"*.jsonl"},
			Files: []File{
				{Path: "a/b", Mode: 0o755, Bytes: 2, SHA256: "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"},
				{Path: "c", Mode: 0o644, Text: "t"},
				{Path: "d/", Mode: 0o700},
			},
			Codecs: []Codec{CodecSnappy, CodecGzip}, ClockKey: testClockKey, LeaseMS: 30_000, WindowBytes: 8 << 20, GraceMS: 10_000,
		}, testKey(0)}},
		{"job in time", sealed{job, Job{
			Needs: []Feature{FeatureBeats, FeatureReady, FeatureRestart, FeatureStops, FeatureActions},
			Run:   testRun, Host: "alpha", ReplyTo: "downbeat.events.X", Since: testRun, LeaseMS: 1, WindowBytes: 1,
			Commands: []Command{
				{
					Name: "server.0", Phase: PhaseRun, Argv: []string{"x"}, OKExit: []int{0}, Ready: &Readiness{Port: 80, Address: "10.0.0.1", WithinMS: 1, EveryMS: 2},
					Restart: &Restart{On: RestartOnFailure, AtMost: 3, WaitMS: 1000}, Stop: &CommandStop{Signal: "INT", GraceMS: new(int64)},
				},
				{Name: "1", Phase: PhaseRun, Argv: []string{"x"}, OKExit: []int{0}, Beat: 1, Ready: &Readiness{Line: "up$", WithinMS: 1}, Restart: &Restart{On: RestartAlways, AtMost: 1}, Stop: &CommandStop{}},
				{Name: "2", Phase: PhaseRun, Argv: []string{"x"}, OKExit: []int{0}, Ready: &Readiness{HTTP: "http://a/", Status: 204, WithinMS: 1}},
				{Name: "3", Phase: PhaseRun, Argv: []string{"x"}, OKExit: []int{0}, Ready: &Readiness{File: "up", WithinMS: 1}},
				{Name: "4", Phase: PhaseRun, Argv: []string{"x"}, OKExit: []int{0}, Ready: &Readiness{Run: []string{"ping", "-c1"}, WithinMS: 1}},
				{Name: "action.3.0", Phase: PhaseAction, Argv: []string{"x"}, OKExit: []int{0}, TimeoutMS: 1},
			},
			Actions: []Action{
				{Number: 0, Do: ActSignal, Beat: 1, AfterMS: 20_000, Commands: []int{0, 1}, Signal: "KILL"},
				{Number: 1, Do: ActPause, Called: true, ForMS: 5},
				{Number: 3, Do: ActRun, Commands: []int{5}},
			},
			Watches: []Watch{{Action: 1, Line: "leader$", Commands: []int{0}, Most: 1}},
			Sync:    true,
			Facts:   true,
		}, testKey(0)}},
		{"job with samples", sealed{job, Job{
			Needs: []Feature{FeatureSamples},
			Run:   testRun, Host: "alpha", ReplyTo: "downbeat.events.X", Since: testRun, LeaseMS: 1, WindowBytes: 1, SampleMS: 1000,
			Commands: []Command{{Name: "0", Phase: PhaseRun, Argv: []string{"x"}, OKExit: []int{0}}},
		}, nil}},
		{"job, at least", sealed{job, Job{
			Run: testRun, Host: "alpha", ReplyTo: "downbeat.events.X", Since: testRun, LeaseMS: 1, WindowBytes: 1,
			Commands: []Command{
				{Name: "0", Phase: PhaseRun, Argv: []string{"x"}, OKExit: []int{0}},
				{Name: "setup.0", Phase: PhaseSetup, Argv: []string{"x"}, OKExit: []int{0}, TimeoutMS: 1},
			},
		}, nil}},
	}
}

func pinnedControls() []pin {
	probe := &Probe{SentAt: testTime}
	control := func(c Control) sealed {
		return sealed{Address{Purpose: PurposeControl, Namespace: "n_s-1", Host: "alpha", Run: testRun, Serial: 12, Expires: time.Date(2026, 11, 23, 12, 10, 0, 0, time.UTC)}, c, testKey(1)}
	}
	hello := Address{Purpose: PurposeControl, Namespace: "downbeat", Host: AnyHost, Expires: testTime}
	cancel := Address{Purpose: PurposeControl, Namespace: "downbeat", Run: testRun, Serial: 1, Expires: testTime}
	return []pin{
		{"keepalive", control(Control{Kind: Keepalive, Ack: 3, Resend: true, Probe: probe})},
		{"keepalive, at least", control(Control{Kind: Keepalive})},
		{"commit", control(Control{Kind: Commit, Probe: probe})},
		{"uncommit", control(Control{Kind: Uncommit})},
		{"start", control(Control{Kind: Start, At: testTime})},
		{"stop", control(Control{Kind: Stop, At: testTime, Cause: StopTimeout, Reason: "<é\n>", GraceMS: 5})},
		{"start of a later beat", control(Control{Kind: Start, At: testTime, Beat: 1})},
		{"act", control(Control{Kind: Act, At: testTime, Action: 3, Turn: 1, Commands: []int{5}})},
		{"answer", control(Control{Kind: Respond, Answers: []Answer{{ID: 1, At: testTime, Value: []byte("a\nb")}, {ID: 2, Error: "e", TimedOut: true}}})},
		{"stop of the last beat", control(Control{Kind: Stop, Cause: StopRule, FromBeat: 1})},
		{"stop, at least", control(Control{Kind: Stop, Cause: StopAbort})},
		{"hello", sealed{hello, Control{Kind: Hello, ReplyTo: "downbeat.events.X", Nonce: "n1", Probe: probe, Version: "v1", Features: []Feature{FeatureSetup}}, testKey(0)}},
		{"hello to one host, who may ask for the clock by UDP", sealed{Address{Purpose: PurposeControl, Namespace: "downbeat", Host: "alpha", Expires: testTime}, Control{Kind: Hello, ReplyTo: "downbeat.events.X", Nonce: "n2", ClockKey: testClockKey}, testKey(0)}},
		{"hello, for facts", sealed{hello, Control{Kind: Hello, ReplyTo: "downbeat.events.X", Nonce: "n1", Facts: true}, nil}},
		{"hello, at least", sealed{hello, Control{Kind: Hello, ReplyTo: "downbeat.events.X", Nonce: "n1"}, nil}},
		{"cancel", sealed{cancel, Control{Kind: Cancel, ReplyTo: "downbeat.events.X", Reason: "r"}, testKey(0)}},
		{"cancel, at least", sealed{cancel, Control{Kind: Cancel, ReplyTo: "downbeat.events.X"}, nil}},
		{"contender", Contender{Version: Version, Purpose: PurposeContend, Namespace: "ns", Host: "alpha", ReplyTo: "ns.events.X", Waits: true, Worker: WorkerInfo{Machine: "m", PID: 1, Since: testTime}}},
		{"contender, at least", Contender{Version: Version, Purpose: PurposeContend, Namespace: "ns", Host: "alpha"}},
	}
}

// pinnedEvent completes an event.
func pinnedEvent(e Event) Event {
	e.Version, e.Run, e.Host, e.Seq, e.Time = Version, testRun, "alpha", 9, testTime
	return e
}

// unlogged takes its number from an event.
func unlogged(e Event) Event {
	e = pinnedEvent(e)
	e.Seq = 0
	return e
}

const pinnedSum = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"

func pinnedFacts() facts.HostFacts {
	return facts.HostFacts{
		Machine: "m", Boot: "b", Kernel: "Linux 6.1.0", Distribution: "Debian 12", Arch: "amd64", CPU: "c", Cores: 1, Threads: 2, CPUs: 1.5, NUMANodes: 3,
		Governor: "performance", Turbo: "on", SMT: "off", MemoryBytes: 4, MemoryLimitBytes: 5, SwapBytes: 6, THP: "madvise", ClockSource: "tsc",
		Virtualisation: "kvm", Container: "none", Load: new(0.25), ForeignCPU: new(0.5), Foreign: []facts.ForeignProcess{{Name: "cron", PID: 7, CPU: 0.5}}, MeasuredMS: 250,
	}
}

func pinnedEvents() []pin {
	probe := &Probe{SentAt: testTime, TakenAt: testTime.Add(1), AnswerAt: testTime.Add(2)}
	totals := []streams.Total{{StdoutLines: 1, StdoutBytes: 2, StderrLines: 3, StderrBytes: 4}, {}}
	left := []Leftover{{PID: 7, Command: "c"}}
	clock := &ClockInfo{Addresses: []string{"10.0.0.1:7171", "[fd00::1]:7171"}}
	return []pin{
		{"waiting", pinnedEvent(Event{Kind: Waiting, Waiting: &WaitingInfo{Behind: testRun}})},
		{"setting_up", pinnedEvent(Event{Kind: SettingUp})},
		{"refused", pinnedEvent(Event{Kind: Refused, Refused: &RefusedInfo{Reason: "r", Problems: []Problem{{Process: "server.1", Reason: "p"}}, Totals: totals, Version: "v1", Features: []Feature{FeatureSetup}, Left: left, Unseen: "u", Notes: []string{"n"}}})},
		{"refused, at least", unlogged(Event{Kind: Refused, Refused: &RefusedInfo{Reason: "r"}})},
		{"ready", pinnedEvent(Event{Kind: Ready, Ready: &ReadyInfo{Hold: "ptrace", Unheld: []string{"server.1"}, Version: "v1", Features: []Feature{FeatureTeardown}, Clock: clock}})},
		{"ready, at least", pinnedEvent(Event{Kind: Ready, Ready: &ReadyInfo{Hold: "none"}})},
		{"committed", pinnedEvent(Event{Kind: Committed, Committed: &CommittedInfo{Probe: probe}})},
		{"committed, at least", pinnedEvent(Event{Kind: Committed})},
		{"started", pinnedEvent(Event{Kind: Started, Started: []StartedInfo{{Command: 1, PID: 4711, StartedAt: testTime}, {StartedAt: testTime}}})},
		{"armed", pinnedEvent(Event{Kind: Armed, Armed: &ArmedInfo{Beat: 1, At: testTime}})},
		{"started, another life", pinnedEvent(Event{Kind: Started, Started: []StartedInfo{{Command: 1, Life: 2, PID: 4711, StartedAt: testTime}}})},
		{"process_ready", pinnedEvent(Event{Kind: ProcessReady, ProcessReady: &ProcessReadyInfo{Command: 1, Life: 2, Reason: "r"}})},
		{"process_ready, at least", pinnedEvent(Event{Kind: ProcessReady, ProcessReady: &ProcessReadyInfo{}})},
		{"acted", pinnedEvent(Event{Kind: Acted, Acted: &ActedInfo{Action: 3, Turn: 1, Command: 5, Life: 2, DueAt: testTime, Reason: "r"}})},
		{"acted, at least", pinnedEvent(Event{Kind: Acted, Acted: &ActedInfo{DueAt: testTime}})},
		{"seen", pinnedEvent(Event{Kind: Seen, Seen: &SeenInfo{Action: 1, Command: 2, Life: 3}})},
		{"seen, at least", pinnedEvent(Event{Kind: Seen, Seen: &SeenInfo{}})},
		{"asked", pinnedEvent(Event{Kind: Asked, Asked: &AskedInfo{ID: 1, What: AskBarrier, Name: "loaded", Process: "server.1", Count: 8, WithinMS: 30_000, Value: []byte("v")}})},
		{"asked again", unlogged(Event{Kind: Asked, Asked: &AskedInfo{ID: 2, What: AskMark, Name: "warm"}})},
		{"facts", pinnedEvent(Event{Kind: Facts, Facts: &FactsInfo{Host: pinnedFacts(), Programs: []ProgramInfo{
			{Commands: []int{0, 1}, Program: facts.ProgramFacts{Path: "/usr/bin/redis-server", Bytes: 2, SHA256: pinnedSum, Build: "build id 1"}},
			{Commands: []int{2}, Program: facts.ProgramFacts{
				Path: "judge.py", Bytes: 2, SHA256: pinnedSum, Interpreter: &facts.ProgramFacts{Path: "/usr/bin/python3.11", Reason: "r"},
				Arguments: []facts.FileFacts{{Path: "conf", Bytes: 2, SHA256: pinnedSum}, {Path: "large", Bytes: 3}},
			}},
		}}})},
		{"facts, at least", pinnedEvent(Event{Kind: Facts, Facts: &FactsInfo{}})},
		{"exited, another life", pinnedEvent(Event{Kind: Exited, Exited: &ExitedInfo{Command: 1, Life: 2, Again: true, Action: new(int), StartedAt: testTime, EndedAt: testTime}})},
		{"exited", pinnedEvent(Event{Kind: Exited, Exited: &ExitedInfo{Command: 1, ExitCode: -1, Signal: "SIGKILL", StartedAt: testTime, EndedAt: testTime.Add(1), UserUS: 1, SystemUS: 2, MaxRSSBytes: 3, Stopped: true, Killed: true, TimedOut: true, Left: true, Reason: "r", Swept: 4}})},
		{"exited, at least", pinnedEvent(Event{Kind: Exited, Exited: &ExitedInfo{}})},
		{"stopping", pinnedEvent(Event{Kind: Stopping, Stopping: &StoppingInfo{Cause: StopRule, Reason: "r", FromBeat: 1}})},
		{"stopping, at least", pinnedEvent(Event{Kind: Stopping, Stopping: &StoppingInfo{Cause: StopLease}})},
		{"tearing_down", pinnedEvent(Event{Kind: TearingDown})},
		{"ended", pinnedEvent(Event{Kind: Ended})},
		{"done", pinnedEvent(Event{Kind: Done, Done: &DoneInfo{Outcome: HostDone, Reason: "r", Totals: totals, Files: &FileTotals{Files: 1, Bytes: 2, Missing: 3, BrokenOff: "b"}, Swept: 5, Left: left, Unseen: "u", Notes: []string{"n"}}})},
		{"done, at least", pinnedEvent(Event{Kind: Done, Done: &DoneInfo{Outcome: HostLost}})},
		{"done, no files", pinnedEvent(Event{Kind: Done, Done: &DoneInfo{Outcome: HostStopped, Totals: totals, Files: &FileTotals{}}})},
		{"want", unlogged(Event{Kind: Want, Want: &WantInfo{SHA256: "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4", Offset: 1, Bytes: 2, Path: "p", Done: 3, Total: 4}})},
		{"heartbeat", unlogged(Event{Kind: Heartbeat, Heartbeat: &HeartbeatInfo{Last: 9, Ack: 3, Probe: probe}})},
		{"heartbeat, at least", unlogged(Event{Kind: Heartbeat, Heartbeat: &HeartbeatInfo{}})},
		{"here", Event{Version: Version, Kind: Here, Host: "alpha", Time: testTime, Here: &HereInfo{
			Version: "v1", Features: []Feature{FeatureSetup, FeatureTeardown, FeaturePty, FeatureFiles, FeatureCollect}, OS: "linux", Arch: "amd64", Run: testRun, Experiment: "locks",
			Nonce: "n1", Probe: probe, Clock: clock, Worker: &WorkerInfo{Machine: "m", PID: 4711, Since: testTime}, Waiting: []WorkerInfo{{Machine: "n", PID: 1}},
		}}},
		{"here, with facts", Event{Version: Version, Kind: Here, Host: "alpha", Time: testTime, Here: &HereInfo{Nonce: "n1", Facts: new(pinnedFacts())}}},
		{"here, at least", Event{Version: Version, Kind: Here, Host: "alpha", Time: testTime, Here: &HereInfo{}}},
		{"cancelled", Event{Version: Version, Kind: Cancelled, Run: testRun, Time: testTime, Cancelled: &CancelledInfo{Accepted: true, Reason: "r"}}},
		{"cancelled, at least", Event{Version: Version, Kind: Cancelled, Run: testRun, Time: testTime, Cancelled: &CancelledInfo{}}},
		{"event of an unknown kind", pinnedEvent(Event{Kind: "dance"})},
	}
}

// pinnedBlock is the example of docs/protocol.md: what is in it is not this package's business.
func pinnedBlock() []byte {
	block, err := hex.DecodeString("0104686f73740107" + "69646c655f7573" + "010000" + "aab4ba89a9b3d5ea31" + "00010380ade204" + "80a8d6b907" + "000103e0ec78")
	if err != nil {
		panic(err) // it is written right here
	}
	return block
}

func pinnedFrames() []pin {
	segments := []Segment{
		{Command: 3, Stream: streams.Stderr, At: testTime.Add(-time.Microsecond), Offset: 300, Line: 2, Data: []byte("hi\n")},
		{Command: 200, Stream: streams.Stdout, At: testTime.Add(time.Second), Data: []byte{0xff}},
	}
	var output, nothing Batch
	output.Reset(testRun, "alpha", 7, testTime)
	for _, s := range segments {
		output.Add(s)
	}
	nothing.Reset(testRun, "alpha", 8, testTime)
	pieces := []Piece{
		{Kind: FileBegin, Path: "a/b", Mode: 0o644, ModTime: testTime},
		{Kind: FileData, Data: []byte("hi")},
		{Kind: FileEnd, Size: 2, Sum: sha256.Sum256([]byte("hi"))},
		{Kind: FileMissing, Path: "c", Reason: "x"},
		{Kind: FilesAnew},
	}
	long := []Piece{{Kind: FileData, Data: []byte(strings.Repeat("x", 191))}}
	block := Samples{Run: testRun, Host: "alpha", Seq: 9, Block: pinnedBlock()}
	chunk := Chunk{Run: testRun, Host: "alpha", Sum: sha256.Sum256([]byte("hi")), Offset: 256 << 10, Data: []byte("hi")}
	return []pin{
		{"output", frameOf{output.Bytes(), segments, 7}},
		{"output, at least", frameOf{nothing.Bytes(), []Segment{}, 8}},
		{"files", frameOf{packed(7, pieces...), pieces, 7}},
		{"files, gzip", frameOf{nil, long, 300}},
		{"files, snappy", frameOf{nil, long, 300}},
		{"samples", frameOf{block.Append(nil), &block, 9}},
		{"chunk", frameOf{chunk.Encode(), &chunk, 0}},
	}
}

const (
	pinnedKeyID      = "af06a3e3291714e4"
	pinnedPublicKey  = "ed25519 rwaj4ykXFOTzVsGcmxXNGVHsbmZiqne+B1R/KJODNB0= me@here"
	pinnedPrivateKey = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh
-----END PRIVATE KEY-----
`
)
