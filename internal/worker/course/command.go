package course

import (
	"strconv"
	"strings"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// The commands of setup and teardown: one after the other, each reported, and judged
// by [outcome.Judge]. The first of a setup that does not succeed ends it; those of a
// teardown are all run.

// An aftermath is what becomes of a run once its teardown is over.
type aftermath uint8

const (
	toFinish aftermath = iota // the account is closed
	toRefuse                  // the host takes no part
	toYield                   // it waits for the host again
)

func thenFinish(r *Run) { r.after = toFinish }
func thenRefuse(r *Run) { r.after = toRefuse }
func thenYield(r *Run)  { r.after = toYield }

func isRefusing(r *Run) bool          { return r.after == toRefuse }
func isYielding(r *Run) bool          { return r.after == toYield }
func isYieldingUnstopped(r *Run) bool { return r.after == toYield && r.stop == nil }

// A sequence is the commands of the setup or the teardown that is under way.
type sequence struct {
	commands []int // by their numbers
	next     int   // of commands
	running  int   // the number of the one under way
	timedOut bool  // and its time is over
}

func newSequence(job *message.Job, phase message.Phase) sequence {
	var s sequence
	for n := range job.In(phase) {
		s.commands = append(s.commands, n)
	}
	return s
}

// hasNext reports whether there is another command in the setup or teardown.
func hasNext(r *Run) bool { return r.sequence.next < len(r.sequence.commands) }

// reportSettingUp says once that the commands of the setup are being run, if there
// are none, too.
func reportSettingUp(r *Run) {
	if !r.announced {
		r.announced = true
		r.journal(&message.Event{Kind: message.SettingUp})
	}
}

// beginTeardown runs the teardown. Nothing interrupts it: each command has its own
// time, and what ignores its end is killed.
func beginTeardown(r *Run) {
	r.journal(&message.Event{Kind: message.TearingDown})
	r.emit(BeginTeardown{})
	r.sequence = newSequence(r.job, message.PhaseTeardown)
	runNext(r)
}

// endTeardown is for when the teardown is over, and where there is none.
func endTeardown(r *Run) {
	if r.owed {
		r.owed = false
		r.emit(EndTeardown{})
	}
}

func runNext(r *Run) {
	s := &r.sequence
	s.running, s.timedOut = s.commands[s.next], false
	s.next++
	r.task = runningCommand
	r.deadlines.command = r.now.Add(r.job.Commands[s.running].Timeout())
	r.emit(RunCommand{Command: s.running})
}

// commandLate is called when a command's own time is over.
func (r *Run) commandLate() {
	r.sequence.timedOut = true
	r.emit(Interrupt{})
}

// commandEnded reports the command that was under way. Of a setup that fails the
// reason says what a person needs to know.
func (r *Run) commandEnded(in CommandEnded) {
	r.deadlines.command = never
	r.noteStarted()
	if r.sequence.timedOut && (in.Exit.Stopped || in.Exit.Killed) {
		in.Exit.TimedOut = true
	}
	r.account.totals[in.Exit.Command] = in.Total
	r.account.remain(in.Left)
	r.journal(&message.Event{Kind: message.Exited, Exited: in.Exit})
	command := &r.job.Commands[in.Exit.Command]
	word, reason := outcome.Judge(in.Exit.Exit(), r.job.Circumstances(command))
	if word == outcome.CommandSucceeded {
		return
	}
	r.emit(Log{What: CommandFailed, Command: in.Exit.Command, Reason: reason})
	if command.Phase == message.PhaseSetup {
		r.refuseFor(command.Name+" ("+shorten(command.Argv...)+") "+reason+lastWords(in.Words), nil)
	}
}

func lastWords(line string) string {
	const most = 200
	if line == "" {
		return ""
	}
	return "; its last words: " + strconv.Quote(line[:min(len(line), most)])
}

// shorten makes a command fit into a message.
func shorten(argv ...string) string {
	const most = 60
	line := []rune(strings.Join(strings.Fields(strings.Join(argv, " ")), " "))
	if len(line) > most {
		return string(line[:most-3]) + "..."
	}
	return string(line)
}
