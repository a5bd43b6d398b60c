package results

import (
	"slices"
	"time"

	"downbeat/internal/outcome"
)

// The records of what happened in the course of a run: what began when, again and again,
// and what was done to it.

// A BeatRecord is one release of a run.
type BeatRecord struct {
	Beat   int      `json:"beat"`   // from 0
	Groups []string `json:"groups"` // whose processes begin on it
	// ReleasedAt is when the first of its processes began, less its delay, or the agreed
	// instant of a beat without any. It is zero for one that never came.
	ReleasedAt time.Time `json:"released_at,omitzero"`
	// StartSkewUS is the time between the first and the last start of one of its processes, in
	// microseconds, and StartErrorUS the bound of its error. ClockErrorUS is the largest bound
	// of the start of one of them.
	StartSkewUS  int64 `json:"start_skew_us"`
	StartErrorUS int64 `json:"start_error_us"`
	ClockErrorUS int64 `json:"clock_error_us"`
}

// A StopRecord is one step of a stop in which beats are stopped one after the other.
type StopRecord struct {
	// FromBeat is the first beat whose processes it stops, Groups are those of that beat and
	// of the later ones that were not stopped before.
	FromBeat int      `json:"from_beat"`
	Groups   []string `json:"groups"`
	// StoppedAt is when the first host sent its signals, StopSkewUS the time until the last
	// did, in microseconds, and StopErrorUS the bound of its error.
	StoppedAt   time.Time `json:"stopped_at"`
	StopSkewUS  int64     `json:"stop_skew_us"`
	StopErrorUS int64     `json:"stop_error_us"`
}

// A Cause is what ended a life of a process.
type Cause string

// The causes.
const (
	CauseItself Cause = "itself" // it ended by itself
	CauseAction Cause = "action" // an action of the file
	CauseStop   Cause = "stop"   // the stop of the run
)

// A LifeRecord is one start of a process and its end.
type LifeRecord struct {
	Life     int             `json:"life"` // from 0
	PID      int             `json:"pid"`
	Outcome  outcome.Command `json:"outcome"`
	Reason   string          `json:"reason"`
	Cause    Cause           `json:"cause,omitempty"` // empty if it is not known to have ended
	ExitCode int             `json:"exit_code"`       // -1 if there is none
	Signal   string          `json:"signal"`
	// StartedAt and EndedAt have their bounds beside them, as in a [CommandRecord].
	StartedAt      time.Time `json:"started_at,omitzero"`
	EndedAt        time.Time `json:"ended_at,omitzero"`
	StartedErrorUS int64     `json:"started_error_us,omitzero"`
	EndedErrorUS   int64     `json:"ended_error_us,omitzero"`
	UserUS         int64     `json:"user_us"`
	SystemUS       int64     `json:"system_us"`
	MaxRSSBytes    int64     `json:"max_rss_bytes"`
}

// An ActionRecord is one action on one process or command.
type ActionRecord struct {
	Action int    `json:"action"` // its number in the file, from 0
	Turn   int    `json:"turn"`   // which time it was done, from 0
	Do     string `json:"do"`     // such as "signal"
	Text   string `json:"text"`   // for people
	Target string `json:"target"` // the process, or the command that was run
	Life   int    `json:"life"`   // of the target; of a start, the one that began
	Host   string `json:"host"`
	// PlannedAt is when it was to be done; zero if it never came to that. At is when it was
	// done, LateUS how much later that is, in microseconds, and ClockErrorUS the bound of its
	// error.
	PlannedAt    time.Time `json:"planned_at,omitzero"`
	At           time.Time `json:"at,omitzero"`
	LateUS       int64     `json:"late_us"`
	ClockErrorUS int64     `json:"clock_error_us,omitzero"`
	// Reason is why it was not done; empty if it was. Optional: that was allowed.
	Reason   string `json:"reason,omitempty"`
	Optional bool   `json:"optional,omitempty"`
}

// A MarkRecord is an instant that a process has named.
type MarkRecord struct {
	Mark         string    `json:"mark"`
	Host         string    `json:"host"`
	Process      string    `json:"process,omitempty"`
	At           time.Time `json:"at"`
	ClockErrorUS int64     `json:"clock_error_us"`
}

// A BarrierRecord is a barrier that has opened.
type BarrierRecord struct {
	Barrier string `json:"barrier"`
	Count   int    `json:"count"`
	// FirstAt and LastAt are when the first and the last process came, OpenedAt the agreed
	// instant at which they went on.
	FirstAt  time.Time `json:"first_at"`
	LastAt   time.Time `json:"last_at"`
	OpenedAt time.Time `json:"opened_at"`
}

// A WindowRecord is a window of the file, as it was in the run.
type WindowRecord struct {
	Window string `json:"window"`
	// From and To are when it began and ended, with the bounds of these times' errors. They are
	// zero if there was no such window, and Reason says why.
	From        time.Time `json:"from,omitzero"`
	FromErrorUS int64     `json:"from_error_us,omitzero"`
	To          time.Time `json:"to,omitzero"`
	ToErrorUS   int64     `json:"to_error_us,omitzero"`
	Reason      string    `json:"reason,omitempty"`
	// Note says whether it was cut.
	Note string `json:"note,omitempty"`
}

// Window gives the window of that name.
func (r *Record) Window(name string) (WindowRecord, bool) {
	for _, w := range r.Windows {
		if w.Window == name {
			return w, true
		}
	}
	return WindowRecord{}, false
}

// Beat gives the release of the group's processes.
func (r *Record) Beat(group string) (BeatRecord, bool) {
	for _, b := range r.Beats {
		if slices.Contains(b.Groups, group) {
			return b, true
		}
	}
	return BeatRecord{}, false
}

// StartBoundUS is by how much the skew of the beat may be wrong, in microseconds.
func (b *BeatRecord) StartBoundUS() int64 { return b.StartErrorUS }

// normalCourse has lists instead of null, and times in UTC.
func (r *Record) normalCourse() {
	for i := range r.Beats {
		b := &r.Beats[i]
		b.Groups, b.ReleasedAt = append([]string{}, b.Groups...), utc(b.ReleasedAt)
	}
	for i := range r.Stops {
		s := &r.Stops[i]
		s.Groups, s.StoppedAt = append([]string{}, s.Groups...), utc(s.StoppedAt)
	}
	for i := range r.Actions {
		a := &r.Actions[i]
		a.PlannedAt, a.At = utc(a.PlannedAt), utc(a.At)
	}
	for i := range r.Marks {
		r.Marks[i].At = utc(r.Marks[i].At)
	}
	for i := range r.Windows {
		w := &r.Windows[i]
		w.From, w.To = utc(w.From), utc(w.To)
	}
	for i := range r.Barriers {
		b := &r.Barriers[i]
		b.FirstAt, b.LastAt, b.OpenedAt = utc(b.FirstAt), utc(b.LastAt), utc(b.OpenedAt)
	}
}
