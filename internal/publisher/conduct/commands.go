package conduct

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// A Ran is what is known of one execution of a command or, of a process, of its last life.
type Ran struct {
	*message.Command
	PID int
	// StartedAt is when it began, EndedAt when it ended, or that it can't begin was found.
	StartedAt, EndedAt clock.Instant
	// Exit is how it ended as its host saw it; nil: it is not known to have ended.
	Exit    *message.ExitedInfo
	Outcome outcome.Command
	Reason  string
	// ReadyAt is when it was seen that a process can be used, where that is looked for.
	// Earlier are the lives of a process before this one.
	ReadyAt clock.Instant
	Earlier []Life
	Total   streams.Total // of what it wrote
}

// A command is a command's part in a run. Where a host had to give way to another run,
// those of its setup and teardown are run more than once: Ran is the last time then.
type command struct {
	Ran
	host     *host
	tally    streams.Tally // of all times
	recorded streams.Total // of the times before
	unasked  bool          // its host says that it was sent TERM, and nobody had asked for that

	usable    bool   // it can be used, or could once
	unready   string // why it did not become ready
	unreadyAt clock.Instant
	tail      tail  // of its output, of all lives, until it is ready
	acted     []int // the actions that were carried out on it and can have ended it
}

// ended reports whether it is known that the command has ended.
func (c *command) ended() bool { return c.Exit != nil }

// start enters when the command began.
func (c *command) start(pid int, at clock.Instant) { c.PID, c.StartedAt = pid, at }

// end enters how the command ended.
func (c *command) end(e told, clock *contact, now time.Time) {
	c.Exit, c.EndedAt = e.Exited, clock.instant(e.Time, now) // of one that could not be started
	if e.Exited.Reason == "" && !e.Exited.StartedAt.IsZero() {
		if c.StartedAt.IsZero() { // else it was told when the clocks were compared last
			c.StartedAt = clock.instant(e.Exited.StartedAt, now)
		}
		c.EndedAt = clock.instant(e.Exited.EndedAt, now)
	}
	c.Total = c.tally.Total().Since(c.recorded)
}

// again has the command run another time, and gives what is known of this.
func (c *command) again() Ran {
	ran := c.Ran
	c.recorded = c.tally.Total()
	c.Ran = Ran{Command: c.Command}
	return ran
}

// work is what a host runs of its job. The job counts its commands; numbers are those of
// the run.
type work struct {
	job      *message.Job
	numbers  []int
	commands []command     // of all hosts
	left     int           // of its processes that are not over
	ownGrace time.Duration // the longest that one of its processes has of its own
	// setup and teardown are what has been run of them, acted what actions have run.
	setup, teardown, acted []Ran
}

// command is the job's command of that number.
func (w *work) command(local int) *command { return &w.commands[w.numbers[local]] }

// grace is the longest from a stop to KILL, where that is so for those without their own.
func (w *work) grace(others time.Duration) time.Duration { return max(others, w.ownGrace) }

// limit is the longest that the commands of a phase can take.
func (w *work) limit(phase message.Phase) time.Duration {
	var all time.Duration
	for _, c := range w.job.In(phase) {
		all += c.Timeout() + w.job.Grace() + commandSlack
	}
	return all
}

// commandSlack is added to the time and the grace of a command of the setup or the
// teardown: what it has left behind needs a moment, and so do its last words.
const commandSlack = 15 * time.Second

// firstDelay is how long after the release the first of the host's processes starts.
func (w *work) firstDelay() time.Duration {
	first := time.Duration(-1)
	for _, c := range w.job.In(message.PhaseRun) {
		if first < 0 || c.Delay() < first {
			first = c.Delay()
		}
	}
	return max(first, 0)
}

// record keeps an execution of a command of the setup or the teardown, as far as it is
// bounded what is kept of a host that runs them again and again.
func (w *work) record(ran Ran) bool {
	if len(w.setup)+len(w.teardown)+len(w.acted) >= mostRecords {
		return false
	}
	switch ran.Phase {
	case message.PhaseTeardown:
		w.teardown = append(w.teardown, ran)
	case message.PhaseAction:
		w.acted = append(w.acted, ran)
	case message.PhaseSetup, message.PhaseRun:
		w.setup = append(w.setup, ran)
	}
	return true
}

const mostRecords = 10_000

// output counts a segment. It says what is wrong with it, if anything is.
func (w *work) output(s message.Segment) (wrong string) {
	if s.Command < 0 || s.Command >= len(w.numbers) {
		return fmt.Sprintf("output of command %d comes, but it has %d", s.Command, len(w.numbers))
	}
	c := w.command(s.Command)
	if come := c.tally[s.Stream].Bytes; s.Offset != come {
		return fmt.Sprintf("%s of %s goes on after %d bytes, and %d have come", s.Stream.Title(), c.Name, s.Offset, come)
	}
	c.tally.Add(s.Stream, s.Data)
	return ""
}

// lacking compares what a host says that it sent with what was received. The numbers of
// the events have no gap, so this can only find a fault of ours; it is looked for all the
// same, as silence would be worse.
func (w *work) lacking(totals []streams.Total) string {
	for local, total := range totals[:min(len(totals), len(w.numbers))] {
		c := w.command(local)
		if got := c.tally.Total(); got != total {
			return fmt.Sprintf("output of %s is missing: %d of %d bytes and %d of %d lines on standard output, %d of %d bytes and %d of %d lines on standard error have come",
				c.Name, got.StdoutBytes, total.StdoutBytes, got.StdoutLines, total.StdoutLines,
				got.StderrBytes, total.StderrBytes, got.StderrLines, total.StderrLines)
		}
	}
	return ""
}

// linesBefore names the lines between what has been counted and what came early: each
// piece of output, and the totals at the end, say how much was before.
func (w *work) linesBefore(early iter.Seq[Received]) []string {
	before := make(map[int]position) // where each stream goes on, by command*2+stream
	for a := range early {
		switch c := a.Content.(type) {
		case Output:
			for s := range c.Segments {
				note(before, s.Command, s.Stream, position{s.Offset, s.Line})
			}
		case Event:
			if c.Kind == message.Done {
				for i, t := range c.Done.Totals {
					note(before, i, streams.Stdout, position{t.StdoutBytes, t.StdoutLines})
					note(before, i, streams.Stderr, position{t.StderrBytes, t.StderrLines})
				}
			}
		case Files, Samples, Foreign, Unknown:
		}
	}
	var lost []string
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if local := key / 2; local < len(w.numbers) {
			c, stream := w.command(local), streams.Stream(key%2)
			lost = append(lost, linesUntil(&c.tally[stream], c.Name, stream, before[key])...)
		}
	}
	return lost
}

// A position is how many bytes and newlines of a stream come before something.
type position struct{ bytes, newlines uint64 }

// note keeps the earliest position of each stream.
func note(before map[int]position, command int, stream streams.Stream, at position) {
	key := 2*command + int(stream)
	if _, there := before[key]; !there && command >= 0 {
		before[key] = at
	}
}

// linesUntil names the lines of a stream that lie between what has come and the position;
// none where nothing does. A line counts that is there only in part.
func linesUntil(got *streams.Counter, name string, stream streams.Stream, until position) []string {
	if until.bytes <= got.Bytes {
		return nil
	}
	first := got.Newlines + 1
	lines := fmt.Sprintf("lines %d to %d", first, until.newlines)
	switch {
	case until.newlines == first:
		lines = fmt.Sprintf("line %d", first)
	case until.newlines < first:
		lines = fmt.Sprintf("a part of line %d", first)
	}
	return []string{fmt.Sprintf("%s of %s on %s (%d bytes)", lines, name, stream.Title(), until.bytes-got.Bytes)}
}

// commandsStart takes a host's word that commands have begun.
func commandsStart(r *Run, h *host, e told) string {
	for _, s := range e.Started {
		if c := h.command(s.Command); c.Phase == message.PhaseRun {
			r.processStarts(h, h.numbers[s.Command], s)
		} else {
			c.start(s.PID, h.contact.instant(s.StartedAt, r.now))
		}
	}
	return ""
}

// commandEnds takes a host's word that a command has ended.
func commandEnds(r *Run, h *host, e told) string {
	n := h.numbers[e.Exited.Command]
	c := &r.commands[n]
	if c.Phase == message.PhaseRun {
		r.processEnds(h, n, e)
		return ""
	}
	c.end(e, &h.contact, r.now)
	c.Outcome, c.Reason = outcome.Judge(c.Exit.Exit(), h.job.Circumstances(c.Command))
	if ran := c.again(); h.record(ran) {
		r.out.put(Exited{Command: n, Ran: &ran})
	}
	return ""
}

// circumstances are those in which the end of a process is judged. One that ended after
// the stop's instant was stopped by it, whether its own TERM had come by then or that of
// its peers made it leave. A host's word that it has stopped a process counts only where
// it had been asked to; it may do so before the instant, where its worker is told to leave.
func circumstances(stop *ending, h *host, c *command) outcome.Circumstances {
	known := h.job.Circumstances(c.Command)
	ended, its := c.EndedAt.Latest(), stop.of(c.Beat)
	c.unasked = (c.Exit.Stopped || c.Exit.Killed) && !its.wasSent(ended.Add(stopSlack))
	switch own := h.account.ownStop; {
	case c.unasked && own != nil:
		known.Stop, known.StopReason = outcome.StopWorker, own.Reason
	case !c.unasked:
		known.Stop, known.StopReason = its.control.Cause.Outcome(), its.control.Reason
		known.AfterStop = its.before(ended, 0)
	}
	return known
}

// stopSlack is by how much a process may have ended before the stop was sent that its
// host says it stopped: for what the estimate of its clock has changed since.
const stopSlack = 100 * time.Millisecond

// takeOutput takes a batch of output.
func (r *Run) takeOutput(h *host, o Output) {
	first, wrong := len(r.out.pieces), ""
	for s := range o.Segments {
		if wrong = h.output(s); wrong != "" {
			break
		}
		if c := h.command(s.Command); c.Ready != nil && !c.usable {
			c.tail.add(s.Data)
		}
		r.out.pieces = append(r.out.pieces, Piece{
			Command: h.numbers[s.Command], Stream: s.Stream, At: h.contact.instant(s.At, r.now), Data: s.Data,
		})
	}
	if len(r.out.pieces) > first {
		r.out.put(Store{Host: h.index, Pieces: r.out.pieces[first:]})
	}
	if wrong != "" {
		r.contradicted(h, wrong)
	}
}
