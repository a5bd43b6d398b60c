package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/publisher"
	"downbeat/internal/results"
)

// jsonObserver prints one object a line, for programs.
type jsonObserver struct {
	*progress
	run   string
	out   io.Writer
	quiet bool
	dp    *experiment.Datapoint
	steps []experiment.Step
	parts [][2][]byte // by process or step, and stream: the beginning of a line
}

// jsonEvent is an object of --output json. Which fields there are depends on
// Event; docs/guide.md describes them.
type jsonEvent struct {
	Event string `json:"event"`
	Run   string `json:"run"`
	// Directory is that of the run; only where what is printed is of the past.
	Directory string    `json:"directory,omitempty"`
	Host      string    `json:"host,omitempty"`
	Process   string    `json:"process,omitempty"`
	Time      time.Time `json:"time,omitzero"`
	// ErrorUS is by how much Time may be wrong; only of lines of the past.
	ErrorUS int64 `json:"error_us,omitempty"`

	Phase  string                 `json:"phase,omitempty"`
	Detail string                 `json:"detail,omitempty"`
	PID    int                    `json:"pid,omitempty"`
	Stream string                 `json:"stream,omitempty"`
	Line   *string                `json:"line,omitempty"`
	Bytes  []byte                 `json:"line_base64,omitempty"`
	Part   bool                   `json:"partial,omitempty"`
	Exit   *results.ProcessRecord `json:"exit,omitempty"`
	Step   *results.StepRecord    `json:"step,omitempty"`
	Cause  message.StopCause      `json:"cause,omitempty"`
	Reason string                 `json:"reason,omitempty"`
	Record *results.Record        `json:"record,omitempty"`
}

// longestPart is how much of a line is kept until its end comes; a longer line
// is printed in parts.
const longestPart = 1 << 20

func newJSONObserver(a *app, dp *experiment.Datapoint, p *progress) *jsonObserver {
	steps := dp.Steps()
	return &jsonObserver{
		progress: p, run: dp.Run, out: a.out, quiet: a.flags.Quiet, dp: dp, steps: steps,
		parts: make([][2][]byte, len(dp.Processes)+len(steps)),
	}
}

// source names what wrote some output.
func (o *jsonObserver) source(process int) (host, name string) {
	if at := process - len(o.dp.Processes); at >= 0 {
		return o.steps[at].Host, o.steps[at].Name
	}
	return o.dp.Processes[process].Host, o.dp.Processes[process].Name
}

func (o *jsonObserver) print(e jsonEvent) {
	e.Run = o.run
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC().Round(0)
	line, err := json.Marshal(e)
	if err == nil {
		_, _ = o.out.Write(append(escapeC1(line), '\n'))
	}
}

// escapeC1 escapes the control characters that JSON lets pass, and a terminal may obey.
func escapeC1(line []byte) []byte {
	if bytes.IndexByte(line, 0x7f) < 0 && bytes.IndexByte(line, 0xc2) < 0 { // with which they begin
		return line
	}
	escaped := make([]byte, 0, len(line)+64)
	for _, c := range string(line) { // valid UTF-8
		if c >= 0x7f && c < 0xa0 {
			escaped = fmt.Appendf(escaped, "\\u%04x", c)
		} else {
			escaped = utf8.AppendRune(escaped, c)
		}
	}
	return escaped
}

// Host implements [publisher.Observer].
func (o *jsonObserver) Host(host string, phase publisher.Phase, detail string) {
	o.progress.Host(host, phase, detail)
	event := "host"
	if phase == publisher.Ready {
		event = "ready"
	}
	o.print(jsonEvent{Event: event, Host: host, Phase: phase.String(), Detail: detail})
}

// Started implements [publisher.Observer].
func (o *jsonObserver) Started(process, pid int, at time.Time) {
	o.progress.Started(process, pid, at)
	p := o.dp.Processes[process]
	o.print(jsonEvent{Event: "started", Host: p.Host, Process: p.Name, PID: pid, Time: at})
}

// Output implements [publisher.Observer].
func (o *jsonObserver) Output(process int, stream message.Stream, at time.Time, data []byte) {
	if o.quiet {
		return
	}
	part := &o.parts[process][stream]
	for len(data) > 0 {
		line, rest, whole := bytes.Cut(data, []byte{'\n'})
		*part = append(*part, line...)
		data = rest
		if whole || len(*part) >= longestPart {
			o.line(process, stream, at, *part, !whole)
			*part = (*part)[:0]
		}
	}
}

func (o *jsonObserver) line(process int, stream message.Stream, at time.Time, line []byte, partial bool) {
	host, name := o.source(process)
	e := outputEvent(line)
	e.Host, e.Process, e.Time, e.Stream, e.Part = host, name, at, stream.String(), partial
	o.print(e)
}

// outputEvent is the event of a line, but for whose it is.
func outputEvent(line []byte) jsonEvent {
	e := jsonEvent{Event: "output"}
	if utf8.Valid(line) {
		text := string(line)
		e.Line = &text
	} else {
		e.Bytes = line
	}
	return e
}

// Exited implements [publisher.Observer].
func (o *jsonObserver) Exited(process int, r results.ProcessRecord) {
	o.progress.Exited(process, r)
	o.print(jsonEvent{Event: "exited", Host: r.Host, Process: r.Process, Time: r.EndedAt, Exit: &r})
}

// Step implements [publisher.Observer].
func (o *jsonObserver) Step(step int, r results.StepRecord) {
	o.progress.Step(step, r)
	host, name := o.source(step)
	o.print(jsonEvent{Event: "step", Host: host, Process: name, Time: r.EndedAt, Step: &r})
}

// Stopping implements [publisher.Observer].
func (o *jsonObserver) Stopping(cause message.StopCause, reason string) {
	o.progress.Stopping(cause, reason)
	o.print(jsonEvent{Event: "stopping", Cause: cause, Reason: reason})
}

func (o *jsonObserver) close(record results.Record) {
	for process, parts := range o.parts {
		for stream, part := range parts {
			if len(part) > 0 {
				o.line(process, message.Stream(stream), time.Now(), part, false)
			}
		}
	}
	if record.Outcome != "" {
		record = record.Normal()
		o.print(jsonEvent{Event: "run", Time: record.EndedAt, Record: &record})
	}
}
