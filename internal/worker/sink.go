package worker

import (
	"errors"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/streams"
	"downbeat/internal/worker/course"
)

// A processSink is what the runner sees of a run while its processes run. The runner
// calls it from goroutines of its own.
type processSink struct {
	numbers  []int
	clock    *clock.Clock
	journal  *journal
	mail     *mailbox
	hide     func(string) string // makes a text fit for others' eyes
	sampling *sampling
	lines    map[int]*lines // by number: of those in whose output something is looked for
}

// Started implements [runner.Sink].
func (s *processSink) Started(command int, start runner.Start) {
	number := s.numbers[command]
	s.sampling.began(number, start.PID)
	s.mail.post(course.Begun{Started: message.StartedInfo{Command: number, Life: start.Life, PID: start.PID, StartedAt: s.clock.At(start.At)}})
	s.lines[number].anew()
}

// Output implements [runner.Sink].
func (s *processSink) Output(command int, stream streams.Stream, at time.Time, data []byte) {
	number := s.numbers[command]
	s.journal.output(number, stream, at, data)
	if l := s.lines[number]; l != nil {
		l.feed(stream, data, s.found(number, at))
	}
}

// Closed implements [runner.StreamSink].
func (s *processSink) Closed(command int, stream streams.Stream) {
	number := s.numbers[command]
	if l := s.lines[number]; l != nil {
		l.close(stream, s.found(number, time.Now()))
	}
}

// found posts lines that were looked for.
func (s *processSink) found(number int, at time.Time) func(watch int) {
	return func(watch int) {
		if watch == isReady {
			s.mail.post(course.Lined{Command: number, At: s.clock.At(at)})
			return
		}
		s.mail.post(course.Seen{Watch: watch, Command: number, At: s.clock.At(at)})
	}
}

// Acted implements [runner.ActionSink].
func (s *processSink) Acted(act runner.Act) {
	acted := course.Acted{Token: act.Token, Life: act.Life, At: s.clock.At(act.At)}
	if act.Err != nil {
		acted.Err = s.hide(whyNot(act.Err))
	}
	s.mail.post(acted)
}

// whyNot says in the words of a run why an action could not be carried out.
func whyNot(err error) string {
	if errors.Is(err, runner.ErrOver) || errors.Is(err, runner.ErrStopped) {
		return "the run ended before"
	}
	return err.Error()
}

// Exited implements [runner.Sink].
func (s *processSink) Exited(command int, exit runner.Exit) {
	number := s.numbers[command]
	s.sampling.ended(&exit)
	s.mail.post(course.Exited{Exit: exitedInfo(s.clock, number, &exit)})
	s.lines[number].anew()
}

// exitedInfo is the end of a command on the run's clock.
func exitedInfo(c *clock.Clock, command int, e *runner.Exit) *message.ExitedInfo {
	info := &message.ExitedInfo{
		Command: command, Life: e.Life, ExitCode: e.Code, Signal: e.Signal,
		UserUS: e.User.Microseconds(), SystemUS: e.System.Microseconds(), MaxRSSBytes: e.MaxRSS,
		Stopped: e.Stopped, Killed: e.Killed,
	}
	if !e.Started.IsZero() {
		info.StartedAt, info.EndedAt = c.At(e.Started), c.At(e.Ended)
	}
	if e.Err != nil {
		info.Reason, info.Left = e.Err.Error(), errors.Is(e.Err, runner.ErrNotEnded)
	}
	return info
}
