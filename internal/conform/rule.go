package conform

// A Rule names what both sides of a conversation have to keep to; docs/protocol.md has
// the whole text of each.
type Rule string

// Rules for both sides.
const (
	RuleForm    Rule = "form"    // a message can be decoded, and has the fields that it needs
	RuleVersion Rule = "version" // it is of the version of the protocol that this kit speaks
	RuleAddress Rule = "address" // it goes to the right queue, and names namespace, run and host of the conversation
	RuleCase    Rule = "case"    // what the case is about has come about
	RuleExit    Rule = "exit"    // the program ends as it should
	RuleLeft    Rule = "left"    // nothing is left behind: no process, directory, queue
)

// Rules for workers.
const (
	RuleNumber    Rule = "number"    // events are numbered from 1 without a gap, and the unlogged kinds are not
	RuleResend    Rule = "resend"    // what is sent again is the same, byte by byte
	RuleLast      Rule = "last"      // nothing new comes after the last event
	RuleOrder     Rule = "order"     // kinds come in their order
	RuleCommit    Rule = "commit"    // a host is committed, and lets go, only as it is asked
	RuleRelease   Rule = "release"   // a process starts only when its instant has come
	RuleAccount   Rule = "account"   // each command starts once and ends once, with an end that can be
	RuleOutput    Rule = "output"    // a stream goes on where it was
	RuleTotals    Rule = "totals"    // the totals are those of what was sent
	RuleFiles     Rule = "files"     // files are whole, and as many as are said
	RuleWindow    Rule = "window"    // no more than the window is sent and unacknowledged
	RuleHeartbeat Rule = "heartbeat" // a heartbeat tells the truth about the log, and echoes what it answers
	RuleFeatures  Rule = "features"  // what a job needs is known, or the job is refused
)

// Rules for publishers.
const (
	RuleSignature Rule = "signature" // jobs and controls are signed by the key that was given
	RuleExpiry    Rule = "expiry"    // they expire, in at most 48 hours
	RuleSerial    Rule = "serial"    // the serials of a run's controls to a host rise as they are sent
	RuleJob       Rule = "job"       // a run has one job for each host, which names what it needs
	RuleTogether  Rule = "together"  // commit when every host is ready, start when every host is committed, all at one instant
	RuleAck       Rule = "ack"       // what is acknowledged has been sent, and in the end everything is
	RuleStop      Rule = "stop"      // a run that is stopped is not started
	RuleChunk     Rule = "chunk"     // a chunk is part of what was asked for
)

// A Violation is a rule that was broken.
type Violation struct {
	Rule Rule
	Text string
	// At is the message that broke it, by its place in the trace; -1 where it is none
	// in particular.
	At int
}
