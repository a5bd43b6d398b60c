package conduct

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"downbeat/internal/message"
)

// A Beat is what begins together, by an agreed instant of its own. The first one has no
// conditions: its instant is that of the run's release.
type Beat struct{ After []Condition }

// A Condition is what a beat waits for: that each process of a group can be used or, with
// Ended, that each is over and none has failed; and then for Delay.
type Condition struct {
	Group string
	Ended bool
	Delay time.Duration
}

// A BeatState is where a beat stands. A test holds this drawing to the table:
//
//	beat_waiting → beat_due → beat_released
type BeatState uint8

// The states of a beat, in their order.
const (
	BeatWaiting  BeatState = iota // something that it waits for is not so yet
	BeatDue                       // its instant is agreed on, and told
	BeatReleased                  // that is past, and every host has said that it knows it
)

var beatNames = [...]string{"beat_waiting", "beat_due", "beat_released"}

// String names the state.
func (s BeatState) String() string { return beatNames[s] }

// A beat is a Beat's part in a run.
type beat struct {
	number     int
	conditions []condition
	groups     []string // those whose processes begin on it
	state      BeatState
	at         time.Time // the agreed instant; zero: there is none yet
	alive      int       // of its processes, that have started and not ended
}

// A condition is a Condition with what is known of its group.
type condition struct {
	Condition
	group *group
}

// A beatTransition leads from a state of a beat to the next as soon as its guard holds.
type beatTransition struct {
	from  BeatState
	guard func(*Run, *beat) bool
	do    func(*Run, *beat)
	to    BeatState
}

var beatTransitions = [...]beatTransition{
	{BeatWaiting, mayBegin, agreeBeat, BeatDue},
	{BeatDue, isOut, tellBeat, BeatReleased},
}

// newBeats makes the beats of a run.
func (r *Run) newBeats() {
	n := max(len(r.spec.Beats), 1)
	for i := range r.hosts {
		n = max(n, len(r.hosts[i].beats))
	}
	r.beats = make([]beat, n)
	for k := range r.beats {
		b := &r.beats[k]
		b.number = k
		if k == 0 || k >= len(r.spec.Beats) {
			continue
		}
		for _, c := range r.spec.Beats[k].After {
			b.conditions = append(b.conditions, condition{c, r.group(c.Group)})
		}
	}
	for i := range r.commands {
		if c := &r.commands[i]; c.Phase == message.PhaseRun {
			if b := r.beatOf(c); !slices.Contains(b.groups, c.Group) {
				b.groups = append(b.groups, c.Group)
			}
		}
	}
}

// beatOf is the beat of a process.
func (r *Run) beatOf(c *command) *beat { return &r.beats[c.Beat] }

// name is what people call a beat.
func (b *beat) name() string {
	if len(b.groups) == 0 || b.groups[0] == "" {
		return "beat " + strconv.Itoa(b.number)
	}
	return fmt.Sprintf("beat %d (%s)", b.number, joinNames(b.groups))
}

// advanceBeats moves the beats on as far as they can go now, and stops a run in which one
// of them can never begin.
func (r *Run) advanceBeats() {
	for k := range r.beats {
		b := &r.beats[k]
		for i := range beatTransitions {
			if t := &beatTransitions[i]; b.state == t.from && t.guard(r, b) {
				b.state = t.to
				t.do(r, b)
			}
		}
	}
}

// begins is when a beat that waits can begin, as things are; zero: never.
func (b *beat) begins() time.Time {
	at := time.Unix(0, 0)
	for _, c := range b.conditions {
		since := c.since()
		if since.IsZero() {
			return time.Time{}
		}
		if since = since.Add(c.Delay); since.After(at) {
			at = since
		}
	}
	return at
}

// since is from when on a condition has held; zero: it does not.
func (c *condition) since() time.Time {
	if c.Ended {
		return c.group.over.since(len(c.group.commands))
	}
	return c.group.usable.since(len(c.group.commands))
}

// beatAhead is how long before its instant a beat is agreed on at the earliest: late, as
// clocks drift apart, and early enough for a start that is lost to be sent again.
const beatAhead = 2 * time.Second

// mayBegin reports whether the time has come to agree on a beat's instant: all that it
// waits for is so, and all hosts know of the first.
func mayBegin(r *Run, b *beat) bool {
	if b.number == 0 || r.stage != Running || r.ending.stopped() {
		return false
	}
	at := b.begins()
	return !at.IsZero() && !r.now.Before(at.Add(-beatAhead))
}

// agreeBeat agrees on a beat's instant, and has every host that it concerns told.
func agreeBeat(r *Run, b *beat) {
	b.at = r.now.Add(stopMargin(r.hosts))
	if at := b.begins(); at.After(b.at) {
		b.at = at
	}
	for i := range r.hosts {
		if h := &r.hosts[i]; h.owesBeat(b) {
			h.beats[b.number].since = r.now
			r.startBeat(h, b)
		}
	}
	r.probeAll()
}

// owesBeat reports whether a host is to say yet that it knows a beat's instant. The first
// beat is asked for with the run's release; see ask.go.
func (h *host) owesBeat(b *beat) bool {
	return b.number > 0 && b.state == BeatDue && h.phase == Released && b.number < len(h.beats) && !h.beats[b.number].armed
}

// startBeat tells a host when a beat begins.
func (r *Run) startBeat(h *host, b *beat) {
	h.touch()
	h.beats[b.number].repeatAt = r.now.Add(repeatEvery)
	r.out.hurry(Send{Host: h.index, Control: &message.Control{Kind: message.Start, Beat: b.number, At: h.contact.clock.Theirs(b.at)}})
}

// isOut reports whether a beat that is due has been released on all hosts. One whose
// processes are stopped before its instant never is.
func isOut(r *Run, b *beat) bool {
	if b.number == 0 {
		return r.stage >= Running && !r.now.Before(b.at)
	}
	if r.isCutOff(b) {
		return false
	}
	for i := range r.hosts {
		if r.hosts[i].owesBeat(b) {
			return false
		}
	}
	return !r.now.Before(b.at)
}

// isCutOff reports whether the processes of a beat are stopped before its instant.
func (r *Run) isCutOff(b *beat) bool {
	s := r.ending.of(b.number)
	return s.stopped() && !s.at.After(b.at)
}

func tellBeat(r *Run, b *beat) {
	if len(r.beats) > 1 {
		r.out.put(BeatBegins{Beat: b.number, Groups: b.groups, At: b.at})
	}
}

// lastBeat is when the last beat is released; zero: that isn't known yet.
func (r *Run) lastBeat() time.Time {
	var last time.Time
	for k := range r.beats {
		if at := r.beats[k].at; at.IsZero() {
			return at
		} else if at.After(last) {
			last = at
		}
	}
	return last
}

// cannotBegin stops a run in which a beat waits for what can't come any more.
func (r *Run) cannotBegin() {
	if r.ending.stopped() {
		return
	}
	for k := range r.beats {
		b := &r.beats[k]
		for i := range b.conditions {
			c := &b.conditions[i]
			if never := c.never(); never != "" && b.state == BeatWaiting {
				r.barred = b.name() + " can't begin"
				r.halt(message.StopFailure, fmt.Sprintf("%s: %s", r.barred, never))
				return
			}
		}
	}
}

// never is why a condition can't come to hold any more; empty: it can.
func (c *condition) never() string {
	if c.Ended {
		return c.group.over.never
	}
	return c.group.usable.never
}

// A hostBeat is a beat as a host has to do with it.
type hostBeat struct {
	armed    bool          // it has said that it knows the instant
	since    time.Time     // from when on it owes that or, after it, the starts
	repeatAt time.Time     // when it is told again
	unborn   int           // of its processes, that nothing is known of
	alive    int           // that have started and not ended
	longest  time.Duration // how long after the release the last of them is to start
}

// newHostBeats counts the processes of a job by beats.
func newHostBeats(job *message.Job) []hostBeat {
	beats := make([]hostBeat, job.Beats())
	for _, c := range job.In(message.PhaseRun) {
		b := &beats[c.Beat]
		b.unborn++
		b.longest = max(b.longest, c.Delay())
	}
	return beats
}

// arms takes a host's word that it knows when a beat is released.
func arms(r *Run, h *host, e told) string {
	hb := &h.beats[e.Armed.Beat]
	hb.armed = true
	hb.since = r.beats[e.Armed.Beat].at.Add(hb.longest)
	if r.now.After(hb.since) {
		hb.since = r.now
	}
	return ""
}

func armsFirst(_ *Run, _ *host, e told) bool { return e.Armed.Beat == 0 }

// owesAnew gives the host time anew for what it owes of beats and actions.
func (h *host) owesAnew(at time.Time) {
	for k := range h.beats {
		if hb := &h.beats[k]; !hb.since.IsZero() && at.After(hb.since) {
			hb.since = at
		}
	}
	for _, c := range h.calls {
		if at.After(c.since) {
			c.since = at
		}
	}
}

func beatAgainDue(r *Run, h *host) time.Time {
	var at time.Time
	if r.ending.stopped() {
		return at
	}
	for k := range h.beats {
		if h.owesBeat(&r.beats[k]) {
			at = sooner(at, h.beats[k].repeatAt)
		}
	}
	return at
}

func beatAgain(r *Run, h *host) {
	for k := range h.beats {
		if h.owesBeat(&r.beats[k]) && isDue(h.beats[k].repeatAt, r.now) {
			r.startBeat(h, &r.beats[k])
		}
	}
}

// beatTakenDue: jobs of one beat are asked for with the run's release alone.
func beatTakenDue(r *Run, h *host) time.Time {
	var at time.Time
	if len(h.beats) < 2 || r.ending.stopped() || h.phase != Released {
		return at
	}
	for k := range h.beats {
		if hb := &h.beats[k]; h.owesBeat(&r.beats[k]) || hb.armed && hb.unborn > 0 {
			at = sooner(at, whileHeard(r, h, hb.since.Add(r.spec.asking())))
		}
	}
	return at
}

// beatNotTaken gives up a host that answers and does not begin a beat.
func beatNotTaken(r *Run, h *host) {
	for k := range h.beats {
		hb := &h.beats[k]
		switch {
		case !isDue(hb.since.Add(r.spec.asking()), r.now):
		case h.owesBeat(&r.beats[k]):
			r.lose(h, fmt.Sprintf("%s did not take the start of %s within %s, though it answers", h.name, r.beats[k].name(), r.spec.asking()))
			return
		case hb.armed && hb.unborn > 0:
			r.lose(h, fmt.Sprintf("%s did not start its processes of %s within %s, though it answers", h.name, r.beats[k].name(), r.spec.asking()))
			return
		}
	}
}

func beatDue(r *Run, _ *host) time.Time {
	var at time.Time
	if len(r.beats) < 2 || r.stage < Starting || r.stage == Over {
		return at
	}
	for k := range r.beats {
		switch b := &r.beats[k]; {
		case b.state == BeatDue && b.at.After(r.now) && (k == 0 || !r.isCutOff(b)):
			at = sooner(at, b.at)
		case b.state == BeatWaiting && k > 0 && !r.ending.stopped():
			if begins := b.begins(); !begins.IsZero() && begins.Add(-beatAhead).After(r.now) {
				at = sooner(at, begins.Add(-beatAhead))
			}
		}
	}
	return at
}
