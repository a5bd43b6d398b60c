package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"

	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// logTime is the time before a line: to the microsecond, on the publisher's clock.
const logTime = "15:04:05.000000"

// printLogs prints the lines that the filter takes, tagged as when they came.
func (a *app) printLogs(reader *results.Reader, filter results.Filter, times bool) error {
	out := bufio.NewWriterSize(a.out, 1<<16)
	shown := newLogDisplay(a.std.out)
	var problems []error
	for line, err := range reader.Logs(filter) {
		if err != nil {
			problems = append(problems, err)
			continue
		}
		prefix := line.Host + "/" + line.Process + " | "
		if times {
			prefix = line.Time.UTC().Format(logTime) + " " + prefix
		}
		if err := shown.print(out, prefix, line); err != nil {
			break // told at the end, as for every command
		}
	}
	_ = out.Flush() // so is this
	if err := errors.Join(problems...); err != nil {
		return &exitError{exitFailed, err}
	}
	return nil
}

// A logDisplay prints lines of the past: on a terminal as they were shown there
// when they came, elsewhere byte for byte.
type logDisplay struct {
	like    *terminal.Display // nil: no terminal
	streams map[logStream]*terminal.Display
	shown   []byte
}

type logStream struct {
	run, host, process string
	stderr             bool
}

func newLogDisplay(f *os.File) *logDisplay {
	return &logDisplay{like: terminal.DisplayOn(f, os.Getenv("TERM")), streams: make(map[logStream]*terminal.Display)}
}

// print prints one line, which may become several on a terminal, each after the prefix.
func (d *logDisplay) print(out *bufio.Writer, prefix string, line results.Line) error {
	if d.like == nil {
		_, _ = out.WriteString(prefix)
		_, _ = out.Write(line.Text)
		return out.WriteByte('\n')
	}
	key := logStream{line.Run, line.Host, line.Process, line.Stderr}
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
