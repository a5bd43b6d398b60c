package message

func pinnedEvents() []pin {
	return []pin{
		{"waiting", pinnedEvent(Event{Kind: Waiting, Waiting: &WaitingInfo{Behind: testRun}}), `{"downbeat":1,"event":"waiting","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","waiting":{"behind":` +
			`"01JD5W9M4QX3T0C9V8Z7Y6R5PK"}}`},
		{"setting up", pinnedEvent(Event{Kind: SettingUp}), `{"downbeat":1,"event":"setting_up","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z"}`},
		{"end of a step", pinnedEvent(Event{Kind: Stepped, Step: &StepInfo{Step: 4, Outcome: StepTimedOut, Reason: "r", ExitCode: -1, Signal: "SIGTERM", StartedAt: testTime, EndedAt: testTime.Add(1), UserUS: 1, SystemUS: 2, MaxRSSBytes: 3, Swept: 1}}), `{"downbeat":1,"event":"step","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","step":{"step":4,"outco` +
			`me":"timed_out","reason":"r","exit_code":-1,"signal":"SIGTERM","started_at":"2026-11-23T12:00:00.123456789Z","ended_at":"2026-11-23T12:00:00.12345679Z` +
			`","user_us":1,"system_us":2,"max_rss_bytes":3,"swept":1}}`},
		{"end of a step, at least", pinnedEvent(Event{Kind: Stepped, Step: &StepInfo{Outcome: StepSucceeded}}), `{"downbeat":1,"event":"step","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","step":{"step":0,"outco` +
			`me":"succeeded","exit_code":0,"user_us":0,"system_us":0,"max_rss_bytes":0}}`},
		{"refused", pinnedEvent(Event{Kind: Refused, Refused: &RefusedInfo{Reason: "r", Problems: []Problem{{Process: "server.1", Reason: "p"}}, Totals: []Total{{StdoutLines: 1, StdoutBytes: 2, StderrLines: 3, StderrBytes: 4}}, Version: "v1", Features: []Feature{FeatureSetup}, Left: []Leftover{{PID: 7, Command: "c"}}, Unseen: "u", Notes: []string{"n"}}}), `{"downbeat":1,"event":"refused","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","refused":{"reason":` +
			`"r","problems":[{"process":"server.1","reason":"p"}],"totals":[{"stdout_lines":1,"stdout_bytes":2,"stderr_lines":3,"stderr_bytes":4}],"version":"v1","` +
			`features":["setup"],"left":[{"pid":7,"command":"c"}],"unseen":"u","notes":["n"]}}`},
		{"refused, at least", pinnedEvent(Event{Kind: Refused, Refused: &RefusedInfo{}}), `{"downbeat":1,"event":"refused","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","refused":{"reason":` +
			`""}}`},
		{"ready", pinnedEvent(Event{Kind: Ready, Ready: &ReadyInfo{Hold: "ptrace", Unheld: []string{"server.1"}, Version: "v1", Features: []Feature{FeatureTeardown}}}), `{"downbeat":1,"event":"ready","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","ready":{"hold":"ptrac` +
			`e","unheld":["server.1"],"version":"v1","features":["teardown"]}}`},
		{"ready, at least", pinnedEvent(Event{Kind: Ready, Ready: &ReadyInfo{Hold: "none"}}), `{"downbeat":1,"event":"ready","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","ready":{"hold":"none"` +
			`}}`},
		{"committed", pinnedEvent(Event{Kind: Committed, Committed: &CommittedInfo{Probe: &pinnedProbe}}), `{"downbeat":1,"event":"committed","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","committed":{"prob` +
			`e":{"id":7,"sent_at":"2026-11-23T12:00:00.123456789Z","taken_at":"2026-11-23T12:00:00.12345679Z","answered_at":"2026-11-23T12:00:00.123456791Z"}}}`},
		{"committed, at least", pinnedEvent(Event{Kind: Committed}), `{"downbeat":1,"event":"committed","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z"}`},
		{"started", pinnedEvent(Event{Kind: Started, Started: []StartedInfo{{Process: 1, PID: 4711, StartedAt: testTime}, {StartedAt: testTime}}}), `{"downbeat":1,"event":"started","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","started":[{"process` +
			`":1,"pid":4711,"started_at":"2026-11-23T12:00:00.123456789Z"},{"process":0,"pid":0,"started_at":"2026-11-23T12:00:00.123456789Z"}]}`},
		{"exited", pinnedEvent(Event{Kind: Exited, Exited: &ExitedInfo{Process: 1, ExitCode: -1, Signal: "SIGKILL", StartedAt: testTime, EndedAt: testTime.Add(1), UserUS: 1, SystemUS: 2, MaxRSSBytes: 3, Stopped: true, Killed: true, Left: true, Reason: "r"}}), `{"downbeat":1,"event":"exited","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","exited":{"process":1` +
			`,"exit_code":-1,"signal":"SIGKILL","started_at":"2026-11-23T12:00:00.123456789Z","ended_at":"2026-11-23T12:00:00.12345679Z","user_us":1,"system_us":2,` +
			`"max_rss_bytes":3,"stopped":true,"killed":true,"reason":"r","left":true}}`},
		{"exited, at least", pinnedEvent(Event{Kind: Exited, Exited: &ExitedInfo{StartedAt: testTime, EndedAt: testTime}}), `{"downbeat":1,"event":"exited","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","exited":{"process":0` +
			`,"exit_code":0,"started_at":"2026-11-23T12:00:00.123456789Z","ended_at":"2026-11-23T12:00:00.123456789Z","user_us":0,"system_us":0,"max_rss_bytes":0}}`},
		{"stopping", pinnedEvent(Event{Kind: Stopping, Stopping: &StoppingInfo{Cause: StopRule, Reason: "r"}}), `{"downbeat":1,"event":"stopping","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","stopping":{"cause"` +
			`:"rule","reason":"r"}}`},
		{"stopping, at least", pinnedEvent(Event{Kind: Stopping, Stopping: &StoppingInfo{Cause: StopLease}}), `{"downbeat":1,"event":"stopping","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","stopping":{"cause"` +
			`:"lease"}}`},
		{"tearing down", pinnedEvent(Event{Kind: TearingDown}), `{"downbeat":1,"event":"tearing_down","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z"}`},
		{"ended", pinnedEvent(Event{Kind: Ended}), `{"downbeat":1,"event":"ended","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z"}`},
		{"done", pinnedEvent(Event{Kind: Done, Done: &DoneInfo{Outcome: HostLost, Reason: "r", Totals: []Total{{StdoutLines: 1, StdoutBytes: 2, StderrLines: 3, StderrBytes: 4}, {}}, Files: &FileTotals{Files: 1, Bytes: 2, Missing: 3, BrokenOff: "b"}, Swept: 5, Left: []Leftover{{PID: 7, Command: "c"}}, Unseen: "u", Notes: []string{"n"}}}), `{"downbeat":1,"event":"done","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","done":{"outcome":"lost` +
			`","reason":"r","totals":[{"stdout_lines":1,"stdout_bytes":2,"stderr_lines":3,"stderr_bytes":4},{"stdout_lines":0,"stdout_bytes":0,"stderr_lines":0,"st` +
			`derr_bytes":0}],"files":{"files":1,"bytes":2,"missing":3,"broken_off":"b"},"swept":5,"left":[{"pid":7,"command":"c"}],"unseen":"u","notes":["n"]}}`},
		{"done, at least", pinnedEvent(Event{Kind: Done, Done: &DoneInfo{Outcome: HostDone, Totals: []Total{}, Files: &FileTotals{}}}), `{"downbeat":1,"event":"done","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","done":{"outcome":"done` +
			`","totals":[],"files":{"files":0,"bytes":0}}}`},
		{"want", pinnedEvent(Event{Kind: Want, Want: &WantInfo{SHA256: "8f", Offset: 1, Bytes: 2, Path: "p", Done: 3, Total: 4}}), `{"downbeat":1,"event":"want","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","want":{"sha256":"8f","` +
			`offset":1,"bytes":2,"path":"p","done":3,"total":4}}`},
		{"heartbeat", pinnedEvent(Event{Kind: Heartbeat, Heartbeat: &HeartbeatInfo{Last: 9, Probe: &pinnedProbe}}), `{"downbeat":1,"event":"heartbeat","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","heartbeat":{"last` +
			`":9,"probe":{"id":7,"sent_at":"2026-11-23T12:00:00.123456789Z","taken_at":"2026-11-23T12:00:00.12345679Z","answered_at":"2026-11-23T12:00:00.123456791` +
			`Z"}}}`},
		{"heartbeat, at least", pinnedEvent(Event{Kind: Heartbeat, Heartbeat: &HeartbeatInfo{}}), `{"downbeat":1,"event":"heartbeat","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","heartbeat":{"last` +
			`":0}}`},
		{"here", pinnedEvent(Event{Kind: Here, Here: &HereInfo{
			Version: "v1", Features: []Feature{FeatureSetup, FeatureTeardown, FeaturePty, FeatureFiles, FeatureCollect}, OS: "linux", Arch: "amd64", Run: testRun, Experiment: "locks",
			Probe: &pinnedProbe, Worker: &WorkerInfo{Machine: "m", PID: 4711, Since: testTime}, Waiting: []WorkerInfo{{Machine: "n", PID: 1}},
		}}), `{"downbeat":1,"event":"here","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","here":{"version":"v1",` +
			`"features":["setup","teardown","pty","files","collect"],"os":"linux","arch":"amd64","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","experiment":"locks","probe":{"` +
			`id":7,"sent_at":"2026-11-23T12:00:00.123456789Z","taken_at":"2026-11-23T12:00:00.12345679Z","answered_at":"2026-11-23T12:00:00.123456791Z"},` +
			`"worker":{"machine":"m","pid":4711,"since":"2026-11-23T12:00:00.123456789Z"},"waiting":[{"machine":"n","pid":1}]}}`},
		{"here, at least", Event{Version: Version, Kind: Here, Host: "alpha", Time: testTime, Here: &HereInfo{}}, `{"downbeat":1,"event":"here","host":"alpha","time":"2026-11-23T12:00:00.123456789Z","here":{"version":"","os":"","arch":""}}`},
		{"cancelled", pinnedEvent(Event{Kind: Cancelled, Cancelled: &CancelledInfo{Accepted: true, Reason: "r"}}), `{"downbeat":1,"event":"cancelled","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z","cancelled":{"acce` +
			`pted":true,"reason":"r"}}`},
		{"cancelled, at least", Event{Version: Version, Kind: Cancelled, Run: testRun, Time: testTime, Cancelled: &CancelledInfo{}}, `{"downbeat":1,"event":"cancelled","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"","time":"2026-11-23T12:00:00.123456789Z","cancelled":{"accepted":false}}`},
		{"kind that is not known", pinnedEvent(Event{Kind: "dance"}), `{"downbeat":1,"event":"dance","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","seq":9,"time":"2026-11-23T12:00:00.123456789Z"}`},
	}
}

func pinnedRequests() []pin {
	return []pin{
		{"job", pinnedJob(), `{"run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","reply_to":"downbeat.events.JD5W9M4QX3","needs":["setup","pty"],"since":"01JD5W9M4QX3T0C9V8Z7Y6R5PK` +
			`","experiment":"locks","datapoint":3,"processes":[{"name":"server.1","group":"server","index":1,"rank":2,"local":3,"argv":["serve","-v"],"env":{"A":"b` +
			`"},"dir":"d","delay_ms":5,"pty":true},{"name":"0","index":0,"rank":0,"local":0,"argv":["x"]}],"setup":[{"name":"setup.0","argv":["x"],"env":{"A":"b"},` +
			`"dir":"d","pty":true,"ok_exit":[0,3],"timeout_ms":60000}],"teardown":[{"name":"teardown.0","argv":["y"],"ok_exit":[0],"timeout_ms":1}],"collect":["*.j` +
			`sonl"],"files":[{"path":"a/b","mode":493,"bytes":2,"sha256":"8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"},{"path":"c","mode":420` +
			`,"text":"t"}],"lease_ms":30000,"window_bytes":8388608,"grace_ms":10000}`},
		{"job, at least", Job{Run: testRun, Host: "alpha", ReplyTo: "downbeat.events.X", Since: testRun, Processes: []Process{{Name: "0", Argv: []string{"x"}}}, LeaseMS: 1, WindowBytes: 1}, `{"run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","host":"alpha","reply_to":"downbeat.events.X","since":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","experiment":"","datapoint":0,"` +
			`processes":[{"name":"0","index":0,"rank":0,"local":0,"argv":["x"]}],"lease_ms":1,"window_bytes":1,"grace_ms":0}`},
		{"step, at least", Step{Name: "setup.0", Argv: []string{"x"}, OKExit: []int{0}}, `{"name":"setup.0","argv":["x"],"ok_exit":[0],"timeout_ms":0}`},
		{"step of nothing", Step{}, `{"name":"","argv":null,"ok_exit":null,"timeout_ms":0}`},
		{"process of nothing", Process{}, `{"name":"","index":0,"rank":0,"local":0,"argv":null}`},
		{"job of nothing", Job{}, `{"run":"","host":"","reply_to":"","since":"","experiment":"","datapoint":0,"processes":null,"lease_ms":0,"window_bytes":0,"grace_ms":0}`},
		{"file, at least", File{Path: "c"}, `{"path":"c","mode":0}`},
		{"hello", Control{Kind: Hello, ReplyTo: "downbeat.events.X", Probe: &Probe{ID: 7, SentAt: testTime}, Version: "v1", Features: []Feature{FeatureSetup}}, `{"control":"hello","reply_to":"downbeat.events.X","probe":{"id":7,"sent_at":"2026-11-23T12:00:00.123456789Z"},"version":"v1","features":["setup"]}`},
		{"keepalive", Control{Kind: Keepalive, Ack: 3, Resend: true, Probe: &Probe{ID: 7, SentAt: testTime}}, `{"control":"keepalive","ack":3,"resend":true,"probe":{"id":7,"sent_at":"2026-11-23T12:00:00.123456789Z"}}`},
		{"keepalive, at least", Control{Kind: Keepalive}, `{"control":"keepalive"}`},
		{"commit", Control{Kind: Commit, Probe: &Probe{ID: 7, SentAt: testTime}}, `{"control":"commit","probe":{"id":7,"sent_at":"2026-11-23T12:00:00.123456789Z"}}`},
		{"uncommit", Control{Kind: Uncommit}, `{"control":"uncommit"}`},
		{"start", Control{Kind: Start, At: testTime}, `{"control":"start","at":"2026-11-23T12:00:00.123456789Z"}`},
		{"stop", Control{Kind: Stop, At: testTime, Cause: StopTimeout, Reason: "r", GraceMS: 5}, `{"control":"stop","at":"2026-11-23T12:00:00.123456789Z","cause":"timeout","reason":"r","grace_ms":5}`},
		{"stop, at least", Control{Kind: Stop, Cause: StopAbort}, `{"control":"stop","cause":"abort"}`},
		{
			"contender",
			Contender{Version: 1, Purpose: PurposeContend, Namespace: "ns", Host: "alpha", ReplyTo: "ns.events.X", Waits: true, Worker: WorkerInfo{Machine: "m", PID: 1, Since: testTime}},
			`{"downbeat":1,"purpose":"contend","namespace":"ns","host":"alpha","reply_to":"ns.events.X","waits":true,"worker":{"machine":"m","pid":1,"since":"2026-11-23T12:00:00.123456789Z"}}`,
		},
		{"cancel", Control{Kind: Cancel, ReplyTo: "downbeat.events.X", Reason: "r"}, `{"control":"cancel","reply_to":"downbeat.events.X","reason":"r"}`},
	}
}

const (
	pinnedOutput = "44424f011a30314a443557394d345158335430433956385a3759365235504b05616c70686107154d9748cdaaea1807cf0fac02020368690a900380a8" +
		"d6b907000001ffec57f19f"
	pinnedFiles = "444241011a30314a443557394d345158335430433956385a3759365235504b05616c70686107003c0103612f62a403aab4ba89a9b3d5ea3102026869" +
		"03028f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa40401630178054ee68a6d"
	pinnedCoded = "444241011a30314a443557394d345158335430433956385a3759365235504b05616c706861ac0201c201c2010c02bf017811011500aebc18c7ea"
	pinnedChunk = "444243011a30314a443557394d345158335430433956385a3759365235504b8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc" +
		"327aa480801002686950011702"
	pinnedJobEnvelope = `{"downbeat":1,"purpose":"job","namespace":"downbeat","host":"alpha","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","expires":"2026-11-23T12:01:00.123456789Z","pay` +
		`load":"{\"run\":\"01JD5W9M4QX3T0C9V8Z7Y6R5PK\",\"host\":\"\",\"reply_to\":\"\",\"since\":\"\",\"experiment\":\"\",\"datapoint\":0,\"processes\":[],\"l` +
		`ease_ms\":0,\"window_bytes\":0,\"grace_ms\":0}","key":"af06a3e3291714e4","signature":"v3/NZ6ubtardm53B5lHSgNslHapZYojomaQuPzYLAkSa4fYRacpSlzWbrO9Za068` +
		`+qJPi+eXWB13RD3L7Mv3Dw=="}`
	pinnedControlEnvelope = `{"downbeat":1,"purpose":"control","namespace":"n_s-1","host":"alpha","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","serial":12,"expires":"2026-11-23T12:00:00Z","` +
		`payload":"{\"control\":\"keepalive\",\"reason\":\"\\u003cé\\n\\u003e\"}","key":"2df04125f0015afb","signature":"wrZVccafyJgTEV/XGiE8r28k3xBac2/is4fr6Sd` +
		`jveCOU22Ey+983To1y31OoG0JdEDYVvoKipeqJ7v0rkXXBA=="}`
	pinnedHelloEnvelope = `{"downbeat":1,"purpose":"control","namespace":"downbeat","host":"*","expires":"2026-11-23T12:00:00.123456789Z","payload":"{\"control\":\"hello\",\"rep` +
		`ly_to\":\"downbeat.events.X\"}","key":"af06a3e3291714e4","signature":"4UNcFOxYyOD9TgEC8rhTnIbb4xkLlfpTtc3mRJs4yr5x8WMadem3aGqL3wZV/91I/SBKba7vS6sfDzgD` +
		`m2OjDA=="}`
	pinnedCancelEnvelope = `{"downbeat":1,"purpose":"control","namespace":"downbeat","run":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","serial":1,"expires":"2026-11-23T12:00:00.123456789Z","pay` +
		`load":"{\"control\":\"cancel\"}"}`
	pinnedKeyID      = "af06a3e3291714e4"
	pinnedPublicKey  = "ed25519 rwaj4ykXFOTzVsGcmxXNGVHsbmZiqne+B1R/KJODNB0= me@here"
	pinnedPrivateKey = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh
-----END PRIVATE KEY-----
`
)
