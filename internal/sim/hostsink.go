package sim

import (
	"downbeat/internal/message"
	"downbeat/internal/streams"
	"downbeat/internal/worker/course"
)

// News of a set about its commands.

func (t *hostRun) begun(command, life, pid int, at instant) {
	t.post(course.Begun{Started: message.StartedInfo{Command: command, Life: life, PID: pid, StartedAt: t.clock.at(at)}})
}

func (t *hostRun) exited(s *set, command, life int, e exit) {
	info := t.exitedInfo(command, &e)
	info.Life = life
	if s == t.step {
		t.last = info
		return
	}
	t.flush()
	t.post(course.Exited{Exit: info})
}

func (t *hostRun) exitedInfo(command int, e *exit) *message.ExitedInfo {
	info := &message.ExitedInfo{Command: command, ExitCode: e.code, Signal: e.signal, Stopped: e.stopped, Killed: e.killed, Reason: e.reason, Left: e.left}
	if e.started != 0 {
		info.StartedAt, info.EndedAt = t.clock.at(e.started), t.clock.at(e.ended)
		info.UserUS, info.SystemUS, info.MaxRSSBytes = 1000, 500, 1<<20
	}
	return info
}

func (t *hostRun) lined(command int, at instant) {
	t.post(course.Lined{Command: command, At: t.clock.at(at)})
}

func (t *hostRun) released(s *set, beat int) {
	if s == t.set {
		t.post(course.Released{Beat: beat})
	}
}

func (t *hostRun) stopped(s *set, from int) {
	if s == t.set {
		t.post(course.TermSent{At: t.clock.at(s.stoppedAt), FromBeat: from})
	}
}

// finished tells that nothing of a set is left.
func (t *hostRun) finished(s *set) {
	var left *course.Remains
	if s.left > 0 {
		left = &course.Remains{Left: []message.Leftover{{PID: s.members[0].pid, Command: "hangs"}}}
	}
	switch s {
	case t.step:
		t.step = nil
		info := t.last
		if info == nil {
			info = &message.ExitedInfo{Command: s.members[0].command, ExitCode: -1, Stopped: true}
		}
		t.last = nil
		info.Swept = s.swept
		t.interrupt = nil
		t.flush()
		t.post(course.CommandEnded{Exit: info, Total: t.tallies[info.Command].Total(), Left: left})
	case t.set:
		t.flush()
		done := course.SetDone{Swept: s.swept, Left: left}
		for i := range s.members {
			done.Totals = append(done.Totals, t.tallies[s.members[i].command].Total())
		}
		t.post(done)
	}
}

// wrote puts what a command has written into the journal.
func (t *hostRun) wrote(command int, stream streams.Stream, data []byte) {
	t.output(command, stream, data)
}
