package sim

import (
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

// A Plan is everything that is given to a world: who is in it, what is to be run,
// how the network behaves, and what goes wrong when. It holds no reference, so
// that [Shrink] can change a copy.
type Plan struct {
	Seed       uint64
	Hosts      []Host
	Publishers []Publisher
	Network    Network
	Faults     []Fault
	// IdleSteps is how many of a hundred steps of a machine of rules are followed by
	// one that has nothing to do, soon after it.
	IdleSteps int
}

// A Host is a machine with a worker.
type Host struct {
	Name   string
	Offset time.Duration // of its wall clock
	Drift  int           // of its clock, in parts per million
	// Unserved: no worker has ever run there.
	Unserved bool
	// Cached: it has every shipped file already.
	Cached bool
	// Shut: no datagram reaches it.
	Shut bool
}

// A Publisher is one publish, which makes its runs one after the other.
type Publisher struct {
	Offset time.Duration
	Drift  int
	Begins time.Duration // when it starts its first run
	Runs   []RunPlan
}

// A RunPlan is one run as its publisher is given it.
type RunPlan struct {
	// Overlaps: it is prepared behind a gate when no process of the run before it is
	// left, and the gate opens when that is over. Else it begins then.
	Overlaps bool
	Retry    bool // another attempt at the one before it: it keeps its age
	Parts    []Part

	Lease, ReadyTimeout, Timeout, Grace time.Duration

	StopWhen      []string // groups; the run is stopped when all their processes have ended
	StopAfter     time.Duration
	StopOnFailure bool
	Window        int // bytes
	// Beats are what begins together; none: all processes do.
	Beats   []Beat
	Actions []Action // at a time after a beat
	// LastBeatFirst: the rule stops the beats one after the other, the last one first.
	LastBeatFirst bool
	// Direct: clocks are compared without the broker, where hosts answer.
	Direct bool
	// FullAfter is how many pieces of output the results take before the disk is full; 0: all.
	FullAfter int
}

// A Beat is what begins together, and what it waits for. The first one waits for nothing.
type Beat struct{ After []Condition }

// A Condition is that each process of a group can be used or, with Ended, has ended well, and
// that Delay has gone by since.
type Condition struct {
	Group string
	Ended bool
	Delay time.Duration
}

// An Action is done to its targets: at a time after the release of a beat or, with one of the
// other two, after the first mark of that name, or after a line of one of those watched.
type Action struct {
	Do       message.ActionKind
	Beat     int
	Mark     string
	Watched  []Target
	Times    int // after how many lines at most
	After    time.Duration
	Targets  []Target
	ThatOne  bool          // it is done to the one that has set the mark, or has written the line
	Signal   string        // of a signal
	For      time.Duration // of a pause
	Optional bool
}

// A Target is a command of a part.
type Target struct{ Part, Command int }

// A Part is one host's part in a run.
type Part struct {
	Host     int // in Plan.Hosts
	Commands []Command
	Collect  []Collected // files that its processes leave, to be collected
	Ships    []Shipped
	// ClearTakes is how long the removal of the run's directory takes.
	ClearTakes time.Duration
}

// factsTake is how long it takes to gather the facts of the host. It is derived from something
// else, so that the plan of a seed stays what it was.
func (part *Part) factsTake() time.Duration { return 40 * part.ClearTakes }

// A Command is one setup, process or teardown with its scripted life.
type Command struct {
	Name    string
	Phase   message.Phase
	Group   string
	Beat    int
	Ready   Ready
	Restart Restart
	Delay   time.Duration
	Timeout time.Duration // of one that is not a process
	OKExit  []int
	Stop    Stop
	Life    Life
}

// A Stop is how a process is stopped where it is otherwise than the others.
type Stop struct {
	Signal string        // empty: TERM
	Own    bool          // it has a grace of its own
	Grace  time.Duration // which is this
}

// Restart is when a process begins anew.
type Restart struct {
	AtMost int // how often; 0: never
	Always bool
	Wait   time.Duration
	// Heals is the life, from 1, from which on it ends well; 0: none.
	Heals int
}

// Ready is when a process can be used, and how that is seen.
type Ready struct {
	Within time.Duration // how long each life has for that; 0: it can be used once it has started
	After  time.Duration // its start
	Never  bool
	Line   bool // it is seen by a line; else the worker has to look for it
}

// A Life is what a command does once it is asked to.
type Life struct {
	PrepareTakes time.Duration
	Unprepared   bool // it can't be prepared: there is no such program
	Unstarted    bool // it was prepared, and can't be started all the same
	// Runs is how long it goes on by itself; 0: until it is told to end.
	Runs time.Duration
	Code int
	// Signal ends it, at the end of Runs; empty: it exits with Code.
	Signal string
	// TermTakes is how long it goes on after TERM; IgnoresTerm: until KILL.
	TermTakes   time.Duration
	TermCode    int // its status then; -1: TERM itself ends it
	IgnoresTerm bool
	Unkillable  bool // KILL has no effect: it hangs in the kernel
	// Forks is how many processes leave its group and stay behind.
	Forks  int
	Output []Written
	Says   []time.Duration // when, after its start, it writes the line that actions wait for
	Asks   []Asking
}

// Asking is something that a process asks for.
type Asking struct {
	After  time.Duration // its start
	What   message.AskedWhat
	Name   string
	Count  int           // of a barrier
	Within time.Duration // of a barrier, and of a value that it waits for
}

// Written is a piece of output of a command.
type Written struct {
	After  time.Duration // its start
	Bytes  int
	Stream streams.Stream
}

// A Collected file is there when its host's processes have ended.
type Collected struct {
	Path   string
	Bytes  int
	Broken bool // it can't be read
	Takes  time.Duration
}

// A Shipped file is to be put into the run's directory before anything else.
type Shipped struct {
	Path  string
	Bytes int
	Gone  bool // the publisher can't read it
}

// A Network is how messages travel.
type Network struct {
	Seed        uint64
	Delay       time.Duration // the usual one
	Jitter      time.Duration // added, evenly
	SlowPercent int           // of messages that take up to Slow
	Slow        time.Duration
	// Ordered: messages from one machine to another stay in order.
	Ordered      bool
	TwicePercent int // of messages that are delivered twice
	LossPercent  int // of transient messages that are lost
}

// A FaultKind is what goes wrong.
type FaultKind uint8

// The faults.
const (
	WorkerKilled     FaultKind = iota // kill -9; its log stays as it is
	HostDown                          // the power fails: what was not synced is lost
	WorkerLeaves                      // SIGTERM
	HostCutOff                        // no message gets through for a while
	HostMute                          // what it sends does not get through for a while
	HostDeaf                          // what it is sent does not
	HostDiskFull                      // its log takes no more
	LogUnreadable                     // its log can't be read back
	WallClockStepped                  // which must not matter to a run
	PublisherKilled                   // for good
	PublisherCutOff                   // no message gets through for a while
	BrokerRestarted                   // transient messages are lost
	BrokerEmptied                     // and so are the queues
	Interrupted                       // ^C
	Cancelled                         // from another machine
	Stalled                           // the machine stands still for a while
	RecordLost                        // output or an exit does not come into its log, and nobody is told
	faultKinds
)

var faultNames = [...]string{
	"kill worker", "power off", "worker leaves", "cut off host", "mute host", "deafen host", "disk full", "log unreadable", "step wall clock",
	"kill publisher", "cut off publisher", "restart broker", "empty broker", "interrupt", "cancel", "stall", "lose record",
}

// String names the kind.
func (k FaultKind) String() string { return faultNames[k] }

// A Fault happens at an instant, or while a machine carries out an effect.
type Fault struct {
	Kind FaultKind
	Who  int // the host, or the publisher
	At   time.Duration
	// Effect, if not 0, is the number of the machine's effect after which it happens,
	// in the middle of what a step has asked for. At does not count then.
	Effect int
	Lasts  time.Duration // until the machine is back; Forever: it never is
	By     time.Duration // of a step of the wall clock
	Guard  bool          // a killed worker's guard ends its processes at once; a full disk has no reserve
	Keeps  int           // of a hundred unsynced records, how many a power failure leaves
	Run    int           // the publisher's run that is interrupted or cancelled
}

// Forever is how long what is not repaired lasts.
const Forever = time.Duration(1<<62 - 1)
