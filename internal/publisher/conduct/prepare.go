package conduct

import (
	"fmt"
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// A preparation is a host's way from the job to being ready.
type preparation struct {
	by       time.Time          // when it has to be ready; zero while it waits for another run
	allowed  time.Duration      // for its setup, and getting ready after it
	ready    *message.ReadyInfo // once it was
	readyAt  time.Time
	inquired bool              // it was asked why it doesn't answer
	shown    []message.Feature // that it knows, as what it did has shown

	behind     string    // the run that it waits for
	tellAt     time.Time // when a person is to hear of that, if it is still so
	waitsSince time.Time // on its own clock: when it last said that it waits
}

// show notes features that the host has shown to know.
func (p *preparation) show(features ...message.Feature) {
	for _, f := range features {
		if !slices.Contains(p.shown, f) {
			p.shown = append(p.shown, f)
		}
	}
}

// unknown are those of the features that the host doesn't know, now that it is ready. What
// it has done it knows, even if it doesn't say so.
func (p *preparation) unknown(needs []message.Feature, ready *message.ReadyInfo) []message.Feature {
	if len(needs) == 0 {
		return nil
	}
	return message.Lacking(needs, slices.Concat(ready.Features, p.shown))
}

// wantCounts reports whether what a host wants is of the moment: it may come late, and
// since then the host has said otherwise.
func wantCounts(r *Run, h *host, e told) bool {
	return !r.ending.stopped() && e.Time.After(h.preparation.waitsSince)
}

// wantsAnew reports whether a host wants a file that has given way to another run and has been
// given its host back, before it could tell that it waits.
func wantsAnew(r *Run, h *host, e told) bool { return wantCounts(r, h, e) && h.account.hasTornDown() }

// fetches sends a host what it lacks of a file. As long as it goes on asking, there is
// progress, and it is not late. Only what the job names is ever sent.
func fetches(r *Run, h *host, e told) string {
	w := e.Want
	h.preparation.show(message.FeatureFiles)
	h.preparation.by = r.now.Add(r.spec.ReadyTimeout)
	own := slices.ContainsFunc(h.job.Files, func(f message.File) bool { return f.SHA256 == w.SHA256 })
	if own && w.Offset >= 0 && w.Bytes > 0 {
		r.out.put(Ship{Host: h.index, Want: *w})
	} else {
		r.out.put(Warn{Host: h.index, What: WantStrange, Detail: w.SHA256})
	}
	return fmt.Sprintf("%s (%d of %d MB)", w.Path, w.Done/1_000_000, (w.Total+999_999)/1_000_000)
}

// waits notes that another run has the host. If the others have been asked to keep their
// processes for this run, they are told to let go again.
func waits(r *Run, h *host, e told) string {
	p := &h.preparation
	p.by, p.behind, p.waitsSince = time.Time{}, e.Waiting.Behind, e.Time
	if message.SamePublisher(p.behind, r.spec.Run) {
		// An earlier run of ours, which is over but for its worker's last steps.
		p.tellAt = r.now.Add(inquireAfter)
		return ""
	}
	return p.behind
}

// setsUp notes that a host runs its setup. That has its own time: only when it is over,
// the host has to be ready as others have to.
func setsUp(r *Run, h *host, _ told) string {
	p := &h.preparation
	p.behind = ""
	p.show(message.FeatureSetup, message.FeatureTeardown)
	p.allowed = h.limit(message.PhaseSetup) + r.spec.ReadyTimeout
	p.by = r.now.Add(p.allowed)
	return ""
}

// withdraws notes that a host runs its teardown before it has released anything: it can't
// go on, for now or for good.
func withdraws(_ *Run, h *host, e told) string {
	h.preparation.by, h.preparation.waitsSince = time.Time{}, e.Time
	return ""
}

func getsReady(r *Run, h *host, e told) string {
	h.preparation.ready, h.preparation.readyAt = e.Ready, r.now
	h.contact.keepaliveAt = r.now // its clock can be read while it has nothing else to do
	if e.Ready.Clock != nil {
		r.listens(h, e.Ready.Clock.Addresses)
	}
	return e.Ready.Hold
}

// knowsTooLittle reports whether a host that is ready doesn't know what its job needs. A
// worker that is older than a feature has passed over it without a word, and would run
// something else than the file says.
func knowsTooLittle(_ *Run, h *host, e told) bool {
	return len(h.preparation.unknown(h.job.Needs, e.Ready)) > 0
}

// turnAwayOld declines a host that doesn't know what its job needs.
func turnAwayOld(r *Run, h *host, e told) string {
	version := "of version " + e.Ready.Version
	if e.Ready.Version == "" {
		version = "too old to tell its version"
	}
	turnAway(r, h, fmt.Sprintf("the worker on %s is %s and doesn't know %s, which the file uses: update it",
		h.name, version, message.JoinFeatures(h.preparation.unknown(h.job.Needs, e.Ready))))
	return ""
}

// turnAway declines a host before anything was started, and tells it.
func turnAway(r *Run, h *host, reason string) {
	r.out.hurry(Send{Host: h.index, Control: &message.Control{Kind: message.Stop, Cause: message.StopFailure, Reason: reason}})
	r.decline(h, outcome.HostRefused, reason)
}

// refuses takes a host's word that it can't take part.
func refuses(r *Run, h *host, e told) string {
	h.refused = e.Refused
	if wrong := h.account.refusal(h.refused); wrong != "" {
		r.contradicted(h, wrong)
		return ""
	}
	if lacking := h.lacking(h.refused.Totals); lacking != "" {
		r.lose(h, h.name+": "+lacking)
		return ""
	}
	for _, problem := range h.refused.Problems {
		for local, c := range h.job.In(message.PhaseRun) {
			if c.Name == problem.Process {
				h.command(local).Reason = problem.Reason
			}
		}
	}
	r.decline(h, outcome.HostRefused, describeRefusal(h.name, h.refused))
	return ""
}

// commits notes that a host keeps its processes for this run.
func commits(r *Run, h *host, e told) string {
	if e.Committed != nil {
		h.contact.answered(e.Committed.Probe, e.at)
	}
	r.committedAt = r.now
	return ""
}

// unsendable declines a host that its job can't be sent to.
func unsendable(r *Run, h *host, in Unsendable) {
	if h.phase != Asked {
		r.out.put(Warn{Host: h.index, What: NotTold, Detail: in.Why})
		return
	}
	r.decline(h, outcome.HostNotReady, in.Reason)
}

// notShipped declines a host that can't have its files.
func notShipped(r *Run, h *host, why string) {
	if h.phase >= Ready {
		return
	}
	r.out.hurry(Send{Host: h.index, Control: &message.Control{Kind: message.Stop, Cause: message.StopFailure, Reason: why}})
	r.decline(h, outcome.HostRefused, fmt.Sprintf("%s can't have its files: %s", h.name, why))
}

// inquireAfter is how long a host may take to answer before a person is told what the
// broker knows of it.
const inquireAfter = time.Second

// inquire has it found out why a host doesn't answer.
func inquire(r *Run, h *host) {
	h.preparation.inquired = true
	r.out.put(Inquire{Host: h.index})
}

// mostNotices is of how many hosts that don't answer a person is told one by one.
const mostNotices = 6

// inquired takes in what is known of a host that doesn't answer. A person is told that,
// and how many do: a worker among many may just not have come to it.
func inquired(r *Run, h *host, in Inquired) {
	if in.Late {
		if h.phase == Asked {
			tooLate(r, h, in.Why)
		}
		return
	}
	r.notices++
	if h.answers() || r.notices > mostNotices {
		return
	}
	detail, answered := in.Why, 0
	for i := range r.hosts {
		if r.hosts[i].answers() {
			answered++
		}
	}
	if answered > 0 {
		detail += fmt.Sprintf("; %d of %d hosts have", answered, len(r.hosts))
	}
	r.out.put(HostMoved{Host: h.index, Phase: h.phase, Detail: detail})
}

// late declines a host that is not ready in time, with what is known of it.
func late(r *Run, h *host) {
	h.preparation.by = r.now.Add(inquireAfter) // of what is asked now
	switch {
	case h.phase == Fetching:
		tooLateThere(r, h, "it was still being sent files")
	case h.answers():
		tooLateThere(r, h, "its worker has the job and answers, and has not prepared the processes yet")
	default:
		r.out.put(Inquire{Host: h.index, Late: true})
	}
}

// tooLateThere declines a host that answers, and tells it: it would hold its processes, once
// they are prepared, until the lease is over.
func tooLateThere(r *Run, h *host, why string) {
	r.out.hurry(Send{Host: h.index, Control: &message.Control{Kind: message.Stop, Cause: message.StopFailure, Reason: "it was not ready in time"}})
	tooLate(r, h, why)
}

func tooLate(r *Run, h *host, why string) {
	r.decline(h, outcome.HostNotReady, fmt.Sprintf("%s was not ready within %s: %s", h.name, r.spec.ReadyTimeout, why))
}

// slow reports a host that is setting up and should have been ready long ago: it answers,
// so it is told to stop as all others are.
func slow(r *Run, h *host) {
	h.outcome, h.reason = outcome.HostNotReady, fmt.Sprintf("%s was not ready within %s after its setup had begun", h.name, h.preparation.allowed)
	r.conclude(message.StopFailure, decision{word: outcome.RunRefused, reason: h.reason})
}
