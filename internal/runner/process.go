package runner

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// errGone: the process ended before it was held.
	errGone = errors.New("the process is gone")
	// ErrNotEnded is the error of a process that was given up after KILL.
	ErrNotEnded = errors.New("it does not react to KILL")
)

// phase is how far a single process is. It only ever increases.
type phase uint8

const (
	phaseWaiting phase = iota // held, or not started yet
	phaseBegun                // released or started
	phaseDropped              // stopped before it could begin
)

// A process is one life of a command. The last group of fields is guarded by the set's mutex; the
// others don't change once the goroutines that read them have started.
type process struct {
	*slot

	pid     int      // also of its group; 0 until started
	pidFile *os.File // to wait for its end; nil if there are no pidfds
	floor   int64    // the system's figure for its memory is valid only above this
	number  int      // of this life; set when it begins
	began   time.Time
	failure error // why it couldn't be started at the release

	previous  *process       // the life before; nil if there was none
	announced chan struct{}  // closed when the sink knows that it began
	over      chan struct{}  // closed when it has ended, or never will begin
	reported  chan struct{}  // closed when the sink knows that it has ended, if it ever will
	abandoned chan struct{}  // closed when its end is not waited for any more
	acts      sync.WaitGroup // actions on it that the sink has not been told of

	// Guarded by the set's mutex.
	phase    phase
	stopping bool      // it was sent its stop signal, or would have been
	ended    bool      // a zombie until the set is over, or never started
	reaped   bool      // its pid may belong to another process by now
	left     bool      // it could not be ended, and was given up
	termed   bool      // it was sent its stop signal before it ended
	killed   bool      // it was sent KILL before it ended, because a grace was over
	pauses   int       // that go on
	killAt   time.Time // when KILL is due; zero: not at all
	killedAt time.Time // when KILL was first sent
	peak     int64
}

func newProcess(sl *slot) *process {
	return &process{
		slot: sl, announced: make(chan struct{}), over: make(chan struct{}), reported: make(chan struct{}), abandoned: make(chan struct{}),
	}
}

// firstOf reports whether it is the first life of a command on that beat.
func (p *process) firstOf(beat int) bool {
	return p.previous == nil && p.command.Beat == beat && beat >= 0
}

// runs reports whether it has begun and has not ended; under the set's mutex.
func (p *process) runs() bool { return p.phase == phaseBegun && !p.ended }

// ending is how a process ended.
type ending struct {
	code         int
	signal       string
	user, system time.Duration
	maxRSS       int64
}

// begin releases or starts the process; on the thread, under the set's mutex.
func (p *process) begin() {
	if p.phase != phaseWaiting {
		return
	}
	p.phase = phaseBegun
	p.began = time.Now()
	p.number = p.lives
	p.lives++
	p.life.Store(p)
	if p.holds {
		p.letGo()
		return
	}
	if err := p.set.runner.start(p, false); err != nil {
		p.failure = explainStart(p.path, err)
		p.ended = true
	}
}

// signalGroup sends sig to all that is left of the process's group.
func (p *process) signalGroup(sig syscall.Signal) {
	if p.pid > 0 && !p.reaped {
		p.set.runner.sys.kill(-p.pid, sig) //nolint:errcheck // it may have ended, and set-uid programs may refuse
	}
}

// awaitBlocking waits for the process with a call that blocks a thread.
func (p *process) awaitBlocking(wait func() (ending, error)) (ending, error) {
	type answer struct {
		end ending
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		end, err := wait()
		answers <- answer{end, err}
	}()
	select {
	case a := <-answers:
		return a.end, a.err
	case <-p.abandoned:
		return ending{}, ErrNotEnded
	}
}

// abandon makes awaitEnd return; once only.
func (p *process) abandon() {
	close(p.abandoned)
	if p.pidFile != nil {
		p.pidFile.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // it fails only if it is closed already
	}
}

// exit is what the sink is told about the end; under the set's mutex.
func (p *process) exit(end ending, err error, at time.Time) Exit {
	e := Exit{
		Life: p.number, PID: p.pid,
		Code: end.code, Signal: end.signal,
		Started: p.began, Ended: at,
		User: end.user, System: end.system, MaxRSS: p.maxRSS(end.maxRSS),
		Stopped: p.termed, Killed: p.killed,
	}
	if err != nil {
		e.Code, e.Err = -1, fmt.Errorf("process %d could not be ended: %w", p.pid, err)
	}
	return e
}

// signalName is the name of a signal, such as "SIGKILL".
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(sig)) // a real-time signal
}
