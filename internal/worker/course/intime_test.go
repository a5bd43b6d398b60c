package course

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
)

// Runs that have more than a beginning and an end.

// with changes a process of the job.
func with(n int, change func(*message.Command)) func(*message.Job) {
	return func(j *message.Job) { change(&j.Commands[n]) }
}

func onBeat(n, beat int) func(*message.Job) {
	return with(n, func(c *message.Command) { c.Beat = beat })
}

func restarting(n int, on message.RestartOn, atMost int, wait time.Duration) func(*message.Job) {
	return with(n, func(c *message.Command) {
		c.Restart = &message.Restart{On: on, AtMost: atMost, WaitMS: wait.Milliseconds()}
	})
}

func readyBy(n int, ready message.Readiness) func(*message.Job) {
	return with(n, func(c *message.Command) { c.Ready = &ready })
}

func acting(actions ...message.Action) func(*message.Job) {
	return func(j *message.Job) { j.Actions = actions }
}

func start(beat int, at time.Duration) message.Control {
	return message.Control{Kind: message.Start, Beat: beat, At: epoch.Add(at)}
}

// released takes the run to where beat 0 has been released, at 1 s, and both processes
// have begun, if they are on it.
func (s *site) released() *site {
	s.t.Helper()
	s.reach(Committed).tell(start(0, time.Second)).pass(time.Second).in(Released{})
	for n, c := range s.job.In(message.PhaseRun) {
		if c.Beat == 0 {
			s.in(s.life(n, 0))
		}
	}
	return s
}

// life is the start of a command's life, now.
func (s *site) life(command, number int) Begun {
	return Begun{message.StartedInfo{Command: command, Life: number, PID: 100, StartedAt: s.now}}
}

// end is the end of a command's life, now, with that status.
func (s *site) end(command, number, code int) Exited {
	return Exited{&message.ExitedInfo{Command: command, Life: number, ExitCode: code, StartedAt: s.now.Add(-time.Second), EndedAt: s.now}}
}

// by is the end of a command's life by a signal.
func (s *site) by(signal string, command, number int) Exited {
	e := s.end(command, number, -1)
	e.Exit.Signal = signal
	return e
}

// tells gives the newest event of a kind in short.
func (s *site) tells(kind message.EventKind) string {
	s.t.Helper()
	e := s.last(kind)
	switch kind {
	case message.Armed:
		return fmt.Sprintf("beat %d at %s", e.Armed.Beat, at(e.Armed.At))
	case message.Exited:
		x := e.Exited
		text := fmt.Sprintf("%d.%d", x.Command, x.Life)
		if x.Again {
			text += " again"
		}
		if x.Action != nil {
			text += fmt.Sprintf(" by action %d", *x.Action)
		}
		if x.TimedOut {
			text += " timed out"
		}
		if x.Reason != "" {
			text += ": " + x.Reason
		}
		return text
	case message.ProcessReady:
		return strings.TrimSuffix(fmt.Sprintf("%d.%d at %s: %s", e.ProcessReady.Command, e.ProcessReady.Life, at(e.Time), e.ProcessReady.Reason), ": ")
	case message.Acted:
		a := e.Acted
		return strings.TrimSuffix(fmt.Sprintf("%d/%d on %d.%d due %s at %s: %s", a.Action, a.Turn, a.Command, a.Life, at(a.DueAt), at(e.Time), a.Reason), ": ")
	case message.Seen:
		return fmt.Sprintf("%d by %d.%d at %s", e.Seen.Action, e.Seen.Command, e.Seen.Life, at(e.Time))
	case message.Stopping:
		return fmt.Sprintf("%s from %d at %s", e.Stopping.Cause, e.Stopping.FromBeat, at(e.Time))
	case message.Asked:
		return fmt.Sprintf("%d: %s %s", e.Asked.ID, e.Asked.What, e.Asked.Name)
	default:
		s.t.Fatalf("%s is not for here", kind)
	}
	return ""
}

// said checks what the newest event of a kind tells.
func (s *site) saying(kind message.EventKind, want string) *site {
	s.t.Helper()
	if got := s.tells(kind); got != want {
		s.t.Errorf("%s: got %q, want %q", kind, got, want)
	}
	return s
}

// A job that has no more than a beginning and an end is told of nothing else.
func TestPlainJobsHaveNothingInTime(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Committed)
	s.tell(start(0, time.Second)).want(Armed, "release at 1s")
	s.tell(start(0, 2*time.Second)).tell(start(1, 2*time.Second)).want(Armed, "")
	s.in(Released{}, s.life(0, 0), s.end(0, 0, 1), s.end(1, 0, 0)).want(Running, "log started, log exited, log exited")
	s.saying(message.Exited, "1.0")
}
