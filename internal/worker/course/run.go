package course

import (
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

// Config is what a run goes by, beside what happens.
type Config struct {
	Job *message.Job
	// Lease is the longest that the worker lets a run go on without a word from its
	// publisher. The job's own counts where it is shorter.
	Lease time.Duration
	// Version and Features are the worker's, as in a [message.HereInfo].
	Version  string
	Features []message.Feature
	// Clock is where the host answers probes of its clock, if it does for this run.
	Clock *message.ClockInfo
}

// A Run is one job on this host, from the journal to the last acknowledgement. All
// times are on the run's clock.
//
// [Run.Step], and the functions that it calls, handle what is the same in every state. The
// table of transitions has the rest; its functions are in the files named after their
// subjects: host.go, command.go, process.go,
// end.go, publisher.go, found.go.
type Run struct {
	config   Config
	job      *message.Job
	steps    bool // it has a setup or a teardown
	teardown bool

	now     time.Time // of the Step that is under way
	effects []Effect
	state   State

	// The host.
	wounded bool // an older run wants it
	behind  string
	free    bool // the next run may have it

	// Setup, preparation, teardown.
	task      task
	sequence  sequence
	announced bool // that the setup has begun
	owed      bool // the teardown, as the host is or was this run's
	after     aftermath
	refusal   *message.RefusedInfo // why the host can't take part, if so

	// Processes.
	held     bool                  // they are prepared, and none is released
	prepared message.ReadyInfo     // how
	starting message.Control       // the start under way
	armed    []bool                // by beat: its instant is known
	lives    []*life               // by command: of those that are held together
	left     int                   // processes that have not ended for good
	open     bool                  // something may begin that no beat begins
	term     TermSent              // the latest
	started  []message.StartedInfo // not reported yet
	ran      bool                  // they were released, and none is left
	sampled  bool                  // samples are taken, since the first release
	begun    bool                  // a start of one was reported
	evidence evidence              // what is true of the host meanwhile
	inTime   bool                  // the job is one that has more than a beginning and an end

	// Actions on the processes, and their questions.
	timers  timers
	call    message.Control // the act under way
	called  map[call]bool
	planned map[int]planned // by token
	tokens  int
	told    []int // by watch: how many lines were told
	asking  Asked // under way
	asks    []ask // by when they are sent again
	askIDs  uint64

	// The end.
	asked     stop              // by the input under way
	stop      *stop             // why the run has to end, once it has
	partial   map[int]stop      // those of a beat and what comes after it
	stopsFrom int               // the first beat that is being stopped; 0: none is alone
	lost      *message.DoneInfo // of a run that a worker has left that died: how it ends
	found     Recovered         // of one that was found
	recovered bool
	leaving   bool           // the worker is shutting down
	mute      string         // why no event can be sent any more; empty if they can
	silence   string         // why the publisher is not waited for
	end       *message.Event // the last event, once it is known
	cleared   bool           // the directory is removed
	unlogged  string         // why that is not in the log
	account   account
	probe     *message.Probe // that the commit under way answers

	deadlines deadlines
}

// New makes the run of a job that has come just now and is in the journal.
func New(config Config, now time.Time) *Run {
	r := &Run{config: config, job: config.Job, now: now, state: Waiting}
	r.account.totals = make([]streams.Total, len(r.job.Commands))
	r.teardown = r.job.Has(message.PhaseTeardown)
	r.steps = r.teardown || r.job.Has(message.PhaseSetup)
	r.lives, r.left = newLives(r.job), r.job.Count(message.PhaseRun)
	r.armed, r.told = make([]bool, r.job.Beats()), make([]int, len(r.job.Watches))
	r.inTime = isInTime(r.job)
	r.called, r.planned = make(map[call]bool), make(map[int]planned)
	r.deadlines.lease = now.Add(r.lease())
	return r
}

// Recover makes a run that the worker has found at its start. Its first input is
// [Recovered], or [Leaving] and then that.
func Recover(config Config, now time.Time) *Run {
	r := New(config, now)
	r.state, r.recovered = Found, true
	return r
}

// State is where the run stands.
func (r *Run) State() State { return r.state }

// Over reports whether nothing is left to be decided.
func (r *Run) Over() bool { return r.state == Over }

// Step takes an input, or, with nil, the time alone, and says what is to be done.
// The effects are valid until Step is called again. Deadlines pass with nil alone: feed all
// that has come by then first, so that a keepalive which waits behind
// something else is not too late.
func (r *Run) Step(now time.Time, in Input) []Effect {
	r.now, r.effects = now, r.effects[:0]
	if r.state == Over {
		return nil
	}
	if in != nil {
		r.take(in)
	} else {
		r.expire()
	}
	return r.effects
}

func (r *Run) emit(e Effect) { r.effects = append(r.effects, e) }

// take takes an input.
func (r *Run) take(in Input) {
	switch in := in.(type) {
	case Recovered:
		r.takeFound(in)
	case Granted:
		r.fire(onGranted)
	case Wounded:
		r.wounded = true
		r.fire(onWounded)
	case Queued:
		r.behind = in.Behind
		r.fire(onQueued)

	case DirMade:
		if in.Err != "" {
			r.owed = false // nothing was begun
			r.refuseFor(in.Err, nil)
		}
		r.fire(onTaskDone)
	case Supplied:
		r.refuseFor(in.Err, nil)
		r.fire(onTaskDone)
	case CommandEnded:
		r.commandEnded(in)
		r.fire(onTaskDone)
	case Prepared:
		r.takePrepared(in)
		r.fire(onTaskDone)

	case FactsGathered:
		r.factsGathered(in)
	case Begun:
		r.hasBegun(in.Started)
	case Released:
		r.fire(onReleased)
	case Exited:
		r.fire(onReleased) // it may be quicker than the news of its release
		r.exited(in.Exit)
	case TermSent:
		r.termSent(in)
	case SetDone:
		r.setDone(in)
		r.fire(onAllEnded)
	case Probed:
		r.probed(in)
	case Lined:
		r.lined(in)
	case Seen:
		r.sawLine(in)
	case Acted:
		r.tellActed(in)
	case Asked:
		r.isAsked(in)

	case Collected:
		r.account.files = in.Files
		r.fire(onCollected)
	case Cleared:
		r.dirCleared(in)
	case LastFailed:
		r.unlogged = in.Err
		r.fire(onUnlogged)
	case Noted:
		r.account.note(in.Text)

	case ControlTaken:
		r.control(in)
	case AllAcked:
		r.fire(onAcked)
	case PublisherGone:
		r.stopOwn(message.StopLease, "the publisher is gone: its queue has been deleted")
	case LogFailed:
		r.stopOwn(message.StopFailure, "the run log can't be written: "+in.Err)
	case LogUnreadable:
		r.mute = in.Err
		if !r.fire(onMute) {
			r.stopOwn(message.StopFailure, "the run log can't be read back: "+in.Err)
		}
	case Leaving:
		r.leave()
	}
}
