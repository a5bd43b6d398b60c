// Package experiment reads the file that describes an experiment: it parses
// ([Load], [Parse]), checks, and expands it into what one run needs, a
// [Datapoint] and its jobs.
//
// The file is JSON or YAML with the same fields; docs/file.md is its reference.
// Whatever is wrong with it is found before anything is started, and reported
// all at once with line and column ([Errors]).
package experiment

import (
	"slices"
	"time"

	"downbeat/internal/message"
)

// Limits that keep a typing mistake from becoming a fork bomb. They are far above
// what experiments need.
const (
	// MaxSource is the largest size of a file, in bytes.
	MaxSource = 4 << 20
	// MaxProcesses is the most processes that a run can have.
	MaxProcesses = message.MaxProcesses
)

// A File is an experiment's file that has been checked.
type File struct {
	// Name is the experiment's name. Without a "name" in the file it is the file's
	// own, without its extension.
	Name string
	// Path is what messages call the file; Source is its text.
	Path   string
	Source []byte
	// Hosts and Groups are in the order of the file.
	Hosts  []Host
	Groups []Group
	// Repeat is how many repetitions of each combination there are; with Until, at least.
	Repeat int
	// Until says when the repetitions of a combination are enough; nil: there are Repeat.
	Until *RepeatRule
	// Random puts the datapoints in a random order, which Seed determines.
	Random bool
	Seed   uint64
	// Retries is how many times a datapoint that has failed is retried.
	Retries int
	// Pause is the wait between the end of a run and the next one.
	Pause time.Duration
	// Warnings are about what is allowed but probably not meant.
	Warnings []*Error

	schema         string     // for editors alone
	order          order      // Random, in the file's word
	dir            string     // see Origin
	commands       []*command // in rank order
	byGroup        map[string]*command
	setup          []*command
	teardown       []*command
	actions        []*action
	combinations   [][]Parameter // one without any, where there is no matrix
	variables      []string      // the names of what hosts have besides their addresses
	hostVariables  map[string][]Parameter
	contents       contents // of the programs that judge runs
	windows        []*window
	metrics        []*metric
	require        []requirement
	timeout        *text
	stop           stop
	files          []*shipment
	sources        sources
	collect        []*text
	sample         time.Duration
	defaultAddress func(host string) string
}

// MetricNames are the names of the file's metrics, in its order.
func (f *File) MetricNames() []string {
	var names []string
	for _, m := range f.metrics {
		names = append(names, m.Name)
	}
	return names
}

// A Host is a machine. In a [File] the address is empty unless the file gives it;
// in a [Datapoint] it is never empty.
type Host struct {
	Name    string
	Address string
}

// A Group is a set of processes made from one command.
type Group struct {
	Name string
}

// A StopRule says when a released run is stopped before all of its processes have
// ended by themselves.
type StopRule struct {
	// When lists groups: once every process of all of them has ended, the rest is
	// stopped. Empty: no such condition.
	When []string
	// After stops the run this long after the release of its last beat; 0: no such condition. Unlike
	// a timeout it does not make the run fail.
	After time.Duration
	// LastBeatFirst stops the processes of the last beat first, and those of the one before
	// once these are over.
	LastBeatFirst bool `json:",omitempty"`
	// Grace is the time from TERM to KILL in every stop.
	Grace time.Duration
	// OnFailure stops the run everywhere as soon as one process exits outside
	// its ok_exit.
	OnFailure bool
}

// A Datapoint is everything that one run needs to know of the file.
type Datapoint struct {
	Name       string // the experiment's
	Index      int    // counts the file's datapoints from 1
	Repetition int    // from 1
	Parameters []Parameter
	Run        string
	// Hosts are those that take part, in the order of the file.
	Hosts []Host
	// Picked are the hosts that were chosen for groups at random, by group.
	Picked map[string][]string
	// Processes are the commands of the run itself, in the order of their ranks.
	Processes []Command
	// Setup and Teardown are in the order of the file, and for each command in
	// that of the hosts.
	Setup    []Command
	Teardown []Command
	// Acts are the commands that actions run, in the order of the file.
	Acts []Command
	// Beats are what begins together: one at least.
	Beats []Beat
	// Actions are done while the processes run.
	Actions []Action
	Stop    StopRule
	Timeout time.Duration
	// Collect are the patterns of the files that are brought home, by host.
	Collect map[string][]string
	// Files are those that are shipped, by host.
	Files map[string][]ShippedFile
	// Sample is how often what is used is sampled; 0: not at all.
	Sample time.Duration
	// Measures judge a run. They don't change what it does, so they are not part of the
	// definition.
	Measures
}

// Measures are what a run is judged by: its numbers, the parts of its time that they are
// about, and what is required of them.
type Measures struct {
	Windows []Window
	Metrics []Metric
	Require []Requirement
}

// A Command is one command of a run and the host it is on.
type Command struct {
	Host string
	message.Command
}

// Commands are all commands of the run: its processes, its setup, its teardown, and what
// actions run.
// Each host's job has its own in the same order.
func (d *Datapoint) Commands() []Command {
	return slices.Concat(d.Processes, d.Setup, d.Teardown, d.Acts)
}

// DefaultAddress sets a function for the address of hosts that have none in the
// file. Without it, that is the host's name. Call it before [Point.Expand].
func (f *File) DefaultAddress(of func(host string) string) { f.defaultAddress = of }

func (f *File) address(h Host) string {
	switch {
	case h.Address != "":
		return h.Address
	case f.defaultAddress != nil:
		return f.defaultAddress(h.Name)
	}
	return h.Name
}
