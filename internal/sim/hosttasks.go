package sim

import (
	"crypto/sha256"
	"fmt"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/worker/course"
)

// prepare prepares the processes, all at once, and holds them.
func (t *hostRun) prepare(open bool) {
	takes := time.Duration(0)
	var problems []message.Problem
	s := t.newSet()
	s.again = open
	for i, c := range t.ledger.part.Commands {
		if !c.isHeld() {
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
func (t *hostRun) begin(takes time.Duration, finish func(interrupted bool)) (interrupt func()) {
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

func (t *hostRun) newSet() *set {
	return &set{w: t.w, run: t.dir.job.Run, host: t.worker.h, sink: t, termAt: never, killAt: never}
}

// enlist adds a command to a set.
func (t *hostRun) enlist(s *set, command int) {
	m := member{command: command, script: &t.ledger.part.Commands[command], ledger: &t.ledger.commands[command]}
	if m.script.Phase == message.PhaseAction { // it begins when an action says so
		m.over, m.life = true, -1
		s.open--
	}
	s.members = append(s.members, m)
	s.open++
}

// runCommand runs a command of the setup or the teardown.
func (t *hostRun) runCommand(command int) {
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
		s.release(0, t.w.e.now)
	})
}

func (t *hostRun) commandEnded(e *message.ExitedInfo) {
	t.interrupt = nil
	t.flush()
	t.post(course.CommandEnded{Exit: e, Total: t.tallies[e.Command].Total()})
}

// supply puts the shipped files in place: each is asked for until it comes.
func (t *hostRun) supply() {
	files := t.ledger.part.Ships
	if len(files) == 0 || t.worker.h.cached {
		t.post(course.Supplied{})
		return
	}
	t.fetch(0)
}

// fetch brings the file of that number and those after it. Each is one part, whose
// chunks come together.
func (t *hostRun) fetch(n int) {
	if n == len(t.ledger.part.Ships) {
		t.worker.h.cached = true
		t.post(course.Supplied{})
		return
	}
	f := &t.dir.job.Files[n]
	t.await(n, f, course.NewPart(f, 0))
}

// await waits for a part of a file, which is asked for again and again.
func (t *hostRun) await(n int, f *message.File, part *course.Part) {
	want, err := part.Ask(t.now())
	if err != nil {
		t.post(course.Supplied{Err: err.Error()})
		return
	}
	if want != nil {
		t.reply(&message.Event{Kind: message.Want, Want: want})
	}
	t.wants = func(c *chunk) {
		if c.sum == f.SHA256 {
			for at := int64(0); at < f.Bytes; at += message.MaxChunk {
				part.Took(at, t.now())
			}
			t.interrupt()
		}
	}
	broken := false
	due := t.clock.local(part.Due()) // the machine's clock may run too slow
	finish := t.begin(time.Duration(due-t.w.e.now), func(bool) {
		t.wants = nil
		switch {
		case broken:
			t.post(course.Supplied{Err: "it was broken off"})
		case part.Complete():
			t.fetch(n + 1)
		default:
			t.await(n, f, part)
		}
	})
	t.interrupt = func() {
		broken = !part.Complete()
		finish()
	}
}

func (t *hostRun) chunk(c *chunk) {
	if t.wants != nil {
		t.wants(c)
	}
}

// collect reads the files that the processes have left into the log.
func (t *hostRun) collect(anew bool) {
	t.collecting = ""
	totals := &message.FileTotals{}
	if anew {
		t.files(message.Piece{Kind: message.FilesAnew})
	}
	t.collectFile(0, totals)
}

func (t *hostRun) collectFile(n int, totals *message.FileTotals) {
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
	t.stopReading = t.begin(f.Takes, func(interrupted bool) {
		if interrupted {
			t.collectFile(n, totals)
			return
		}
		if !t.collectOne(f, totals) {
			t.collecting = "no space left on device"
		}
		t.collectFile(n+1, totals)
	})
}

// collectOne puts a file into the log, or that it can't be read; false where the log
// can't take it.
func (t *hostRun) collectOne(f *Collected, totals *message.FileTotals) bool {
	if f.Broken {
		if !t.files(message.Piece{Kind: message.FileMissing, Path: f.Path, Reason: "permission denied"}) {
			return false
		}
		totals.Missing++
		return true
	}
	if !t.files(
		message.Piece{Kind: message.FileBegin, Path: f.Path, Mode: 0o600},
		message.Piece{Kind: message.FileData, Data: fileContent(f.Bytes)},
		message.Piece{Kind: message.FileEnd, Size: uint64(f.Bytes)},
	) {
		return false
	}
	totals.Files++
	totals.Bytes += uint64(f.Bytes)
	return true
}

// fileContent is what is in a file of that size, collected or shipped.
func fileContent(bytes int) []byte { return text[:bytes:bytes] }

// hash stands for the content of a file of that size. In a scenario, whose messages
// are read by others, it is the SHA-256; elsewhere that would only take time.
func (w *world) hash(bytes int) string {
	if w.plain {
		return fmt.Sprintf("%x", sha256.Sum256(fileContent(bytes)))
	}
	return fmt.Sprintf("%064x", mix(uint64(bytes)))
}
