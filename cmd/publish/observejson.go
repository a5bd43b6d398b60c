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
	"downbeat/internal/streams"
)

// jsonObserver prints one object per line, for programs.
type jsonObserver struct {
	*progress
	run      string
	out      io.Writer
	quiet    bool
	commands []experiment.Command
	parts    [][2][]byte // by command and stream: a line whose end has not come
}

// jsonEvent is an object of --output json. Which fields there are depends on
// Event; docs/guide.md describes them.
type jsonEvent struct {
	Event string `json:"event"`
	Run   string `json:"run"`
	// Directory is that of the run; only for stored lines.
	Directory string    `json:"directory,omitempty"`
	Host      string    `json:"host,omitempty"`
	Process   string    `json:"process,omitempty"`
	Time      time.Time `json:"time,omitzero"`
	// ErrorUS is by how much Time may be wrong; only for stored lines.
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
	Life   *results.LifeRecord    `json:"life,omitempty"`
	Beat   *int                   `json:"beat,omitempty"`
	Groups []string               `json:"groups,omitempty"`
	Action *results.ActionRecord  `json:"action,omitempty"`
	Mark   *results.MarkRecord    `json:"mark,omitempty"`
	Cause  message.StopCause      `json:"cause,omitempty"`
	Reason string                 `json:"reason,omitempty"`
	Record *results.Record        `json:"record,omitempty"`
}

// longestPart is how much of a line is kept until its end comes; a longer line
// is printed in parts.
const longestPart = 1 << 20

func newJSONObserver(a *app, dp *experiment.Datapoint, p *progress) *jsonObserver {
	commands := dp.Commands()
	return &jsonObserver{
		progress: p, run: dp.Run, out: a.out, quiet: a.flags.Quiet, commands: commands, parts: make([][2][]byte, len(commands)),
	}
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

// escapeC1 escapes the control characters that JSON allows and a terminal may obey.
func escapeC1(line []byte) []byte {
	if bytes.IndexByte(line, 0x7f) < 0 && bytes.IndexByte(line, 0xc2) < 0 { // the first bytes of all of them
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
	c := &o.commands[process]
	o.print(jsonEvent{Event: "started", Host: c.Host, Process: c.Name, PID: pid, Time: at})
}

func (o *jsonObserver) judging(p *experiment.Program) {
	o.progress.judging(p)
	o.print(jsonEvent{Event: "judging", Detail: p.String()})
}

// Beat implements [publisher.Observer].
func (o *jsonObserver) Beat(beat int, groups []string, at time.Time) {
	o.progress.Beat(beat, groups, at)
	o.print(jsonEvent{Event: "beat", Beat: &beat, Groups: groups, Time: at})
}

// ProcessReady implements [publisher.Observer].
func (o *jsonObserver) ProcessReady(process int, at time.Time) {
	o.progress.ProcessReady(process, at)
	c := &o.commands[process]
	o.print(jsonEvent{Event: "process_ready", Host: c.Host, Process: c.Name, Time: at})
}

// LifeEnded implements [publisher.Observer].
func (o *jsonObserver) LifeEnded(process int, life results.LifeRecord) {
	o.progress.LifeEnded(process, life)
	c := &o.commands[process]
	o.print(jsonEvent{Event: "life_ended", Host: c.Host, Process: c.Name, Time: life.EndedAt, Life: &life})
}

// Acted implements [publisher.Observer].
func (o *jsonObserver) Acted(a results.ActionRecord) {
	o.progress.Acted(a)
	o.print(jsonEvent{Event: "action", Host: a.Host, Process: a.Target, Time: a.At, Action: &a})
}

// Marked implements [publisher.Observer].
func (o *jsonObserver) Marked(m results.MarkRecord) {
	o.progress.Marked(m)
	o.print(jsonEvent{Event: "mark", Host: m.Host, Process: m.Process, Time: m.At, Mark: &m})
}

// Output implements [publisher.Observer].
func (o *jsonObserver) Output(command int, stream streams.Stream, at time.Time, data []byte) {
	if o.quiet {
		return
	}
	part := &o.parts[command][stream]
	for len(data) > 0 {
		line, rest, whole := bytes.Cut(data, []byte{'\n'})
		*part = append(*part, line...)
		data = rest
		if whole || len(*part) >= longestPart {
			o.line(command, stream, at, *part, !whole)
			*part = (*part)[:0]
		}
	}
}

func (o *jsonObserver) line(command int, stream streams.Stream, at time.Time, line []byte, partial bool) {
	c := &o.commands[command]
	e := outputEvent(line)
	e.Host, e.Process, e.Time, e.Stream, e.Part = c.Host, c.Name, at, stream.String(), partial
	o.print(e)
}

// outputEvent is the event of a line, without its host, process and stream.
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
	c := &o.commands[step]
	o.print(jsonEvent{Event: "step", Host: c.Host, Process: c.Name, Time: r.EndedAt, Step: &r})
}

// Stopping implements [publisher.Observer].
func (o *jsonObserver) Stopping(cause message.StopCause, reason string) {
	o.progress.Stopping(cause, reason)
	o.print(jsonEvent{Event: "stopping", Cause: cause, Reason: reason})
}

func (o *jsonObserver) close(record results.Record) {
	o.tellUndone()
	for command, parts := range o.parts {
		for stream, part := range parts {
			if len(part) > 0 {
				o.line(command, streams.Stream(stream), time.Now(), part, false)
			}
		}
	}
	if record.Outcome != "" {
		record = record.Normal()
		o.print(jsonEvent{Event: "run", Time: record.EndedAt, Record: &record})
	}
}
