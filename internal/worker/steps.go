package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"downbeat/internal/lastwords"
	"downbeat/internal/message"
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
// the steps of the setup; how they ended comes by mail. A
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
			err = r.perform(ctx, r.job.Setup, len(r.job.Processes), false)
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
// interrupts it: each step has its own time, and what ignores its end is killed.
func (r *run) tearDown(after aftermath) {
	r.after = after
	if !r.owed || len(r.job.Teardown) == 0 {
		r.conclude()
		return
	}
	r.to(TearingDown)
	r.event(message.Event{Kind: message.TearingDown})
	r.findHome(r.job.Teardown)
	first := len(r.job.Processes) + len(r.job.Setup)
	go func() {
		// What went wrong is reported step by step, and changes nothing.
		_ = r.perform(context.Background(), r.job.Teardown, first, true)
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

// perform runs steps one after the other and reports each. With regardless one
// that fails does not keep the others from being run. The error tells of the
// first that did.
func (r *run) perform(ctx context.Context, steps []message.Step, first int, regardless bool) error {
	var failed error
	for i := range steps {
		err := r.step(ctx, &steps[i], first+i)
		if failed == nil {
			failed = err
		}
		if failed != nil && !regardless {
			break
		}
	}
	return failed
}

// step runs one step to its end: when it is reported, nothing of it is left. The
// error says what a person needs to know if it failed.
func (r *run) step(ctx context.Context, step *message.Step, number int) error {
	out := &stepOutput{run: r, number: number}
	info := r.carryOut(ctx, step, out)
	info.Step = number
	r.event(message.Event{Kind: message.Stepped, Step: info})
	if info.Outcome == message.StepSucceeded {
		return nil
	}
	r.slog.Warn("a step did not succeed", "step", step.Name, "outcome", info.Outcome, "reason", info.Reason)
	return fmt.Errorf("%s (%s) %s%s", step.Name, shorten(step.Argv), info.Reason, out.lastWords())
}

func (r *run) carryOut(ctx context.Context, step *message.Step, out *stepOutput) *message.StepInfo {
	ctx, cancel := context.WithTimeout(ctx, step.Timeout())
	defer cancel()
	set, err := r.w.config.Runner.Prepare(ctx, runner.Spec{
		Commands: []runner.Command{r.stepCommand(step)}, Sink: out, Mark: marks(r.job),
	})
	if err != nil {
		info := &message.StepInfo{ExitCode: -1}
		if info.Outcome, info.Reason = r.interrupted(ctx, step, false); info.Outcome == "" {
			info.Outcome, info.Reason = message.StepFailed, "can't be run: "+r.withoutDir(bare(err))
		}
		return info
	}
	_ = set.Release(time.Now()) // it can only be released once, which it is
	select {
	case <-set.Done():
	case <-ctx.Done():
		set.Stop(time.Now(), r.job.Grace())
		<-set.Done()
	}
	info := r.stepInfo(ctx, step, out.exit)
	result := set.Result()
	info.Swept = result.Swept
	if result.Left != nil {
		r.mail.post(remained{result.Left})
	}
	return info
}

// stepInfo judges how a step ended; exit is nil if it never began.
func (r *run) stepInfo(ctx context.Context, step *message.Step, exit *runner.Exit) *message.StepInfo {
	info := &message.StepInfo{ExitCode: -1}
	if exit == nil {
		info.Outcome, info.Reason = r.interrupted(ctx, step, false)
		return info
	}
	info.ExitCode, info.Signal = exit.Code, exit.Signal
	if exit.Err != nil {
		info.Outcome, info.Reason = message.StepFailed, "could not be started: "+exit.Err.Error()
		if errors.Is(exit.Err, runner.ErrNotEnded) {
			info.Reason = "can't be ended: " + exit.Err.Error()
		}
		return info
	}
	info.StartedAt, info.EndedAt = r.clock.At(exit.Started), r.clock.At(exit.Ended)
	info.UserUS, info.SystemUS, info.MaxRSSBytes = exit.User.Microseconds(), exit.System.Microseconds(), exit.MaxRSS
	took := exit.Ended.Sub(exit.Started).Round(time.Millisecond)
	switch {
	case exit.Stopped || exit.Killed:
		info.Outcome, info.Reason = r.interrupted(ctx, step, exit.Killed)
	case slices.Contains(step.OKExit, exitStatus(exit)):
		info.Outcome = message.StepSucceeded
	case exit.Signal != "":
		info.Outcome, info.Reason = message.StepFailed, fmt.Sprintf("was ended by %s after %s", exit.Signal, took)
	default:
		info.Outcome, info.Reason = message.StepFailed, fmt.Sprintf("exited with status %d after %s", exit.Code, took)
	}
	return info
}

// interrupted says why a step did not come to its own end; empty if it was not
// interrupted.
func (r *run) interrupted(ctx context.Context, step *message.Step, killed bool) (outcome message.StepOutcome, reason string) {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		outcome, reason = message.StepTimedOut, fmt.Sprintf("was not over within %s", step.Timeout())
	case ctx.Err() != nil:
		outcome, reason = message.StepStopped, "was stopped, as the run can't go on here"
	default:
		return "", ""
	}
	if killed {
		reason += fmt.Sprintf(", ignored TERM for %s and was killed", r.job.Grace())
	}
	return outcome, reason
}

// stepCommand is a step as the runner takes it.
func (r *run) stepCommand(step *message.Step) runner.Command {
	dir := r.inWork(step.Dir)
	return runner.Command{
		Name: step.Name, Argv: step.Argv, Dir: dir, Pty: step.Pty,
		Env:    r.w.environment(step.Env, message.StepIdentity(r.job, step), dir, step.Pty),
		Search: []string{r.w.config.Dir},
	}
}

// findHome makes sure that the teardown has the directories to run in: a program may
// have removed them, or put something else in their place.
func (r *run) findHome(steps []message.Step) {
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
	for i := range steps {
		if dir := steps[i].Dir; dir != "" && !filepath.IsAbs(dir) && errors.Is(makeDir(r.inWork(dir)), errMade) {
			r.remains.note("directory %s was gone, so %s ran in a new one", shownPath(dir), steps[i].Name)
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

func exitStatus(e *runner.Exit) int {
	if e.Signal != "" {
		return 128 + message.SignalNumber(e.Signal)
	}
	return e.Code
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

// stepOutput is what the runner sees of a run while it runs a step.
type stepOutput struct {
	run    *run
	number int
	exit   *runner.Exit
	words  [2]lastwords.Finder // of each stream
}

// Started implements [runner.Sink].
func (s *stepOutput) Started(int, int, time.Time) {}

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
