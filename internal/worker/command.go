package worker

import (
	"context"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/lastwords"
	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/streams"
	"downbeat/internal/worker/course"
)

// A stepCommand is one command of a run's setup or teardown while it is run. It is of the
// goroutine of the task that runs it; as a [runner.Sink] it is called from others, which
// are done with it when the set is.
type stepCommand struct {
	number  int // among the job's commands
	command runner.Command
	mark    []string
	grace   time.Duration
	hide    func(string) string // makes a text fit for others' eyes
	runner  *runner.Runner
	clock   *clock.Clock
	journal *journal
	mail    *mailbox

	exit  *runner.Exit        // set before the set is over
	words [2]lastwords.Finder // of each stream
}

// run runs the command to its end: then nothing of it is left, and all its output is in
// the journal.
func (c *stepCommand) run(ctx context.Context) course.Input {
	set, err := c.runner.Prepare(ctx, runner.Spec{Commands: []runner.Command{c.command}, Sink: c, Mark: c.mark})
	if err != nil {
		info := c.neverBegan(ctx)
		if !info.Stopped {
			info.Reason = c.hide(bare(err))
		}
		return c.ended(info, nil)
	}
	_ = set.Release(time.Now()) // it can only be released once, which it is
	select {
	case <-set.Done():
	case <-ctx.Done():
		set.Stop(time.Now(), c.grace, 0)
		<-set.Done()
	}
	info := c.neverBegan(ctx)
	if c.exit != nil {
		info = exitedInfo(c.clock, c.number, c.exit)
	}
	result := set.Result()
	info.Swept = result.Swept
	return c.ended(info, result.Left)
}

func (c *stepCommand) neverBegan(ctx context.Context) *message.ExitedInfo {
	return &message.ExitedInfo{Command: c.number, ExitCode: -1, Stopped: ctx.Err() != nil}
}

func (c *stepCommand) ended(info *message.ExitedInfo, left *runner.LeftError) course.CommandEnded {
	return course.CommandEnded{Exit: info, Total: c.journal.total(c.number), Words: c.lastWords(), Left: remains(left)}
}

// Started implements [runner.Sink].
func (c *stepCommand) Started(_ int, start runner.Start) {
	c.mail.post(course.Begun{Started: message.StartedInfo{Command: c.number, PID: start.PID, StartedAt: c.clock.At(start.At)}})
}

// Output implements [runner.Sink].
func (c *stepCommand) Output(_ int, stream streams.Stream, at time.Time, data []byte) {
	c.journal.output(c.number, stream, at, data)
	_, _ = c.words[stream].Write(data) // it can't fail
}

// Exited implements [runner.Sink].
func (c *stepCommand) Exited(_ int, exit runner.Exit) { c.exit = &exit }

// lastWords is the line that says why the command ended, of its standard error if it
// wrote there.
func (c *stepCommand) lastWords() string {
	for _, stream := range []streams.Stream{streams.Stderr, streams.Stdout} {
		if line := c.words[stream].Words(); len(line) > 0 {
			return string(line)
		}
	}
	return ""
}
