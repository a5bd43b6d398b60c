package conform

import (
	"errors"
	"time"

	"downbeat/internal/message"
)

// scriptedCases have workers that are played by hand.
func scriptedCases() []Case {
	failed := publication{status: 1, names: []string{"alpha"}}
	silent := failed
	silent.slow = true
	return []Case{
		{
			Name: "unknown-kinds", Shows: "Events and frames of kinds that nobody knows are counted, and passed over.",
			play: scripted(publication{lines: map[string][]string{"alpha/0": {"hello"}}}, sayUnknown),
		},
		{
			Name: "worker-killed", Shows: "When a worker was killed and says that the run is lost, the exit status is 1.",
			play: scripted(failed, sayLost),
		},
		{
			Name: "host-silent", Shows: "When a host falls silent, the run is given up by the lease, and the exit status is 1.",
			play: scripted(silent, saySilent),
		},
		{
			Name: "output-missing", Shows: "A run whose output has not come as the totals say has not succeeded.",
			play: scripted(failed, sayTooMuch),
		},
		{
			Name: "worker-stops", Shows: "When a worker has stopped the run by itself, the exit status is 1.",
			play: scripted(failed, sayStopped),
		},
		{
			Name: "version-1", Shows: "A worker that refuses because it is of version 1 is named with its reason, and nothing is waited for.",
			play: playOldWorker(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: oldReason, Version: "v0.9"}}, oldReason),
		},
		{
			Name: "version-1-events", Shows: "A host whose events are of version 1 is refused by the publisher, which names it and both versions.",
			play: playOldWorker(message.Event{Kind: message.Ready, Seq: 1, Ready: &message.ReadyInfo{Hold: "none"}}, "1", "2"),
		},
		{Name: "withdrawn", Shows: "When a host waits after all while others are committed, the commits are taken back, and given again later.", play: playWithdrawn},
		{Name: "late-ready", Shows: "No host is committed before all are ready, and none is started before all are committed.", play: playLate},
	}
}

// scripted has a worker on one host say what the script has it say, and looks at what
// the publisher makes of it.
func scripted(p publication, script func(*stage, *handWorker) error) func(*stage) error {
	return func(s *stage) error {
		w, err := s.newHandWorker("alpha")
		if err != nil {
			return err
		}
		if err := s.publish(`{"name": "scripted", "hosts": {"alpha": ["echo hello"]}}`); err != nil {
			return err
		}
		if err := w.begin(); err != nil {
			return err
		}
		s.mayEnd = true
		if err := script(s, w); err != nil {
			return err
		}
		return p.conclude(s)
	}
}

func sayUnknown(_ *stage, w *handWorker) error {
	w.event(message.Event{Kind: "levitating"})
	w.output(0, "hello\n")
	w.frame()
	w.exit()
	w.done(nil)
	return nil
}

func sayLost(s *stage, w *handWorker) error {
	w.output(0, "hello\n")
	if err := s.pause(300 * time.Millisecond); err != nil {
		return err
	}
	w.done(func(d *message.DoneInfo) {
		d.Outcome, d.Reason = message.HostLost, "the worker on alpha died in mid-run"
	})
	return nil
}

func saySilent(_ *stage, w *handWorker) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silent = true
	return nil
}

func sayTooMuch(_ *stage, w *handWorker) error {
	w.output(0, "hello\n")
	w.exit()
	w.done(func(d *message.DoneInfo) {
		d.Totals[0].StdoutBytes += 6
		d.Totals[0].StdoutLines++
	})
	return nil
}

func sayStopped(_ *stage, w *handWorker) error {
	const reason = "the worker is shutting down"
	w.event(message.Event{Kind: message.Stopping, Stopping: &message.StoppingInfo{Cause: message.StopAbort, Reason: reason}})
	w.event(message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{
		ExitCode: -1, Signal: "SIGTERM", Stopped: true, StartedAt: w.startedAt, EndedAt: time.Now().UTC(),
	}})
	w.done(func(d *message.DoneInfo) { d.Outcome, d.Reason = message.HostStopped, reason })
	return nil
}

// oldReason is what a worker of version 1 says of a job.
const oldReason = "other protocol version: the sender speaks 2, this build 1"

// playOldWorker has the worker answer the job with an event of version 1.
func playOldWorker(e message.Event, names ...string) func(*stage) error {
	return func(s *stage) error {
		w, err := s.newHandWorker("alpha")
		if err != nil {
			return err
		}
		if err := s.publish(`{"name": "old", "hosts": {"alpha": ["true"]}}`); err != nil {
			return err
		}
		if err := w.awaitJob(); err != nil {
			return err
		}
		w.foreign(e)
		s.mayEnd = true
		return publication{status: 1, names: append(names, "alpha")}.conclude(s)
	}
}

// two starts workers that are played by hand on both hosts, and publishes.
func (s *stage) two() (alpha, bravo *handWorker, err error) {
	if alpha, err = s.newHandWorker("alpha"); err != nil {
		return nil, nil, err
	}
	if bravo, err = s.newHandWorker("bravo"); err != nil {
		return nil, nil, err
	}
	if err := s.publish(`{"name": "two", "hosts": {"alpha": ["true"], "bravo": ["true"]}}`); err != nil {
		return nil, nil, err
	}
	return alpha, bravo, errors.Join(alpha.awaitJob(), bravo.awaitJob())
}

// complete plays the rest of a run whose hosts are all committed.
func (s *stage) complete(workers ...*handWorker) error {
	for _, w := range workers {
		if err := w.started(); err != nil {
			return err
		}
	}
	for _, w := range workers {
		w.exit()
		w.done(nil)
	}
	return publication{}.conclude(s)
}

func playWithdrawn(s *stage) error {
	alpha, bravo, err := s.two()
	if err != nil {
		return err
	}
	alpha.ready()
	bravo.ready()
	if err := alpha.commit(); err != nil {
		return err
	}
	if _, err := bravo.await(message.Commit); err != nil {
		return err
	}
	bravo.event(message.Event{Kind: message.Waiting, Waiting: &message.WaitingInfo{Behind: "00" + bravo.job.Run[2:]}})
	if _, err := alpha.await(message.Uncommit); err != nil {
		return err
	}
	alpha.ready()
	if err := s.pause(300 * time.Millisecond); err != nil {
		return err
	}
	// A part that was asked for before bravo was heard is not asked for again.
	for _, w := range []*handWorker{alpha, bravo} {
		w.mu.Lock()
		w.controls = nil
		w.mu.Unlock()
	}
	bravo.ready()
	if err := alpha.commit(); err != nil {
		return err
	}
	if err := bravo.commit(); err != nil {
		return err
	}
	return s.complete(alpha, bravo)
}

func playLate(s *stage) error {
	alpha, bravo, err := s.two()
	if err != nil {
		return err
	}
	alpha.ready()
	if err := s.pause(700 * time.Millisecond); err != nil { // the judge sees a commit that comes now
		return err
	}
	bravo.ready()
	if err := alpha.commit(); err != nil {
		return err
	}
	if err := s.pause(700 * time.Millisecond); err != nil { // or a start
		return err
	}
	if err := bravo.commit(); err != nil {
		return err
	}
	return s.complete(alpha, bravo)
}
