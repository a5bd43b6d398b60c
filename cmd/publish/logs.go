package main

import (
	"bufio"
	"errors"
	"syscall"

	"downbeat/internal/results"
)

// logTime is the time before a line: to the microsecond, on the publisher's clock.
const logTime = "15:04:05.000000"

// printLogs prints the lines that the filter takes, tagged as when they came.
func (a *app) printLogs(reader *results.Reader, filter results.Filter, times bool) error {
	out := bufio.NewWriterSize(a.std.out, 1<<16)
	var problems []error
	for line, err := range reader.Logs(filter) {
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if times {
			_, _ = out.WriteString(line.Time.UTC().Format(logTime) + " ")
		}
		_, _ = out.WriteString(line.Host + "/" + line.Process + " | ")
		_, _ = out.Write(line.Text)
		if err := out.WriteByte('\n'); err != nil {
			break // told by Flush
		}
	}
	if err := out.Flush(); err != nil && !errors.Is(err, syscall.EPIPE) {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return &exitError{exitFailed, err}
	}
	return nil
}
