package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"downbeat/internal/lastwords"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/runner"
)

// What the end of steps is posted as.
type (
	setUp    struct{ err error }
	tornDown struct{}
)

// An aftermath is what becomes of a run once its teardown is over.
type aftermath uint8

const (
	thenFinish aftermath = iota // the account is closed
	thenRefuse                  // the host has no part in it, for r.refusal
	thenYield                   // it waits for the host again
)

// setup puts the job's files into the run's directory, and then begins to run
// the commands of the setup; how they ended comes by mail. A
// run that has a teardown and no setup goes through here too: from here on the
// teardown is owed, also by a worker that finds the journal after a crash.
func (r *run) setup(ctx context.Context) {
	if err := r.owe(true); err != nil {
		r.refuse(fmt.Errorf("note that the setup begins: %w", err))
		return
	}
	if !r.to(SettingUp) {
		return
	}
	// As prepare: a worker that shuts down cancels it by itself.
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		err := r.supply(ctx)
		if err == nil {
			r.event(message.Event{Kind: message.SettingUp})
			err = r.perform(ctx, message.PhaseSetup)
		}
		r.mail.post(setUp{err})
	}()
}

// setUp goes on after the setup, which may have become unwanted.
func (r *run) setUp(ctx context.Context, err error) {
	r.cancel()
	switch {
	case r.stop != nil:
		r.tearDown(thenFinish)
	case r.wounded:
		r.tearDown(thenYield)
	case err != nil:
		r.refusal = err
		r.tearDown(thenRefuse)
	default:
		r.prepare(ctx)
	}
}

// tearDown runs the teardown, if one is owed, and then what comes after. Nothing
// interrupts it: each command has its own time, and what ignores its end is killed.
func (r *run) tearDown(after aftermath) {
	r.after = after
	if !r.owed || !r.job.Has(message.PhaseTeardown) {
		r.conclude()
		return
	}
	r.to(TearingDown)
	r.event(message.Event{Kind: message.TearingDown})
	r.findHome()
	go func() {
		// What went wrong is reported for each command, and changes nothing.
		_ = r.perform(context.Background(), message.PhaseTeardown)
		r.mail.post(tornDown{})
	}()
}

// conclude is what comes after the teardown. Whoever was to wait for the host
// again does not if the run was stopped meanwhile.
func (r *run) conclude() {
	r.leaveHome()
	if r.owed {
		if err := r.owe(false); err != nil {
			r.slog.Warn("the teardown will be run again if this worker dies now", "error", err)
		}
	}
	switch {
	case r.after == thenRefuse:
		r.refuse(r.refusal)
	case r.after == thenYield && r.stop == nil:
		r.yield()
	default:
		r.finish()
	}
}

// perform runs the commands of a phase one after the other and reports each. The
// first of a setup that does not succeed is the last; those of a teardown are all
// run. The error tells of the first that did not succeed.
func (r *run) perform(ctx context.Context, phase message.Phase) error {
	var failed error
	for n, c := range r.job.In(phase) {
		err := r.step(ctx, n, c)
		if failed == nil {
			failed = err
		}
		if failed != nil && phase == message.PhaseSetup {
			break
		}
	}
	return failed
}

// step runs a command of the setup or the teardown to its end: when it is reported,
// nothing of it is left. The error says what a person needs to know if it did not succeed.
func (r *run) step(ctx context.Context, number int, c *message.Command) error {
	out := &stepOutput{run: r, number: number, started: make(chan message.StartedInfo, 1)}
	info := r.carryOut(ctx, c, out)
	r.event(message.Event{Kind: message.Exited, Exited: info})
	word, reason := outcome.Judge(info.Exit(), r.job.Circumstances(c))
	if word == outcome.CommandSucceeded {
		return nil
	}
	r.slog.Warn("a command did not succeed", "command", c.Name, "outcome", word, "reason", reason)
	return fmt.Errorf("%s (%s) %s%s", c.Name, shorten(c.Argv), reason, out.lastWords())
}

func (r *run) carryOut(ctx context.Context, c *message.Command, out *stepOutput) *message.ExitedInfo {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout())
	defer cancel()
	set, err := r.w.config.Runner.Prepare(ctx, runner.Spec{
		Commands: []runner.Command{r.command(c)}, Sink: out, Mark: marks(r.job),
	})
	if err != nil {
		info := &message.ExitedInfo{Command: out.number, ExitCode: -1}
		if info.Stopped, info.TimedOut = interrupted(ctx); !info.Stopped {
			info.Reason = r.withoutDir(bare(err))
		}
		return info
	}
	_ = set.Release(time.Now()) // it can only be released once, which it is
	await(ctx, set, r.job.Grace(), out)
	info := &message.ExitedInfo{Command: out.number, ExitCode: -1}
	if out.exit != nil {
		info = r.exitedInfo(out.number, out.exit)
	}
	if out.exit == nil || info.Stopped || info.Killed { // else its time was over when it was
		info.Stopped, info.TimedOut = interrupted(ctx)
	}
	result := set.Result()
	info.Swept = result.Swept
	if result.Left != nil {
		r.mail.post(remained{result.Left})
	}
	return info
}

// await returns when the set is over, which is stopped when ctx ends. It reports the start
// before that: the runner's own goroutine is not to wait for the log.
func await(ctx context.Context, set *runner.Set, grace time.Duration, out *stepOutput) {
	stop := ctx.Done()
	for {
		select {
		case s := <-out.started:
			out.run.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{s}})
		case <-stop:
			stop = nil
			set.Stop(time.Now(), grace)
		case <-set.Done():
			select {
			case s := <-out.started:
				out.run.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{s}})
			default:
			}
			return
		}
	}
}

// interrupted says whether a command was stopped, and whether because its time was over.
func interrupted(ctx context.Context) (stopped, timedOut bool) {
	return ctx.Err() != nil, errors.Is(ctx.Err(), context.DeadlineExceeded)
}

// findHome makes sure that the teardown has the directories to run in: a program may
// have removed them, or put something else in their place.
func (r *run) findHome() {
	home := r.inWork("")
	if info, err := os.Lstat(home); err == nil && info.Mode()&os.ModeSymlink != 0 {
		_ = os.Remove(home) // the link: a teardown that deletes is not to do so where it leads
	}
	switch err := makeDir(home); {
	case err == nil:
	case errors.Is(err, errMade):
		r.remains.note("the run's directory was gone, so its teardown ran in a new one")
	default:
		dir, tempErr := os.MkdirTemp("", "downbeat-teardown-")
		if tempErr != nil {
			r.slog.Error("the teardown has no directory to run in", "error", errors.Join(err, tempErr))
			return
		}
		r.elsewhere = dir
		r.remains.note("the run's directory was gone and can't be made again, so its teardown ran in %s: %v", dir, plain(err))
	}
	for _, c := range r.job.In(message.PhaseTeardown) {
		if dir := c.Dir; dir != "" && !filepath.IsAbs(dir) && errors.Is(makeDir(r.inWork(dir)), errMade) {
			r.remains.note("directory %s was gone, so %s ran in a new one", shownPath(dir), c.Name)
		}
	}
}

// errMade: the directory was not there, and is now.
var errMade = errors.New("it was made")

func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errMade
}

// leaveHome removes what findHome has made elsewhere.
func (r *run) leaveHome() {
	if r.elsewhere == "" {
		return
	}
	if err := RemoveTree(context.Background(), filepath.Dir(r.elsewhere), filepath.Base(r.elsewhere)); err != nil {
		r.remains.note("left %s behind: %v", r.elsewhere, err)
	}
	r.elsewhere = ""
}

// inWork is a directory as seen from the run's.
func (r *run) inWork(dir string) string {
	if filepath.IsAbs(dir) {
		return dir
	}
	if r.elsewhere != "" {
		return filepath.Join(r.elsewhere, dir)
	}
	return filepath.Join(r.dir, workDir, dir)
}

// withoutDir takes the worker's own paths out of a message.
func (r *run) withoutDir(text string) string {
	return strings.ReplaceAll(text, filepath.Join(r.dir, workDir), "the run's directory")
}

// bare is what is wrong with the one command of a set, without its name.
func bare(err error) string {
	if p, ok := errors.AsType[*runner.PrepareError](err); ok {
		return p.Problems[0].Err.Error()
	}
	return err.Error()
}

// shorten makes a command fit into a message.
func shorten(argv []string) string {
	const most = 60
	line := []rune(strings.Join(strings.Fields(strings.Join(argv, " ")), " "))
	if len(line) > most {
		return string(line[:most-3]) + "..."
	}
	return string(line)
}

// stepOutput is what the runner sees of a run while it runs a command of its setup or
// teardown.
type stepOutput struct {
	run     *run
	number  int                      // the command's
	started chan message.StartedInfo // has room for the one that comes
	exit    *runner.Exit             // set before the set is over
	words   [2]lastwords.Finder      // of each stream
}

// Started implements [runner.Sink].
func (s *stepOutput) Started(_, pid int, at time.Time) {
	s.started <- message.StartedInfo{Command: s.number, PID: pid, StartedAt: s.run.clock.At(at)}
}

// Output implements [runner.Sink].
func (s *stepOutput) Output(_ int, stream runner.Stream, at time.Time, data []byte) {
	s.run.journal.output(s.number, stream, at, data)
	_, _ = s.words[stream].Write(data) // it can't fail
}

// Exited implements [runner.Sink].
func (s *stepOutput) Exited(_ int, exit runner.Exit) { s.exit = &exit }

// lastWords is the line that says why the step ended, of its standard error if it
// wrote there.
func (s *stepOutput) lastWords() string {
	const most = 200
	for _, stream := range []runner.Stream{runner.Stderr, runner.Stdout} {
		if line := s.words[stream].Words(); len(line) > 0 {
			return fmt.Sprintf("; its last words: %q", line[:min(len(line), most)])
		}
	}
	return ""
}
