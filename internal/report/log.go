package report

import (
	"slices"
	"strings"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// Output kept of each process, in bytes. It is lowered until the page is small enough.
const (
	mostOutput  = 64 << 10
	leastOutput = 256 // less than this is useless, so none is kept
	// outputOfAll bounds what is read for a report of many runs.
	outputOfAll = 20 << 20
	// failedFactor is how much more is kept of a process that did not end well, whose last
	// output people want to read.
	failedFactor = 4
)

// settleLimit decides how much to keep of each process when the first runs come.
func (r *Report) settleLimit(runs, processes int) {
	if r.limit > 0 || runs == 0 {
		return
	}
	share := int64(outputOfAll / max(runs, r.options.Planned) / max(processes, 1))
	r.limit = min(max(share, 4*leastOutput), mostOutput)
}

// endedBadly reports whether a process did not end well.
func endedBadly(o outcome.Command) bool {
	switch o {
	case outcome.CommandFailed, outcome.CommandTimedOut, outcome.CommandKilled, outcome.CommandLost:
		return true
	case outcome.CommandSucceeded, outcome.CommandStopped, outcome.CommandNotStarted:
	}
	return false
}

// factor is how many times the limit is kept of a process.
func factor(failed bool) int64 {
	if failed {
		return failedFactor
	}
	return 1
}

// A runLog is the output of the processes of a run, and then of its setups and teardowns, in
// the order of its detail.
type runLog []processLog

// A processLog is the beginning and the end of what a process wrote.
type processLog struct {
	// Text has a newline after each line. Invalid UTF-8 is replaced.
	Text string `json:"text"`
	// Times are microseconds since the line before, the first since the run's
	// base; empty where no line has a time.
	Times []int64 `json:"times,omitempty"`
	// Stderr are the numbers of the lines that went to standard error, each as the
	// distance to the one before.
	Stderr []int `json:"stderr,omitempty"`
	// Skipped bytes were left out, after Head lines.
	Skipped int64 `json:"skipped,omitempty"`
	Head    int   `json:"head,omitempty"`
	// Failed says that the process did not end well, so more is kept of it.
	Failed bool `json:"failed,omitempty"`
}

func newProcessLog(e results.Excerpt, base time.Time, failed bool) processLog {
	l := processLog{Skipped: e.SkippedBytes, Head: len(e.Head), Failed: failed}
	var text strings.Builder
	last, lastStderr, timed := int64(0), 0, false
	for n, line := range append(e.Head, e.Tail...) {
		text.WriteString(strings.ToValidUTF8(string(line.Text), "\uFFFD"))
		text.WriteByte('\n')
		at := last
		if !line.Time.IsZero() {
			at, timed = line.Time.Sub(base).Microseconds(), true
		}
		l.Times = append(l.Times, at-last)
		last = at
		if line.Stream == streams.Stderr {
			l.Stderr = append(l.Stderr, n-lastStderr)
			lastStderr = n
		}
	}
	l.Text = text.String()
	if !timed {
		l.Times = nil
	}
	return l
}

func (l runLog) largest() int64 {
	largest := int64(0)
	for _, p := range l {
		largest = max(largest, int64(len(p.Text))/factor(p.Failed))
	}
	return largest
}

func (l runLog) cut() bool {
	return slices.ContainsFunc(l, func(p processLog) bool { return p.Skipped > 0 })
}

// shorten keeps no more than the limit of each process of a run.
func (r *run) shorten(limit int64) error {
	if r.largest <= limit {
		return nil
	}
	var logs runLog
	if err := r.logs.unpack(&logs); err != nil {
		return err
	}
	for i := range logs {
		logs[i].shorten(limit * factor(logs[i].Failed))
	}
	r.largest, r.cut = logs.largest(), logs.cut()
	var err error
	r.logs, err = pack(logs)
	return err
}

// shorten leaves out whole lines around the gap, or around the middle, until at most limit
// bytes are left. A single line that is longer is left out completely.
func (l *processLog) shorten(limit int64) {
	if int64(len(l.Text)) <= limit {
		return
	}
	lines := strings.SplitAfter(l.Text, "\n")
	lines = lines[:len(lines)-1]
	if l.Skipped == 0 {
		l.Head = len(lines) / 2
	}
	head, size := 0, int64(0)
	for head < l.Head && size+int64(len(lines[head])) <= limit/2 {
		size += int64(len(lines[head]))
		head++
	}
	tail, size := len(lines), int64(0)
	for tail > l.Head && size+int64(len(lines[tail-1])) <= limit/2 {
		tail--
		size += int64(len(lines[tail]))
	}
	for _, line := range lines[head:tail] {
		l.Skipped += int64(len(line))
	}
	l.Text = strings.Join(lines[:head], "") + strings.Join(lines[tail:], "")
	l.cutTimes(head, tail)
	l.cutStderr(head, tail)
	l.Head = head
}

// cutTimes leaves out the times of the lines from head to tail.
func (l *processLog) cutTimes(head, tail int) {
	if l.Times == nil {
		return
	}
	gap := int64(0)
	for _, d := range l.Times[head:tail] {
		gap += d
	}
	rest := l.Times[tail:]
	if len(rest) > 0 {
		rest[0] += gap
	}
	l.Times = append(l.Times[:head:head], rest...)
}

// cutStderr leaves out the lines from head to tail, and renumbers those after them.
func (l *processLog) cutStderr(head, tail int) {
	kept := []int{}
	n, last := 0, 0
	for _, d := range l.Stderr {
		n += d
		switch {
		case n < head:
			kept = append(kept, n-last)
			last = n
		case n >= tail:
			moved := n - (tail - head)
			kept = append(kept, moved-last)
			last = moved
		}
	}
	l.Stderr = kept
}
