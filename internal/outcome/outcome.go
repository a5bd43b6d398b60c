// Package outcome has the words for how a command, a host and a run ended, and
// the one judge of a command's end: [Judge].
package outcome

// Command says in one word how a command ended, whatever phase of a run it belongs
// to: a process of the run itself, or a command of its setup or teardown.
type Command string

// The outcomes of a command.
const (
	CommandSucceeded  Command = "succeeded"
	CommandFailed     Command = "failed"      // it exited outside ok_exit, or could not be started or ended
	CommandStopped    Command = "stopped"     // it was stopped before its end, which is not a failure of its own
	CommandTimedOut   Command = "timed_out"   // it was still running when its time, or the run's, was over
	CommandKilled     Command = "killed"      // it ignored TERM for the grace period, in a stop of the run
	CommandLost       Command = "lost"        // its host went silent or its worker died
	CommandNotStarted Command = "not_started" // it never executed an instruction
)

// Host says in one word how a run ended on one host.
type Host string

// The outcomes of a host.
const (
	HostSucceeded Host = "succeeded"
	HostFailed    Host = "failed"    // one of its processes failed
	HostTimedOut  Host = "timed_out" // it still had processes when the run's time was over
	HostAborted   Host = "aborted"   // stopped by the operator, a cancel, or its worker being told to exit
	HostLost      Host = "lost"      // it went silent or its worker died
	HostRefused   Host = "refused"   // it would not or could not prepare
	HostNotReady  Host = "not_ready" // no worker answered, or it was not ready in time
	HostStopped   Host = "stopped"   // nothing went wrong here: the run ended because of another host
)

// Run says in one word how a run ended.
type Run string

// The outcomes of a run.
const (
	RunSucceeded Run = "succeeded"
	RunFailed    Run = "failed"    // a process exited outside ok_exit
	RunTimedOut  Run = "timed_out" // it took longer than the file allows
	RunAborted   Run = "aborted"   // by the operator or a cancel
	RunLost      Run = "lost"      // a host went silent or its worker died
	RunRefused   Run = "refused"   // a host would not or could not prepare
)
