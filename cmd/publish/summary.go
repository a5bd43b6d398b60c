package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// summarize prints a few lines on standard error about a run that is over. waits are the groups
// that its stop rule waits for.
func (a *app) summarize(r results.Record, took time.Duration, dir string, waits []string) {
	var b strings.Builder
	word := strings.ReplaceAll(string(r.Outcome), "_", " ")
	paint := a.style.Bad
	if r.Outcome == outcome.RunSucceeded {
		paint = a.style.Good
	}
	fmt.Fprintf(&b, "%s%s: %s after %s", r.Experiment, a.place, paint(word), terminal.Duration(took))
	if r.Reason != "" {
		fmt.Fprintf(&b, ": %s", r.Reason)
	}
	b.WriteByte('\n')
	a.togetherness(&b, r)
	metrics(&b, r)
	checks(&b, r)
	failures(&b, r, dir, waits)
	notes(&b, r)
	missing(&b, r)
	fmt.Fprintf(&b, "  run %s, results in %s\n", r.Run, dir)
	a.say("%s", b.String())
}

// say writes to standard error, above the live line. It doesn't wait for the reader.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.err, format, args...)
}

// togetherness prints how close to each other the processes started and stopped.
func (a *app) togetherness(b *strings.Builder, r results.Record) {
	started, lines, bytes := 0, uint64(0), uint64(0)
	for _, p := range r.Processes {
		if !p.StartedAt.IsZero() {
			started++
		}
	}
	unheld := ""
	for _, h := range r.Hosts {
		lines += h.Lines
		bytes += h.Bytes
		if h.Hold == "none" {
			unheld = " (not held before: this platform or its settings do not allow ptrace)"
		}
	}
	if started == 0 {
		b.WriteString("  nothing was started\n")
		return
	}
	fmt.Fprintf(b, "  %s on %s started%s", processes(started), terminal.Count(uint64(len(r.Hosts)), "host"), starting(r, started))
	if r.Stopped() {
		b.WriteString(" and stopped" + stopping(r))
	}
	fmt.Fprintf(b, ", clocks known to ±%s%s\n", terminal.UpTo(time.Duration(r.ClockErrorUS)*time.Microsecond), unheld)
	fmt.Fprintf(b, "  %s, %s of output\n", terminal.Count(lines, "line"), terminal.Size(bytes))
	if files, size := collected(r); files > 0 {
		fmt.Fprintf(b, "  %s collected, %s\n", terminal.Count(files, "file"), terminal.Size(size))
	}
}

// starting says how close together the processes started: of the widest beat, if there are
// several.
func starting(r results.Record, started int) string {
	if len(r.Beats) <= 1 {
		if started <= 1 {
			return ""
		}
		return " within " + bounded(r.StartSkewUS, r.StartBoundUS())
	}
	came, widest := 0, results.BeatRecord{}
	for _, beat := range r.Beats {
		if !beat.ReleasedAt.IsZero() {
			came++
		}
		if max(beat.StartSkewUS, beat.StartBoundUS()) > max(widest.StartSkewUS, widest.StartBoundUS()) { // as far as is sure
			widest = beat
		}
	}
	text := fmt.Sprintf(" in %s", terminal.Count(uint64(came), "beat"))
	if came < len(r.Beats) {
		text = fmt.Sprintf(" in %d of %d beats", came, len(r.Beats))
	}
	if widest.StartSkewUS == 0 { // no beat has several processes
		return text
	}
	return text + ", each within " + bounded(widest.StartSkewUS, widest.StartBoundUS())
}

// stopping says how close together the hosts sent the signals of the stop, unless there was only
// one, and how long after the first the last process exited, which old records don't have.
func stopping(r results.Record) string {
	stopped := 0
	for _, h := range r.Hosts {
		if !h.StoppedAt.IsZero() {
			stopped++
		}
	}
	where := "every host"
	if stopped < len(r.Hosts) {
		where = fmt.Sprintf("%d of %d hosts", stopped, len(r.Hosts))
	}
	text := ""
	if stopped > 1 {
		text = " within " + bounded(r.StopSkewUS, r.StopBoundUS())
	}
	text += " (on " + where
	if r.StopExitUS > 0 {
		text += "; the last exit came " + bounded(r.StopExitUS, r.StopExitBoundUS()) + " after the first signal"
	}
	return text + ")"
}

// collected counts the collected files and their bytes.
func collected(r results.Record) (files, size uint64) {
	for _, h := range r.Hosts {
		for _, f := range h.Collected {
			files++
			size += f.Bytes
		}
	}
	return files, size
}

// bounded formats a skew, as "< 290 µs" if it is below the bound of its error.
func bounded(us, bound int64) string {
	return terminal.Bounded(time.Duration(us)*time.Microsecond, time.Duration(bound)*time.Microsecond)
}

// most is how many failures are listed; all of them are in the results.
const most = 10

// failures lists the processes, and the commands of actions and teardowns, that did not end as they should
// have; dir holds their output. Processes that timed out come last, and of them first those
// that the stop rule waits for: the others would have been stopped anyway.
func failures(b *strings.Builder, r results.Record, dir string, waits []string) {
	var lines []string
	for _, p := range slices.SortedStableFunc(slices.Values(r.Processes), func(p, q results.ProcessRecord) int {
		return cmp.Compare(lateness(p, waits), lateness(q, waits))
	}) {
		switch p.Outcome {
		case outcome.CommandFailed, outcome.CommandKilled, outcome.CommandTimedOut, outcome.CommandLost:
		case outcome.CommandNotStarted:
			if p.Reason == "" {
				continue
			}
		default:
			continue
		}
		word := strings.ReplaceAll(string(p.Outcome), "_", " ")
		lines = append(lines, fmt.Sprintf("  %s/%s %s: %s%s\n", p.Host, p.Process, word, p.Reason, lastWords(p, dir)))
	}
	lines = append(lines, failedActions(r, dir)...)
	lines = append(lines, failedTeardowns(r, dir)...)
	for i, line := range lines {
		if i == most && len(lines) > most+1 {
			fmt.Fprintf(b, "  ... and %d more; see run.json\n", len(lines)-most)
			return
		}
		b.WriteString(line)
	}
}

func lateness(p results.ProcessRecord, waits []string) int {
	switch {
	case p.Outcome != outcome.CommandTimedOut:
		return 0
	case slices.Contains(waits, p.Group):
		return 1
	}
	return 2
}

// failedActions lists the commands of actions that did not succeed, with their last words.
func failedActions(r results.Record, dir string) []string {
	var lines []string
	for _, h := range r.Hosts {
		for _, s := range h.Acted {
			if s.Outcome == outcome.CommandSucceeded || s.Outcome == outcome.CommandStopped {
				continue
			}
			lines = append(lines, fmt.Sprintf("  %s/%s %s: %s%s\n",
				h.Host, s.Name, strings.ReplaceAll(string(s.Outcome), "_", " "), s.Reason, wroteLast(dir, h.Host, s.Name)))
		}
	}
	return lines
}

// failedTeardowns lists the commands of teardowns that did not succeed, which are mentioned
// nowhere else. A failed setup is the reason of the run.
func failedTeardowns(r results.Record, dir string) []string {
	var lines []string
	for _, h := range r.Hosts {
		for _, s := range h.Teardown {
			if s.Outcome == outcome.CommandSucceeded {
				continue
			}
			lines = append(lines, fmt.Sprintf("  %s/%s %s, which does not count: it %s%s\n",
				h.Host, s.Name, strings.ReplaceAll(string(s.Outcome), "_", " "), s.Reason, wroteLast(dir, h.Host, s.Name)))
		}
	}
	return lines
}

// notes prints what is left of the run on its hosts, and what else was unusual there.
func notes(b *strings.Builder, r results.Record) {
	for _, h := range r.Hosts {
		if len(h.Left) > 0 || h.Unseen != "" {
			fmt.Fprintf(b, "  %s: %s\n", h.Host, h.Reason)
		}
		for i, note := range h.Notes {
			if i == most {
				fmt.Fprintf(b, "  ... and %d more notes of %s; see run.json\n", len(h.Notes)-most, h.Host)
				break
			}
			fmt.Fprintf(b, "  warning: on %s: %s\n", h.Host, note)
		}
	}
}

// missing lists the files that should have been collected and were not.
func missing(b *strings.Builder, r results.Record) {
	var lines []string
	for _, h := range r.Hosts {
		for _, m := range h.Missing {
			name := h.Host
			if m.Path != "" {
				name += "/" + printable(m.Path)
			}
			lines = append(lines, fmt.Sprintf("  warning: %s was not collected: %s\n", name, m.Reason))
		}
	}
	for i, line := range lines {
		if i == most && len(lines) > most+1 {
			fmt.Fprintf(b, "  ... and %d more files that were not collected; see run.json\n", len(lines)-most)
			break
		}
		b.WriteString(line)
	}
	for _, pattern := range r.Unmatched {
		fmt.Fprintf(b, "  warning: nothing was collected for %q: no host has such a file in the run's directory\n", pattern)
	}
}

// printable makes a path that others chose safe for a terminal.
func printable(path string) string {
	if quoted := strconv.Quote(path); quoted != `"`+path+`"` {
		return quoted
	}
	return path
}

// lastWords is the end of what a failed process wrote to standard error.
func lastWords(p results.ProcessRecord, dir string) string {
	if p.Outcome != outcome.CommandFailed {
		return ""
	}
	line, err := results.LastWords(dir, p.Host, p.Process)
	if err == nil && quotes(p.Reason, line) {
		return ""
	}
	return wroteLast(dir, p.Host, p.Process)
}

// quotes reports whether a reason has the line already, maybe cut off.
func quotes(reason string, line []byte) bool {
	const enough = 100 // bytes
	line = bytes.TrimSpace(line)
	quoted := strconv.Quote(string(line[:min(len(line), enough)]))
	return len(line) > 0 && strings.Contains(reason, quoted[:len(quoted)-1])
}

func wroteLast(dir, host, process string) string {
	const most = 200 // bytes
	line, err := results.LastWords(dir, host, process)
	switch {
	case err != nil:
		return fmt.Sprintf(" (its standard error can't be read: %v)", err)
	case len(line) == 0:
		return ""
	case len(line) > most:
		return fmt.Sprintf("\n    %q...", line[:most])
	}
	return fmt.Sprintf("\n    %q", line)
}

// shellWord quotes a path for a command line, if necessary.
func shellWord(path string) string {
	plain := func(r rune) bool {
		return r > 127 || strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=,+-:@%", r)
	}
	if path != "" && strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

func processes(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}
