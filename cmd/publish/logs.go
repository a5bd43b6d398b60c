package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"

	"downbeat/internal/results"
	"downbeat/internal/streams"
	"downbeat/internal/terminal"
)

// logTime is the format of the time before a line, on the publisher's clock.
const logTime = "15:04:05.000000"

// printLogs prints the lines that pass the filter, tagged as they were during the run; with
// several runs, each tag begins with the run's directory.
func (a *app) printLogs(reader *results.Reader, filter results.Filter, times bool) error {
	out := bufio.NewWriterSize(a.out, 1<<16)
	display := newLogDisplay(a.std.out)
	several := len(reader.Runs()) > 1
	write := func(line results.Line) error { return display.print(out, logPrefix(line, several, times), line) }
	if a.flags.Output == "json" {
		write = newLogEncoder(reader, out).encode
	}
	var problems []error
	for line, err := range reader.Logs(filter) {
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if err := write(line); err != nil {
			break // reported at the end, as for every command
		}
	}
	_ = out.Flush() // so is this
	if err := errors.Join(problems...); err != nil {
		return &exitError{exitFailed, err}
	}
	return nil
}

// logPrefix is the tag that says where a line comes from.
func logPrefix(line results.Line, several, times bool) string {
	prefix := line.Host + "/" + line.Process + " | "
	if several {
		prefix = line.Run + "/" + prefix
	}
	if times {
		prefix = line.Time.UTC().Format(logTime) + " " + prefix
	}
	return prefix
}

// A logEncoder prints stored lines as the objects that --output json prints during a run.
type logEncoder struct {
	out  io.Writer
	dirs map[string]string // directories of the runs, by name
	run  string            // the name of the latest run
	id   string            // its id; empty if it has no record
	host map[string]*results.HostRecord
}

func newLogEncoder(reader *results.Reader, out io.Writer) *logEncoder {
	e := &logEncoder{out: out, dirs: make(map[string]string)}
	for _, dir := range reader.Runs() {
		e.dirs[results.RunName(dir)] = dir
	}
	return e
}

func (e *logEncoder) encode(line results.Line) error {
	if line.Run != e.run {
		rec, _ := results.ReadRecord(e.dirs[line.Run]) // an interrupted run has none
		e.run, e.id, e.host = line.Run, rec.Run, make(map[string]*results.HostRecord)
		for i := range rec.Hosts {
			e.host[rec.Hosts[i].Host] = &rec.Hosts[i]
		}
	}
	event := outputEvent(line.Text)
	event.Run, event.Directory, event.Host, event.Process = e.id, line.Run, line.Host, line.Process
	event.Stream, event.Time = line.Stream.String(), line.Time.UTC()
	if host := e.host[line.Host]; host != nil {
		event.ErrorUS = host.LineErrorUS(line.Time)
	}
	data, err := json.Marshal(event)
	if err != nil {
		return err
	}
	_, err = e.out.Write(append(escapeC1(data), '\n'))
	return err
}

// A logDisplay prints stored lines: on a terminal as they are shown there during a run,
// elsewhere byte for byte.
type logDisplay struct {
	like    *terminal.Display // nil: not a terminal
	streams map[logStream]*terminal.Display
	shown   []byte
}

type logStream struct {
	run, host, process string
	stream             streams.Stream
}

func newLogDisplay(f *os.File) *logDisplay {
	return &logDisplay{like: terminal.DisplayOn(f, os.Getenv("TERM")), streams: make(map[logStream]*terminal.Display)}
}

// print prints one line, with the prefix; on a terminal it may become several, each with the
// prefix.
func (d *logDisplay) print(out *bufio.Writer, prefix string, line results.Line) error {
	if d.like == nil {
		_, _ = out.WriteString(prefix)
		_, _ = out.Write(line.Text)
		return out.WriteByte('\n')
	}
	key := logStream{line.Run, line.Host, line.Process, line.Stream}
	display := d.streams[key]
	if display == nil {
		display = &terminal.Display{Plain: d.like.Plain}
		d.streams[key] = display
	}
	d.shown = display.Append(display.Append(d.shown[:0], line.Text), []byte{'\n'})
	for text := range bytes.Lines(d.shown) {
		_, _ = out.WriteString(prefix)
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	return nil
}
