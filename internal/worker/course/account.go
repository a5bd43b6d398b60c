package course

import (
	"downbeat/internal/message"
	"downbeat/internal/streams"
)

// maxLeft bounds how many processes are named that can't be ended.
const maxLeft = 100

// An account is what a run comes to on this host, for its last event.
type account struct {
	totals []streams.Total     // by command
	files  *message.FileTotals // nil: none were collected
	swept  int                 // processes that had left their group
	left   []message.Leftover  // those that can't be ended
	unseen string              // why it isn't known whether there are any
	notes  []string            // what was odd, for people
}

// processes takes down what the processes have come to.
func (a *account) processes(job *message.Job, in SetDone) {
	a.swept = in.Swept
	a.remain(in.Left)
	i := 0
	for n := range job.Commands {
		if !isHeld(&job.Commands[n]) {
			continue
		}
		if i < len(in.Totals) {
			a.totals[n] = in.Totals[i]
		}
		i++
	}
}

// remain adds processes that can't be ended.
func (a *account) remain(m *Remains) {
	if m == nil {
		return
	}
	for _, l := range m.Left {
		if len(a.left) < maxLeft {
			a.left = append(a.left, message.Leftover{PID: l.PID, Command: shorten(l.Command)})
		}
	}
	if m.Unseen != "" {
		a.unseen = m.Unseen
	}
}

// remains reports whether there may be processes that can't be ended.
func (a *account) remains() bool { return len(a.left) > 0 || a.unseen != "" }

func (a *account) note(text string) { a.notes = append(a.notes, text) }

// into puts into the last event what is left of the run, and what was odd.
func (a *account) into(e *message.Event) {
	if info := e.Refused; info != nil {
		info.Left, info.Unseen, info.Notes = a.left, a.unseen, a.notes
		return
	}
	done := e.Done
	done.Left = append(done.Left, a.left...)
	done.Notes = append(done.Notes, a.notes...)
	if a.unseen != "" {
		done.Unseen = a.unseen
	}
}
