package conform

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/samples"
	"downbeat/internal/streams"
)

// An account goes through the log of a run on a host and adds up what it says.
type account struct {
	j     *workerJudge
	run   *hostRun
	job   *message.Job
	state state
	// released: a process was started, so the host can't let go any more.
	released bool

	started, ended []bool // by command, of its latest life
	lives          []int  // by command: the number of that
	tallies        []streams.Tally
	files          message.FileTotals
	file           *fileInfo
}

// A fileInfo is a file that is being sent.
type fileInfo struct {
	path string
	size uint64
	hash hash.Hash
}

func newAccount(j *workerJudge, r *hostRun) *account {
	n := len(r.job.Commands)
	return &account{j: j, run: r, job: r.job, started: make([]bool, n), ended: make([]bool, n), lives: make([]int, n), tallies: make([]streams.Tally, n)}
}

func (a *account) fail(s *seen, rule Rule, format string, args ...any) {
	a.j.fail(s, rule, format, args...)
}

// take takes the next message of the log.
func (a *account) take(s *seen) {
	switch {
	case s.output != nil:
		for segment := range s.output.Segments() {
			a.output(s, segment)
		}
	case s.files != nil:
		a.filesCame(s)
	case s.samples != nil:
		a.samplesCame(s)
	case s.event != nil:
		a.event(s, s.event)
	}
}

func (a *account) event(s *seen, e *message.Event) {
	to, ok := a.state.follows(e.Kind)
	if !ok {
		a.fail(s, RuleOrder, "%s comes where the run is %s", e.Kind, a.state)
		return
	}
	if a.released && (e.Kind == message.Waiting || e.Kind == message.Ready || e.Kind == message.Refused || e.Kind == message.SettingUp) {
		a.fail(s, RuleOrder, "%s comes after a process was started", e.Kind)
	}
	if e.Time.IsZero() {
		a.fail(s, RuleForm, "%s has no time", e.Kind)
	}
	before := a.state
	a.state = to
	switch e.Kind {
	case message.Waiting, message.SettingUp:
		a.again()
	case message.Ready:
		a.ready(s, e.Ready, before)
	case message.Committed:
		a.committed(s, e.Committed)
	case message.Started:
		a.startedAll(s, e.Started)
	case message.Exited:
		a.exited(s, e.Exited)
	case message.Stopping:
		a.stopping(s, e)
	case message.TearingDown, message.Ended:
		a.noneLeft(s, e.Kind)
	case message.Refused:
		a.refused(s, e.Refused)
	case message.Done:
		a.done(s, e.Done)
	case message.Armed, message.ProcessReady, message.Acted, message.Seen, message.Asked, message.Facts: // no case asks for these
	case message.Want, message.Heartbeat, message.Here, message.Cancelled:
	}
}

// asked reports whether the kit had sent such a control before the message.
func (a *account) asked(s *seen, kind message.ControlKind) bool {
	return slices.ContainsFunc(a.run.asked[kind], func(c asked) bool { return c.index < s.index })
}

// again: what a setup and a teardown did before counts no more.
func (a *account) again() {
	for i := range a.job.Commands {
		if !held(&a.job.Commands[i]) {
			a.started[i], a.ended[i] = false, false
		}
	}
}

func (a *account) ready(s *seen, r *message.ReadyInfo, before state) {
	if lacking := message.Lacking(a.job.Needs, r.Features); len(lacking) > 0 {
		a.fail(s, RuleFeatures, "ready, and of what the job needs the worker doesn't say that it knows %s", message.JoinFeatures(lacking))
	}
	for i := range a.job.In(message.PhaseSetup) {
		if !a.ended[i] {
			a.fail(s, RuleOrder, "ready comes before command %d of the setup has ended", i)
		}
	}
	if before == isCommitted && !a.asked(s, message.Uncommit) {
		a.fail(s, RuleCommit, "ready comes after committed, and nobody took the commit back")
	}
}

func (a *account) committed(s *seen, c *message.CommittedInfo) {
	if !a.asked(s, message.Commit) {
		a.fail(s, RuleCommit, "committed, and nobody asked for that")
	}
	if c != nil {
		a.j.probe(s, c.Probe, a.run.probes)
	}
}

// early is how much before its instant a process may be said to have started: clocks
// are read one after the other.
const early = 5 * time.Millisecond

func (a *account) startedAll(s *seen, list []message.StartedInfo) {
	for _, info := range list {
		c := a.command(s, info.Command)
		if c == nil {
			continue
		}
		a.begins(info.Command, info.Life)
		switch {
		case a.started[info.Command]:
			a.fail(s, RuleAccount, "%s starts a second time", c.Name)
		case a.ended[info.Command]:
			a.fail(s, RuleAccount, "%s starts after its end", c.Name)
		case info.PID <= 0:
			a.fail(s, RuleAccount, "%s has pid %d", c.Name, info.PID)
		}
		a.started[info.Command] = true
		if held(c) {
			a.releasedAt(s, c, info.Life, info.StartedAt)
		} else {
			a.phase(s, c, "starts")
		}
	}
}

// held reports whether a command is one of those that are held together.
func held(c *message.Command) bool {
	return c.Phase == message.PhaseRun || c.Phase == message.PhaseAction
}

// begins takes another life of a command for one that has done nothing yet.
func (a *account) begins(command, life int) {
	if life > a.lives[command] && a.ended[command] {
		a.lives[command], a.started[command], a.ended[command] = life, false, false
	}
}

// startOf is the first start of a beat that the kit had sent before the message.
func (a *account) startOf(s *seen, beat int) (asked, bool) {
	for _, c := range a.run.asked[message.Start] {
		if c.index < s.index && c.beat == beat {
			return c, true
		}
	}
	return asked{}, false
}

// releasedAt judges the start of a process. Only the first life of one begins with its beat.
func (a *account) releasedAt(s *seen, c *message.Command, life int, at time.Time) {
	start, ok := a.startOf(s, c.Beat)
	if life > 0 || c.Phase == message.PhaseAction {
		at = start.at.Add(c.Delay())
	}
	switch {
	case !ok:
		a.fail(s, RuleRelease, "%s has started, and nobody has said when", c.Name)
	case a.state != isCommitted && a.state != isReleased && a.state != isStopping:
		a.fail(s, RuleOrder, "%s has started where the run is %s", c.Name, a.state)
	case at.Before(start.at.Add(c.Delay() - early)):
		a.fail(s, RuleRelease, "%s started %s before its instant", c.Name, start.at.Add(c.Delay()).Sub(at))
	}
	a.released = true
	if a.state == isCommitted {
		a.state = isReleased
	}
}

// command finds a command by its number.
func (a *account) command(s *seen, n int) *message.Command {
	if n < 0 || n >= len(a.job.Commands) {
		a.fail(s, RuleAccount, "the job has no command %d", n)
		return nil
	}
	return &a.job.Commands[n]
}

// phase judges whether a command of the setup or the teardown can do anything now.
func (a *account) phase(s *seen, c *message.Command, does string) {
	want := isSettingUp
	if c.Phase == message.PhaseTeardown {
		want = isTearingDown
	}
	if a.state != want {
		a.fail(s, RuleOrder, "%s %s where the run is %s", c.Name, does, a.state)
	}
}

func (a *account) exited(s *seen, e *message.ExitedInfo) {
	c := a.command(s, e.Command)
	if c == nil {
		return
	}
	a.begins(e.Command, e.Life)
	if reason := impossible(e); reason != "" {
		a.fail(s, RuleAccount, "the end of %s can't be: %s", c.Name, reason)
	}
	switch never := e.StartedAt.IsZero(); {
	case a.ended[e.Command]:
		a.fail(s, RuleAccount, "%s ends a second time", c.Name)
	case !never && !a.started[e.Command] && e.Reason == "":
		a.fail(s, RuleAccount, "%s ends, and has not started", c.Name)
	case never && a.started[e.Command]:
		a.fail(s, RuleAccount, "%s has started, and its end doesn't say when", c.Name)
	}
	a.ended[e.Command] = true
	switch {
	case !held(c):
		a.phase(s, c, "ends")
	case a.state != isCommitted && a.state != isReleased && a.state != isStopping:
		a.fail(s, RuleOrder, "%s ends where the run is %s", c.Name, a.state)
	case e.Killed && !e.Stopped:
		a.fail(s, RuleAccount, "%s was killed, and not sent TERM before", c.Name)
	}
}

// impossible says what about an end can't be.
func impossible(e *message.ExitedInfo) string {
	switch {
	case e.ExitCode < -1 || e.ExitCode > 255:
		return fmt.Sprintf("exit_code is %d", e.ExitCode)
	case e.ExitCode == -1 && e.Signal == "" && e.Reason == "" && !e.StartedAt.IsZero():
		return "exit_code is -1, and no signal is named"
	case e.ExitCode >= 0 && e.Signal != "":
		return fmt.Sprintf("exit_code is %d, and the signal %s", e.ExitCode, e.Signal)
	case e.UserUS < 0 || e.SystemUS < 0 || e.MaxRSSBytes < 0:
		return "an amount is negative"
	case e.EndedAt.Before(e.StartedAt):
		return "it ended before it started"
	}
	return ""
}

func (a *account) stopping(s *seen, e *message.Event) {
	cause := e.Stopping.Cause
	if !a.asked(s, message.Stop) && cause != message.StopLease && cause != message.StopAbort {
		a.fail(s, RuleOrder, "it stops for the cause %q, and nobody asked for that", cause)
	}
}

// noneLeft judges an event before which every process has to have ended.
func (a *account) noneLeft(s *seen, kind message.EventKind) {
	if kind == message.Ended && len(a.job.Collect) == 0 {
		a.fail(s, RuleOrder, "ended comes, and the job collects nothing")
	}
	for i, c := range a.job.In(message.PhaseRun) {
		if a.started[i] && !a.ended[i] {
			a.fail(s, RuleAccount, "%s comes, and %s has not ended", kind, c.Name)
		}
	}
}

func (a *account) output(s *seen, segment message.Segment) {
	c := a.command(s, segment.Command)
	if c == nil {
		return
	}
	tally := &a.tallies[segment.Command][segment.Stream]
	switch {
	case segment.Offset != tally.Bytes:
		a.fail(s, RuleOutput, "%s of %s goes on after %d bytes, and %d have come", segment.Stream, c.Name, segment.Offset, tally.Bytes)
	case segment.Line != tally.Newlines:
		a.fail(s, RuleOutput, "%s of %s goes on after %d newlines, and %d have come", segment.Stream, c.Name, segment.Line, tally.Newlines)
	case len(segment.Data) == 0:
		a.fail(s, RuleOutput, "%s of %s has an empty segment", segment.Stream, c.Name)
	case c.Pty && segment.Stream == streams.Stderr:
		a.fail(s, RuleOutput, "%s has a terminal, and all that is written to that is standard output", c.Name)
	}
	tally.Add(segment.Data)
	if c.Phase == message.PhaseRun && a.state != isCommitted && a.state != isReleased && a.state != isStopping {
		a.fail(s, RuleOrder, "%s writes where the run is %s", c.Name, a.state)
	}
}

// totals judges what is said of all that was sent. Where the worker was lost, a last
// line without newline doesn't count.
func (a *account) totals(s *seen, told []streams.Total, lost bool) {
	if lost && len(told) == 0 {
		return
	}
	if len(told) != len(a.tallies) {
		a.fail(s, RuleTotals, "there are totals of %d commands, and the job has %d", len(told), len(a.tallies))
		return
	}
	for i, got := range told {
		want := a.tallies[i].Total()
		whole := streams.Total{
			StdoutLines: a.tallies[i][streams.Stdout].Newlines, StdoutBytes: want.StdoutBytes,
			StderrLines: a.tallies[i][streams.Stderr].Newlines, StderrBytes: want.StderrBytes,
		}
		if got != want && (!lost || got != whole) {
			a.fail(s, RuleTotals, "the totals of %s are said to be %+v, and %+v has come", a.job.Commands[i].Name, got, want)
		}
	}
}

func (a *account) refused(s *seen, r *message.RefusedInfo) {
	if r.Reason == "" {
		a.fail(s, RuleForm, "refused gives no reason")
	}
	if r.Totals != nil {
		a.totals(s, r.Totals, false)
	}
	for i := range a.job.Commands {
		if a.started[i] && !a.ended[i] {
			a.fail(s, RuleAccount, "refused comes, and %s has not ended", a.job.Commands[i].Name)
		}
	}
}

func (a *account) done(s *seen, d *message.DoneInfo) {
	switch d.Outcome {
	case message.HostDone, message.HostStopped, message.HostLost:
	default:
		a.fail(s, RuleForm, "the outcome %q is none of %q, %q and %q", d.Outcome, message.HostDone, message.HostStopped, message.HostLost)
	}
	lost := d.Outcome == message.HostLost
	a.totals(s, d.Totals, lost)
	if lost {
		return
	}
	for i := range a.job.Commands {
		if a.started[i] && !a.ended[i] {
			a.fail(s, RuleAccount, "done comes, and %s has not ended", a.job.Commands[i].Name)
		}
	}
	if len(a.job.Collect) == 0 || !a.released {
		return
	}
	if d.Files == nil {
		a.fail(s, RuleFiles, "done has no files, and the job collects some")
	} else if d.Files.Files != a.files.Files || d.Files.Bytes != a.files.Bytes || d.Files.Missing != a.files.Missing {
		a.fail(s, RuleFiles, "%d files of %d bytes are said to have been sent and %d to be missing, and %d of %d have come and %d are",
			d.Files.Files, d.Files.Bytes, d.Files.Missing, a.files.Files, a.files.Bytes, a.files.Missing)
	}
}

// samplesCame judges a block of samples.
func (a *account) samplesCame(s *seen) {
	switch {
	case a.job.SampleMS == 0:
		a.fail(s, RuleOrder, "samples come, and the job asks for none")
	case a.state != isCommitted && a.state != isReleased && a.state != isStopping:
		a.fail(s, RuleOrder, "samples come where the run is %s", a.state)
	}
	if _, err := samples.Retime(s.samples.Block, func(at time.Time) (time.Time, time.Duration) { return at, 0 }); err != nil {
		a.fail(s, RuleForm, "%v", err)
	}
}

// filesCame takes a batch of files.
func (a *account) filesCame(s *seen) {
	if a.state != isEnded {
		a.fail(s, RuleOrder, "files come where the run is %s, and not after ended", a.state)
	}
	pieces, _, err := s.files.Pieces(nil)
	if err != nil {
		a.fail(s, RuleForm, "%v", err)
		return
	}
	for p := range pieces {
		a.piece(s, p)
	}
}

func (a *account) piece(s *seen, p message.Piece) {
	if (p.Kind == message.FileData || p.Kind == message.FileEnd) && a.file == nil {
		a.fail(s, RuleFiles, "a piece of a file that was not begun")
		return
	}
	switch p.Kind {
	case message.FileBegin:
		if a.file != nil {
			a.fail(s, RuleFiles, "%s begins before %s has ended", p.Path, a.file.path)
		}
		if message.CheckTarget(p.Path) != nil {
			a.fail(s, RuleFiles, "the path %q leads out of the run's directory", p.Path)
		}
		a.file = &fileInfo{path: p.Path, hash: sha256.New()}
	case message.FileData:
		a.file.size += uint64(len(p.Data))
		a.file.hash.Write(p.Data)
	case message.FileEnd:
		if a.file.size != p.Size || !slices.Equal(a.file.hash.Sum(nil), p.Sum[:]) {
			a.fail(s, RuleFiles, "%s has %d bytes with another hash than is said, or is not of %d bytes", a.file.path, a.file.size, p.Size)
		}
		a.files.Files++
		a.files.Bytes += a.file.size
		a.file = nil
	case message.FileMissing:
		a.files.Missing++
		a.file = nil
	case message.FilesAnew:
		a.files, a.file = message.FileTotals{}, nil
	}
}
