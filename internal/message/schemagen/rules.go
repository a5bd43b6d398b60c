package main

import (
	"downbeat/internal/message"
)

// The patterns of texts.
const (
	namePattern      = `^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$`
	namespacePattern = `^[A-Za-z0-9_][A-Za-z0-9_-]{0,31}$`
	runPattern       = `^[0-7][0-9A-HJKMNP-TV-Z]{25}$`
	replyPattern     = `^[A-Za-z0-9_][A-Za-z0-9_-]{0,31}\.events\.[A-Za-z0-9_-]{1,64}$`
	timePattern      = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|\+00:00)$`
	sumPattern       = `^[0-9a-f]{64}$`
)

var (
	isName      = schema{"pattern": namePattern}
	isRun       = schema{"pattern": runPattern}
	isReply     = schema{"pattern": replyPattern}
	isSum       = schema{"pattern": sumPattern}
	isSignal    = schema{"enum": message.Signals()}
	isVersion   = schema{"const": message.Version}
	notNegative = schema{"minimum": 0}
	positive    = schema{"minimum": 1}
	notEmpty    = schema{"minItems": 1}
	answered    = schema{"required": []string{"taken_at", "answered_at"}}
	causes      = schema{"enum": []message.StopCause{message.StopRule, message.StopTimeout, message.StopFailure, message.StopAbort, message.StopLease}}
)

// rules are what the schemas say beyond the Go types, by type, or type and field.
var rules = map[string]schema{
	"Envelope":           {"additionalProperties": false, "dependentRequired": schema{"key": []string{"signature"}, "signature": []string{"key"}}},
	"Envelope.downbeat":  isVersion,
	"Envelope.payload":   {"contentMediaType": "application/json", "contentSchema": schema{"$ref": "payload.schema.json"}},
	"Envelope.key":       {"pattern": `^[0-9a-f]{16}$`},
	"Envelope.signature": {"pattern": `^[A-Za-z0-9+/]{86}==$`},

	"Payload": {"allOf": []schema{
		when("purpose", message.PurposeJob, "job", "host", "run", "reply_to"),
		when("purpose", message.PurposeControl, "control"),
		{"not": schema{"required": []string{"job", "control"}}},
		whenControl(message.Hello, schema{"required": []string{"host", "reply_to"}, "not": schema{"required": []string{"run"}}}),
		whenControl(message.Cancel, schema{"required": []string{"run", "serial", "reply_to"}, "not": schema{"required": []string{"host"}}}),
		ofARun(),
	}},
	"Payload.purpose":   {"enum": []message.Purpose{message.PurposeJob, message.PurposeControl}},
	"Payload.namespace": {"pattern": namespacePattern},
	"Payload.host":      {"anyOf": []schema{isName, {"const": message.AnyHost}}},
	"Payload.run":       isRun,
	"Payload.serial":    positive,
	"Payload.reply_to":  isReply,

	"Job.needs":        {"uniqueItems": true},
	"Job.since":        isRun,
	"Job.commands":     {"minItems": 1, "contains": schema{"properties": schema{"phase": schema{"const": message.PhaseRun}}}},
	"Job.lease_ms":     positive,
	"Job.window_bytes": positive,
	"Job.grace_ms":     notNegative,
	"Job.sample_ms":    {"anyOf": []schema{{"const": 0}, {"minimum": message.MinSampleMS}}},

	"Command": {
		"if":   schema{"properties": schema{"phase": schema{"const": message.PhaseRun}}},
		"then": schema{"properties": schema{"timeout_ms": schema{"const": 0}}},
		"else": schema{
			"required": []string{"timeout_ms"}, "properties": schema{"delay_ms": schema{"const": 0}, "beat": schema{"const": 0}, "timeout_ms": positive},
			"not": schema{"anyOf": []schema{{"required": []string{"ready"}}, {"required": []string{"restart"}}, {"required": []string{"stop"}}}},
		},
	},
	"Command.name":       isName,
	"Command.phase":      {"enum": []message.Phase{message.PhaseSetup, message.PhaseRun, message.PhaseAction, message.PhaseTeardown}},
	"Command.group":      isName,
	"Command.index":      notNegative,
	"Command.rank":       notNegative,
	"Command.local":      notNegative,
	"Command.argv":       notEmpty,
	"Command.delay_ms":   notNegative,
	"Command.timeout_ms": notNegative,
	"Command.beat":       {"minimum": 0, "exclusiveMaximum": message.MaxBeats},

	"Readiness": {"oneOf": []schema{
		{"required": []string{"port"}}, {"required": []string{"line"}}, {"required": []string{"http"}}, {"required": []string{"file"}}, {"required": []string{"run"}},
	}},
	"Readiness.port":       {"minimum": 1, "maximum": 65535},
	"Readiness.line":       {"minLength": 1},
	"Readiness.http":       {"minLength": 1},
	"Readiness.status":     {"minimum": 0, "maximum": 999},
	"Readiness.file":       {"minLength": 1},
	"Readiness.run":        notEmpty,
	"Readiness.within_ms":  positive,
	"Readiness.every_ms":   notNegative,
	"Restart.on":           {"enum": []message.RestartOn{message.RestartOnFailure, message.RestartAlways}},
	"Restart.at_most":      {"minimum": 1, "maximum": message.MaxLives},
	"Restart.wait_ms":      notNegative,
	"CommandStop.signal":   isSignal,
	"CommandStop.grace_ms": notNegative,

	"Action": {"allOf": []schema{
		when("do", message.ActSignal, "signal"), when("do", message.ActPause, "for_ms"),
		{"if": schema{"properties": schema{"called": schema{"const": true}}, "required": []string{"called"}}, "else": schema{"required": []string{"commands"}}},
	}},
	"Action.action":   {"minimum": 0, "exclusiveMaximum": message.MaxActions},
	"Action.do":       {"enum": []message.ActionKind{message.ActSignal, message.ActPause, message.ActStart, message.ActStop, message.ActRun}},
	"Action.beat":     {"minimum": 0, "exclusiveMaximum": message.MaxBeats},
	"Action.after_ms": notNegative,
	"Action.commands": notEmpty,
	"Action.signal":   isSignal,
	"Action.for_ms":   notNegative,
	"Watch.line":      {"minLength": 1},
	"Watch.commands":  notEmpty,
	"Watch.most":      {"minimum": 1, "maximum": message.MaxLives},

	"File.path":   {"minLength": 1, "pattern": `^[^/]`},
	"File.mode":   {"maximum": 0o777},
	"File.bytes":  notNegative,
	"File.sha256": isSum,

	"Control": {"allOf": []schema{
		when("control", message.Hello, "nonce"), when("control", message.Start, "at"), when("control", message.Stop, "cause"),
		when("control", message.Act, "at", "commands"), when("control", message.Respond, "answers"),
	}},
	"Control.control": {"enum": []message.ControlKind{
		message.Hello, message.Keepalive, message.Commit, message.Uncommit, message.Start, message.Act, message.Respond, message.Stop, message.Cancel,
	}},
	"Control.beat":      {"minimum": 0, "exclusiveMaximum": message.MaxBeats},
	"Control.action":    notNegative,
	"Control.turn":      notNegative,
	"Control.commands":  notEmpty,
	"Control.answers":   notEmpty,
	"Control.from_beat": {"minimum": 0, "exclusiveMaximum": message.MaxBeats},
	"Control.cause":     causes,
	"Control.grace_ms":  notNegative,
	"Control.nonce":     {"minLength": 1, "maxLength": message.MaxNonce},

	"Event": {"allOf": []schema{
		when("event", message.Waiting, "run", "waiting"), when("event", message.SettingUp, "run"), when("event", message.Refused, "refused"),
		when("event", message.Ready, "run", "ready"), when("event", message.Committed, "run"), when("event", message.Armed, "run", "armed"),
		when("event", message.ProcessReady, "run", "process_ready"), when("event", message.Acted, "run", "acted"), when("event", message.Seen, "run", "seen"),
		when("event", message.Asked, "run", "asked"), when("event", message.Started, "run", "started"), when("event", message.Facts, "run", "facts"),
		when("event", message.Exited, "run", "exited"), when("event", message.Stopping, "run", "stopping"), when("event", message.TearingDown, "run"),
		when("event", message.Ended, "run"), when("event", message.Done, "run", "done"), when("event", message.Want, "run", "want"),
		when("event", message.Heartbeat, "run", "heartbeat"), when("event", message.Here, "here"), when("event", message.Cancelled, "run", "cancelled"),
	}},
	"Event.downbeat": isVersion,
	"Event.event":    {"minLength": 1},
	"Event.run":      isRun,
	"Event.host":     {"anyOf": []schema{isName, {"const": ""}}},
	"Event.seq":      positive,
	"Event.started":  notEmpty,

	"ArmedInfo.beat":           notNegative,
	"ProcessReadyInfo.command": notNegative,
	"ProcessReadyInfo.life":    notNegative,
	"ActedInfo.action":         notNegative,
	"ActedInfo.turn":           notNegative,
	"ActedInfo.command":        notNegative,
	"ActedInfo.life":           notNegative,
	"SeenInfo.action":          notNegative,
	"SeenInfo.command":         notNegative,
	"SeenInfo.life":            notNegative,
	"AskedInfo":                {"allOf": []schema{when("what", message.AskBarrier, "count")}},
	"AskedInfo.id":             positive,
	"AskedInfo.what":           {"enum": []message.AskedWhat{message.AskBarrier, message.AskPut, message.AskGet, message.AskMark}},
	"AskedInfo.name":           isName,
	"AskedInfo.count":          {"minimum": 1, "maximum": message.MaxSyncNames},
	"AskedInfo.within_ms":      notNegative,
	"ProgramInfo.commands":     notEmpty,
	"ProgramFacts.path":        {"minLength": 1},
	"ProgramFacts.bytes":       notNegative,
	"ProgramFacts.sha256":      isSum,
	"FileFacts.bytes":          notNegative,
	"FileFacts.sha256":         isSum,
	"ForeignProcess.cpu":       notNegative,
	"StartedInfo.life":         notNegative,
	"ExitedInfo.life":          notNegative,
	"ExitedInfo.action":        notNegative,
	"WaitingInfo.behind":       isRun,
	"ReadyInfo.hold":           {"enum": []string{"ptrace", "none"}},
	"CommittedInfo.probe":      answered,
	"StartedInfo.command":      notNegative,
	"StartedInfo.pid":          notNegative,
	"ExitedInfo":               {"if": schema{"properties": schema{"exit_code": schema{"minimum": 1}}}, "then": schema{"properties": schema{"signal": schema{"const": ""}}}},
	"ExitedInfo.command":       notNegative,
	"ExitedInfo.exit_code":     {"minimum": -1, "maximum": 255},
	"ExitedInfo.signal":        {"pattern": `^(SIG[A-Z0-9+-]+|)$`},
	"ExitedInfo.swept":         notNegative,
	"StoppingInfo.cause":       causes,
	"StoppingInfo.from_beat":   {"minimum": 0, "exclusiveMaximum": message.MaxBeats},
	"DoneInfo":                 {"if": schema{"properties": schema{"outcome": schema{"not": schema{"const": message.HostLost}}}}, "then": schema{"required": []string{"totals"}}},
	"DoneInfo.outcome":         {"enum": []string{message.HostDone, message.HostStopped, message.HostLost}},
	"DoneInfo.swept":           notNegative,
	"HeartbeatInfo.probe":      answered,
	"HereInfo.run":             isRun,
	"HereInfo.nonce":           {"minLength": 1, "maxLength": message.MaxNonce},
	"HereInfo.probe":           answered,
	"HereInfo.waiting":         {"maxItems": 8},
	"WantInfo.sha256":          isSum,
	"WantInfo.offset":          notNegative,
	"WantInfo.bytes":           positive,
	"WantInfo.done":            notNegative,
	"WantInfo.total":           notNegative,
	"ExitedInfo.user_us":       notNegative,
	"ExitedInfo.system_us":     notNegative,
	"ExitedInfo.max_rss_bytes": notNegative,
}

// when says which fields there have to be where a field has that value.
func when(field string, value any, fields ...string) schema {
	return schema{
		"if":   schema{"properties": schema{field: schema{"const": value}}, "required": []string{field}},
		"then": schema{"required": fields},
	}
}

// whenControl says what holds for the payload around a control of that kind.
func whenControl(kind message.ControlKind, then schema) schema {
	return schema{"if": aroundControl(schema{"const": kind}), "then": then}
}

// ofARun says what holds for the payload around the controls of a run.
func ofARun() schema {
	not := schema{"not": schema{"enum": []message.ControlKind{message.Hello, message.Cancel}}}
	return schema{"if": aroundControl(not), "then": schema{"required": []string{"host", "run", "serial"}, "properties": schema{"host": isName}}}
}

func aroundControl(kind schema) schema {
	return schema{
		"properties": schema{"control": schema{"properties": schema{"control": kind}, "required": []string{"control"}}},
		"required":   []string{"control"},
	}
}
