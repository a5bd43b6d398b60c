package conduct

import (
	"slices"
	"time"

	"downbeat/internal/message"
)

func (w *worker) ready() {
	w.t.Helper()
	w.event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "ptrace", Version: "v9", Features: w.job.Uses()}})
}

func (w *worker) waiting(behind string) {
	w.t.Helper()
	w.last = "" // whatever it was, nobody may ask for it now
	w.event(message.Event{Kind: message.Waiting, Waiting: &message.WaitingInfo{Behind: behind}})
}

func (w *worker) settingUp() { w.t.Helper(); w.event(message.Event{Kind: message.SettingUp}) }

func (w *worker) tearingDown() {
	w.t.Helper()
	w.event(message.Event{Kind: message.TearingDown})
}

func (w *worker) committed() {
	w.t.Helper()
	w.event(message.Event{Kind: message.Committed, Committed: &message.CommittedInfo{Probe: w.commit}})
}

// started reports that all processes began at that time on the host's clock.
func (w *worker) started(at time.Time) {
	w.t.Helper()
	var infos []message.StartedInfo
	for i := range w.job.In(message.PhaseRun) {
		infos = append(infos, message.StartedInfo{Command: i, PID: 100 + i, StartedAt: at})
	}
	w.event(message.Event{Kind: message.Started, Started: infos})
}

// begins reports that a command began now.
func (w *worker) begins(command int) {
	w.t.Helper()
	w.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: command, PID: 100 + command, StartedAt: w.clock()}}})
}

// step reports that a command of the setup or the teardown began, and its end.
func (w *worker) step(command, code int) {
	w.t.Helper()
	w.begins(command)
	w.exited(message.ExitedInfo{Command: command, ExitCode: code, StartedAt: w.clock(), EndedAt: w.clock(), UserUS: 3})
}

func (w *worker) exited(info message.ExitedInfo) {
	w.t.Helper()
	w.event(message.Event{Kind: message.Exited, Exited: &info})
}

func (w *worker) exit(command, code int) {
	w.t.Helper()
	w.exited(message.ExitedInfo{Command: command, ExitCode: code, StartedAt: w.clock(), EndedAt: w.clock()})
}

// ends reports the end of these processes, which is right.
func (w *worker) ends(commands ...int) {
	w.t.Helper()
	for _, i := range commands {
		w.exit(i, 0)
	}
}

// end is how command 0 ended, changed.
func (w *worker) end(change func(*message.ExitedInfo)) {
	w.t.Helper()
	info := message.ExitedInfo{StartedAt: w.clock(), EndedAt: w.clock()}
	change(&info)
	w.exited(info)
}

// fails reports that process 0 exited with status 1 at that time on the host's clock.
func (w *worker) fails(at time.Time) {
	w.t.Helper()
	w.exited(message.ExitedInfo{ExitCode: 1, StartedAt: at.Add(-time.Second), EndedAt: at})
}

// stops reports that the host stops by itself.
func (w *worker) stops() {
	w.t.Helper()
	w.event(message.Event{Kind: message.Stopping, Stopping: &message.StoppingInfo{Cause: message.StopLease, Reason: "the lease is over"}})
}

// done closes the account with what was really sent; says, changed.
func (w *worker) done(word string) {
	w.t.Helper()
	w.says(func(d *message.DoneInfo) { d.Outcome = word })
}

func (w *worker) says(change func(*message.DoneInfo)) {
	w.t.Helper()
	d := &message.DoneInfo{Outcome: message.HostDone, Totals: slices.Clone(w.totals)}
	change(d)
	w.event(message.Event{Kind: message.Done, Done: d})
}

// accounts closes the account, files included.
func (w *worker) accounts(files message.FileTotals) {
	w.t.Helper()
	w.says(func(d *message.DoneInfo) { d.Files = &files })
}

// refusing says that the host takes no part, with what it has written so far.
func (w *worker) refusing(reason string, problems ...message.Problem) {
	w.t.Helper()
	w.event(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: reason, Problems: problems, Totals: w.totals}})
}
