package sim

import (
	"fmt"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/worker/course"
)

// prepare prepares the processes, all at once, and holds them.
func (t *task) prepare() {
	takes := time.Duration(0)
	var problems []message.Problem
	s := t.newSet()
	for i, c := range t.ledger.part.Commands {
		if c.Phase != message.PhaseRun {
			continue
		}
		takes = max(takes, c.Life.PrepareTakes)
		if c.Life.Unprepared {
			problems = append(problems, message.Problem{Process: c.Name, Reason: "executable file not found"})
		}
		t.enlist(s, i)
	}
	finished := t.begin(takes, func(interrupted bool) {
		switch {
		case interrupted:
			t.post(course.Prepared{Err: "it was broken off"})
		case len(problems) > 0:
			t.post(course.Prepared{Err: fmt.Sprintf("%d of %d commands can't be run", len(problems), len(s.members)), Problems: problems})
		default:
			t.set = s
			t.worker.h.sets = append(t.worker.h.sets, s)
			t.w.ledger.prepared(s)
			t.post(course.Prepared{Hold: "ptrace"})
		}
	})
	t.interrupt = finished
}

// begin has finish called after a while, or when the function that it returns is,
// whichever comes first.
func (t *task) begin(takes time.Duration, finish func(interrupted bool)) (interrupt func()) {
	open := true
	end := func(interrupted bool) {
		if open {
			open = false
			t.interrupt = nil
			finish(interrupted)
		}
	}
	t.after(takes, func() { end(false) })
	return func() { end(true) }
}

func (t *task) newSet() *set {
	return &set{w: t.w, run: t.dir.job.Run, host: t.worker.h, sink: t, termAt: never, killAt: never}
}

// enlist adds a command to a set.
func (t *task) enlist(s *set, command int) {
	s.members = append(s.members, member{command: command, script: &t.ledger.part.Commands[command], ledger: &t.ledger.commands[command]})
	s.open++
}

// runCommand runs a command of the setup or the teardown.
func (t *task) runCommand(command int) {
	script := &t.ledger.part.Commands[command]
	t.interrupt = t.begin(script.Life.PrepareTakes, func(interrupted bool) {
		if interrupted {
			t.commandEnded(&message.ExitedInfo{Command: command, ExitCode: -1, Stopped: true})
			return
		}
		if script.Life.Unprepared {
			t.commandEnded(&message.ExitedInfo{Command: command, ExitCode: -1, Reason: "executable file not found"})
			return
		}
		s := t.newSet()
		t.enlist(s, command)
		t.step = s
		t.worker.h.sets = append(t.worker.h.sets, s)
		t.interrupt = func() { s.stop(t.w.e.now, t.dir.job.Grace()) }
		s.release(t.w.e.now)
	})
}

func (t *task) commandEnded(e *message.ExitedInfo) {
	t.interrupt = nil
	t.flush()
	t.post(course.CommandEnded{Exit: e, Total: t.tallies[e.Command].Total()})
}

// supply puts the shipped files in place: each is asked for until it comes.
func (t *task) supply() {
	files := t.ledger.part.Ships
	if len(files) == 0 || t.worker.h.cached {
		t.post(course.Supplied{})
		return
	}
	t.fetch(0, 0)
}

const (
	mostAsks = 10
	askAgain = 3 * time.Second
)

// fetch asks for the file of that number, for the asks-th time.
func (t *task) fetch(n, asks int) {
	files := t.ledger.part.Ships
	if n == len(files) {
		t.worker.h.cached = true
		t.post(course.Supplied{})
		return
	}
	if asks == mostAsks {
		t.post(course.Supplied{Err: "the publisher does not send it"})
		return
	}
	f := &t.dir.job.Files[n]
	t.reply(&message.Event{Kind: message.Want, Want: &message.WantInfo{SHA256: f.SHA256, Bytes: f.Bytes, Path: f.Path, Total: f.Bytes}})
	came := false
	t.wants = func(c *chunk) {
		if c.sum == f.SHA256 && !came {
			came = true
			t.interrupt()
		}
	}
	broken := false
	finish := t.begin(askAgain, func(bool) {
		t.wants = nil
		switch {
		case broken:
			t.post(course.Supplied{Err: "it was broken off"})
		case came:
			t.fetch(n+1, 0)
		default:
			t.fetch(n, asks+1)
		}
	})
	t.interrupt = func() {
		broken = !came
		finish()
	}
}

func (t *task) chunk(c *chunk) {
	if t.wants != nil {
		t.wants(c)
	}
}

// collect reads the files that the processes have left into the log.
func (t *task) collect(anew bool) {
	t.collecting = ""
	totals := &message.FileTotals{}
	if anew {
		t.files(message.Piece{Kind: message.FilesAnew})
	}
	t.collectFile(0, totals)
}

func (t *task) collectFile(n int, totals *message.FileTotals) {
	files := t.ledger.part.Collect
	if n == len(files) || t.collecting != "" || t.failed {
		totals.BrokenOff = t.collecting
		if t.failed {
			totals.BrokenOff = "the log takes no more"
		}
		t.post(course.Collected{Files: totals})
		return
	}
	f := &files[n]
	t.after(f.Takes, func() {
		if f.Broken {
			if t.files(message.Piece{Kind: message.FileMissing, Path: f.Path, Reason: "permission denied"}) {
				totals.Missing++
			}
		} else if t.files(
			message.Piece{Kind: message.FileBegin, Path: f.Path, Mode: 0o600},
			message.Piece{Kind: message.FileData, Data: fileContent(f)},
			message.Piece{Kind: message.FileEnd, Size: uint64(f.Bytes)},
		) {
			totals.Files++
			totals.Bytes += uint64(f.Bytes)
		}
		t.collectFile(n+1, totals)
	})
}

// fileContent is what is in a collected file.
func fileContent(f *Collected) []byte {
	data := make([]byte, 0, f.Bytes)
	for len(data) < f.Bytes {
		data = append(data, text[:min(textPeriod, f.Bytes-len(data))]...)
	}
	return data
}

// What the set says of its commands.

func (t *task) begun(command, pid int, at instant) {
	t.post(course.Begun{Started: message.StartedInfo{Command: command, PID: pid, StartedAt: t.clock.at(at)}})
}

func (t *task) exited(s *set, command int, e exit) {
	info := t.exitedInfo(command, &e)
	if s == t.step {
		t.last = info
		return
	}
	t.flush()
	t.post(course.Exited{Exit: info})
}

func (t *task) exitedInfo(command int, e *exit) *message.ExitedInfo {
	info := &message.ExitedInfo{Command: command, ExitCode: e.code, Signal: e.signal, Stopped: e.stopped, Killed: e.killed, Reason: e.reason, Left: e.left}
	if e.started != 0 {
		info.StartedAt, info.EndedAt = t.clock.at(e.started), t.clock.at(e.ended)
		info.UserUS, info.SystemUS, info.MaxRSSBytes = 1000, 500, 1<<20
	}
	return info
}

func (t *task) released(s *set) {
	if s == t.set {
		t.post(course.Released{})
	}
}

func (t *task) stopped(s *set) {
	if s == t.set {
		t.post(course.TermSent{At: t.clock.at(s.stoppedAt)})
	}
}

// finished tells that nothing of a set is left.
func (t *task) finished(s *set) {
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
func (t *task) wrote(command int, stderr bool, data []byte) {
	stream := message.Stdout
	if stderr {
		stream = message.Stderr
	}
	t.output(command, stream, data)
}
