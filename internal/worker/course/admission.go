package course

import (
	"iter"
	"time"
)

// An Admission decides which jobs and controls a host accepts: no run is begun twice,
// none whose stop has come before its job, and no control is taken twice. The zero
// value knows of no run.
type Admission struct {
	had     map[string]time.Time // runs that were here and have left, and when
	present map[string]*Serials  // runs that are here
	early   earlyList
}

// A Verdict is what becomes of a job or a control.
type Verdict uint8

// The verdicts.
const (
	// Accept: the job's run begins; the control is the run's.
	Accept Verdict = iota
	// Again: it was here before.
	Again
	// Stopped: the run's stop came before its job.
	Stopped
	// TooLate: the control's run is over.
	TooLate
	// Kept: the control waits for its run's job; see [Admission.Enter].
	Kept
)

// Job judges a job. onDisk is whether the host's disk knows the run.
func (a *Admission) Job(run string, onDisk bool) Verdict {
	switch {
	case onDisk || a.Had(run) || a.present[run] != nil:
		return Again
	case a.early.stopped(run):
		return Stopped
	}
	return Accept
}

// Enter notes that a run is here, and gives it the controls that came before.
func (a *Admission) Enter(run string) []Delivered {
	if a.present == nil {
		a.present = make(map[string]*Serials)
	}
	serials := new(Serials)
	a.present[run] = serials
	kept := a.early.take(run)
	fresh := kept[:0]
	for _, c := range kept {
		if serials.Fresh(c.Serial) {
			fresh = append(fresh, c)
		}
	}
	return fresh
}

// Control judges a control. onDisk is whether the host's disk knows that the run is
// over.
func (a *Admission) Control(run string, c Delivered, onDisk bool) Verdict {
	serials := a.present[run]
	switch {
	case serials != nil && serials.Fresh(c.Serial):
		return Accept
	case serials != nil:
		return Again
	case onDisk || a.Had(run):
		return TooLate
	}
	a.early.add(run, c)
	return Kept
}

// Leave notes that a run is not here any more.
func (a *Admission) Leave(run string) { delete(a.present, run) }

// Remember notes that a run was here, and left at that time.
func (a *Admission) Remember(run string, at time.Time) {
	if a.had == nil {
		a.had = make(map[string]time.Time)
	}
	a.had[run] = at
}

// Had reports whether the run was here and has left.
func (a *Admission) Had(run string) bool {
	_, ok := a.had[run]
	return ok
}

// Remembered are the runs that were here, and when each left.
func (a *Admission) Remembered() iter.Seq2[string, time.Time] {
	return func(yield func(string, time.Time) bool) {
		for run, at := range a.had {
			if !yield(run, at) {
				return
			}
		}
	}
}

// Forget forgets the runs that left before that.
func (a *Admission) Forget(before time.Time) {
	for run, at := range a.had {
		if at.Before(before) {
			delete(a.had, run)
		}
	}
}
