package course

import (
	"downbeat/internal/message"
)

// Beats: each is released by a start of its own, and a stop may be for the last of them
// alone.

// isNewBeat reports whether a start is for a beat that the job knows, and the first for it.
func isNewBeat(r *Run) bool { return r.starting.Beat < len(r.armed) && !r.armed[r.starting.Beat] }

// release has a beat begin at its instant, and the actions be carried out that count from
// it.
func release(r *Run) {
	beat, at := r.starting.Beat, r.starting.At
	r.held = false
	r.armed[beat] = true
	r.emit(Release{Beat: beat, At: at})
	if r.job.SampleMS > 0 && !r.sampled {
		r.sampled = true
		r.emit(BeginSamples{At: at})
	}
	if len(r.armed) > 1 {
		r.journal(&message.Event{Kind: message.Armed, Armed: &message.ArmedInfo{Beat: beat, At: at}})
	}
	r.planTimed(beat, at)
}

// stopProcesses has all processes stopped.
func stopProcesses(r *Run) { r.emit(Stop{At: r.asked.at, Grace: r.asked.grace}) }

// stopBeats has the processes stopped of a beat and of those after it. The run goes on.
func stopBeats(r *Run) {
	from := r.asked.from
	if r.partial == nil {
		r.partial = make(map[int]stop)
	}
	if _, ok := r.partial[from]; !ok {
		r.partial[from] = r.asked
	}
	if r.stopsFrom == 0 || from < r.stopsFrom {
		r.stopsFrom = from
	}
	r.emit(Stop{At: r.asked.at, Grace: r.asked.grace, FromBeat: from})
}

// termSent takes down that a stop was carried out.
func (r *Run) termSent(in TermSent) {
	r.term = in
	if in.FromBeat == 0 {
		r.fire(onTermSent)
		return
	}
	r.fire(onPartTermSent)
	r.fire(onGone)
}

// reportStopping says when the processes were sent TERM. Where nobody has stopped them,
// they have ended by themselves and only left something behind.
func reportStopping(r *Run) { r.reportStop(r.stop, 0) }

// reportPartly says the same of a stop of some beats alone: what has not begun of them
// never will.
func reportPartly(r *Run) {
	if s, ok := r.partial[r.term.FromBeat]; ok {
		r.reportStop(&s, r.term.FromBeat)
		r.dropHeld(r.term.FromBeat)
	}
}

func (r *Run) reportStop(s *stop, from int) {
	if r.inTime {
		r.noteStarted() // what begins is known before it is known that nothing more does
	}
	r.journal(&message.Event{
		Kind: message.Stopping, Time: r.term.At, Stopping: &message.StoppingInfo{Cause: s.cause, Reason: s.reason, FromBeat: from},
	})
}
