package main

import (
	"os"
	"sync"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/publisher"
	"downbeat/internal/results"
	"downbeat/internal/streams"
	"downbeat/internal/terminal"
)

// Where each output goes: standard output carries the processes' standard output, each line whole and
// tagged, and nothing else. Their standard error goes to standard error, tagged in the same
// way, and so do both outputs of setups and teardowns and everything that publish itself has to
// say. With --output json, standard output carries one object per line (observejson.go).

// An observer prints a run while it happens.
type observer interface {
	publisher.Observer
	// show makes the live line show this run from now on.
	show(view)
	// judging says that a program judges the run now. It is called from several goroutines.
	judging(p *experiment.Program)
	// close prints what is left, once the run is over.
	close(results.Record)
}

func (a *app) observer(dp *experiment.Datapoint) observer {
	progress := &progress{app: a, dp: dp, phases: make(map[string]publisher.Phase), detail: make(map[string]string), began: time.Now()}
	for _, h := range dp.Hosts {
		progress.phases[h.Name] = publisher.Asked
	}
	for _, p := range dp.Processes {
		progress.beats = max(progress.beats, p.Beat+1)
		if p.Ready != nil {
			progress.waited++
		}
	}
	if a.flags.Output == "json" {
		return newJSONObserver(a, dp, progress)
	}
	return newTextObserver(a, dp, progress)
}

// textObserver prints tagged lines.
type textObserver struct {
	*progress
	app     *app
	sources [][2]*terminal.Source // by command and stream
}

func newTextObserver(a *app, dp *experiment.Datapoint, p *progress) *textObserver {
	o := &textObserver{progress: p, app: a}
	if a.flags.Quiet {
		return o
	}
	lines := terminal.NewLines(a.out, a.err)
	lines.Shown(terminal.DisplayOn(a.std.out, os.Getenv("TERM")), terminal.DisplayOn(a.std.err, os.Getenv("TERM")))
	for _, c := range dp.Commands() {
		tag := c.Host + "/" + c.Name + " | "
		apart := c.Phase != message.PhaseRun
		o.sources = append(o.sources, [2]*terminal.Source{lines.Source(tag, apart), lines.Source(tag, true)})
	}
	return o
}

// Output prints. An error does not concern the run: the reader of standard output has exited,
// and the results have the rest.
func (o *textObserver) Output(command int, stream streams.Stream, _ time.Time, data []byte) {
	if o.sources != nil {
		_ = o.sources[command][stream].Write(data)
	}
}

func (o *textObserver) close(results.Record) {
	o.tellUndone()
	for _, s := range o.sources {
		_, _ = s[0].Close(), s[1].Close()
	}
}

// progress keeps the live line up to date, and says on standard error what the user should know
// before the run is over.
type progress struct {
	app *app
	dp  *experiment.Datapoint

	mu      sync.Mutex // guards what follows
	view    view
	shown   bool // false while another run has the live line
	phases  map[string]publisher.Phase
	detail  map[string]string
	running int // lives that have begun
	ended   int // and ended
	beat    int // that was released last
	usable  int // processes that were seen to be ready
	waited  int // that are waited for to be
	beats   int // of the run
	failed  int
	began   time.Time
	stop    string
	judge   string                 // the program that judges the run
	undone  []results.ActionRecord // that the stop has forestalled
}

func (p *progress) show(v view) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.view, p.shown = v, true
	p.update()
}

// Host implements [publisher.Observer].
func (p *progress) Host(host string, phase publisher.Phase, detail string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if detail != "" && detail != p.detail[host] {
		switch phase {
		case publisher.Asked:
			p.notice("waiting for %s: %s", host, detail)
		case publisher.Waiting:
			if message.SamePublisher(detail, p.dp.Run) {
				p.notice("waiting for %s: run %s of this experiment has not ended there yet", host, detail)
			} else {
				p.notice("waiting for %s: it is busy with run %s", host, detail)
			}
		}
	}
	p.phases[host], p.detail[host] = phase, detail
	p.update()
}

// Started implements [publisher.Observer].
func (p *progress) Started(int, int, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == 0 {
		p.began = time.Now()
	}
	p.running++
	p.update()
}

// Beat implements [publisher.Observer].
func (p *progress) Beat(beat int, _ []string, _ time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beat = beat
	p.update()
}

// ProcessReady implements [publisher.Observer].
func (p *progress) ProcessReady(int, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.usable++
	p.update()
}

// LifeEnded implements [publisher.Observer].
func (p *progress) LifeEnded(int, results.LifeRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended++
	p.update()
}

// Acted implements [publisher.Observer].
func (p *progress) Acted(a results.ActionRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case a.Reason == "":
	case p.stop != "": // one line for all, once it is over
		p.undone = append(p.undone, a)
	default:
		p.notice("action %d (%s) was not done to %s on %s: %s", a.Action, a.Text, a.Target, a.Host, a.Reason)
	}
}

// tellUndone says what was not done, as the run was being stopped.
func (p *progress) tellUndone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch n := len(p.undone); n {
	case 0:
	case 1:
		a := p.undone[0]
		p.notice("action %d (%s) was not done to %s on %s: the run was stopped before", a.Action, a.Text, a.Target, a.Host)
	default:
		p.notice("%d actions that were still to come were not done: the run was stopped before", n)
	}
	p.undone = nil
}

// Marked implements [publisher.Observer].
func (p *progress) Marked(results.MarkRecord) {}

// Output implements [publisher.Observer].
func (p *progress) Output(int, streams.Stream, time.Time, []byte) {}

// Step implements [publisher.Observer].
func (p *progress) Step(int, results.StepRecord) {}

// Exited implements [publisher.Observer].
func (p *progress) Exited(_ int, r results.ProcessRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended++
	if r.Outcome == outcome.CommandFailed {
		p.failed++
	}
	p.update()
}

// Stopping implements [publisher.Observer].
func (p *progress) Stopping(cause message.StopCause, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = "stopping"
	if cause != message.StopRule && p.running > 0 { // otherwise it is over at once, and the summary says why
		p.notice("stopping: %s", reason)
	}
	p.update()
}

func (p *progress) judging(program *experiment.Program) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.judge, p.began = program.String(), time.Now()
	p.update()
}

func (p *progress) notice(format string, args ...any) {
	p.app.say("publish: "+format+"\n", args...)
}

// update brings the live line up to date.
func (p *progress) update() {
	if p.shown {
		p.app.live.Set(p.status())
	}
}
