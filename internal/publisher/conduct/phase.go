package conduct

import (
	"slices"

	"downbeat/internal/message"
)

// A Phase is where a host stands in a run, as its publisher knows it. Whatever the phase,
// a host may be given up: then it is completed. A test holds this drawing to the table:
//
//	asked → waiting, fetching
//	waiting ⇄ fetching
//	ready ⇄ committed
//	asked, waiting, fetching, withdrawing, ready, committed → setting_up
//	asked, waiting, fetching, setting_up, withdrawing → ready
//	committed → started → tearing_down → ended → completed
//	setting_up, withdrawing, ready, committed → waiting
//	withdrawing → fetching
//	asked, waiting, fetching, setting_up, ready, committed → withdrawing
//	withdrawing, ready, committed, started → ended
//	asked, waiting, fetching, setting_up, withdrawing, ready, committed, started, tearing_down → completed
type Phase uint8

// The phases, in their order.
const (
	Asked       Phase = iota // the job is on the queue
	Waiting                  // another run has the host
	Fetching                 // it is being sent files that it lacks
	SettingUp                // its setup is being run
	Withdrawing              // its teardown is being run, though nothing was released there
	Ready                    // its processes are held
	Committed                // and kept for this run
	Released                 // and started
	TearingDown              // they are over, and its teardown is being run
	Ended                    // no process of the run is left there; its files are on their way
	Completed                // nothing of the run is left there, and all it reported is here
)

var phaseNames = [...]string{
	"asked", "waiting", "fetching", "setting_up", "withdrawing", "ready", "committed", "started", "tearing_down", "ended", "completed",
}

// String names the phase.
func (p Phase) String() string { return phaseNames[p] }

// A phaseTransition is what an event does to a host. do says what a person may want to know
// of it.
type phaseTransition struct {
	on          message.EventKind
	from, until Phase                        // the first and the last in which the event can come
	guard       func(*Run, *host, told) bool // nil: none
	do          func(*Run, *host, told) (detail string)
	to          Phase
	stay        bool // the phase does not change
	// anyhow: what the event says need not hold, as the host is not believed anyhow.
	anyhow bool
}

// phaseTransitions are the events that have a number, and the one that moves a host without
// having one, want. The first that fits is made. Whether an event can be true after
// all that came before is for the account to say; what is not in the table can't.
var phaseTransitions = []phaseTransition{
	{on: message.Want, from: Asked, until: Fetching, guard: wantCounts, do: fetches, to: Fetching},
	{on: message.Want, from: Withdrawing, until: Withdrawing, guard: wantsAnew, do: fetches, to: Fetching},
	{on: message.Waiting, from: Asked, until: Committed, do: waits, to: Waiting},
	{on: message.SettingUp, from: Asked, until: Committed, do: setsUp, to: SettingUp},
	{on: message.Ready, from: Asked, until: Committed, guard: knowsTooLittle, do: turnAwayOld, to: Completed, anyhow: true},
	{on: message.Ready, from: Asked, until: Committed, do: getsReady, to: Ready},
	{on: message.Committed, from: Ready, until: Committed, do: commits, to: Committed},
	{on: message.Armed, from: Committed, until: Committed, guard: armsFirst, do: arms, to: Released},
	{on: message.Armed, from: Released, until: TearingDown, do: arms, stay: true},
	{on: message.Started, from: Committed, until: Released, guard: tellsOfProcess, do: commandsStart, to: Released},
	{on: message.Started, from: SettingUp, until: TearingDown, guard: tellsOfNone, do: commandsStart, stay: true},
	{on: message.Exited, from: Committed, until: Committed, guard: tellsOfProcessEnd, do: commandEnds, to: Released},
	{on: message.Exited, from: SettingUp, until: TearingDown, do: commandEnds, stay: true},
	{on: message.Acted, from: Committed, until: TearingDown, do: acts, stay: true},
	{on: message.Seen, from: Committed, until: TearingDown, do: seesLine, stay: true},
	{on: message.Asked, from: Committed, until: TearingDown, do: asks, stay: true},
	{on: message.Facts, from: Committed, until: Ended, do: tellsFacts, stay: true},
	{on: message.ProcessReady, from: Released, until: TearingDown, do: processReady, stay: true},
	{on: message.Stopping, from: Asked, until: Ended, do: carriesOutStop, stay: true},
	{on: message.TearingDown, from: Asked, until: Committed, do: withdraws, to: Withdrawing},
	{on: message.TearingDown, from: Released, until: TearingDown, do: noDetail, to: TearingDown},
	{on: message.Ended, from: Withdrawing, until: Ended, do: noDetail, to: Ended},
	{on: message.Refused, from: Asked, until: Committed, do: refuses, to: Completed},
	{on: message.Done, from: Asked, until: Ended, do: finishes, to: Completed},
}

// phaseTransitionOf finds what an event does to a host; nil: it can't come from it.
func phaseTransitionOf(r *Run, h *host, e told) *phaseTransition {
	for i := range phaseTransitions {
		t := &phaseTransitions[i]
		if t.on == e.Kind && h.phase >= t.from && h.phase <= t.until && (t.guard == nil || t.guard(r, h, e)) {
			return t
		}
	}
	return nil
}

// tellsOfProcess reports whether an event tells of the start of a process: tellsOfNone of
// commands of the setup or the teardown alone.
func tellsOfProcess(_ *Run, h *host, e told) bool {
	return slices.ContainsFunc(e.Started, func(s message.StartedInfo) bool {
		return s.Command >= 0 && s.Command < len(h.job.Commands) && h.job.Commands[s.Command].Phase == message.PhaseRun
	})
}

func tellsOfNone(r *Run, h *host, e told) bool { return !tellsOfProcess(r, h, e) }

// tellsOfProcessEnd reports whether an event tells of a process that has ended. Where it is the
// first that is told of the host's processes, this one could not be started: the host has
// released them all the same, and the others may have a delay.
func tellsOfProcessEnd(_ *Run, h *host, e told) bool {
	n := e.Exited.Command
	return n >= 0 && n < len(h.job.Commands) && h.job.Commands[n].Phase == message.PhaseRun
}

func noDetail(*Run, *host, told) string { return "" }

// carriesOutStop notes when a host has stopped its processes.
func carriesOutStop(r *Run, h *host, e told) string {
	at := h.contact.instant(e.Time, r.now)
	h.stops = append(h.stops, HostStop{FromBeat: e.Stopping.FromBeat, At: at})
	if h.stopShown = e.Stopping.FromBeat; h.stopShown == 0 {
		h.stoppedAt = at
	}
	return ""
}

// tellsFacts notes what is true of a host. Where it is told twice, the last counts.
func tellsFacts(_ *Run, h *host, e told) string {
	h.facts = e.Facts
	return ""
}

// finishes takes a host's last event.
func finishes(r *Run, h *host, e told) string {
	r.finish(h, e.Done, true)
	return ""
}
