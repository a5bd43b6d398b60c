package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/publisher"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// Who prints what: standard output carries the processes' standard output, each
// line whole and tagged, and nothing else; their standard error goes to standard
// error, tagged alike, and so do both outputs of setups and teardowns, and all
// that publish itself has to say. With
// --output json, standard output carries one object a line (observejson.go).

// An observer prints a run while it happens.
type observer interface {
	publisher.Observer
	// show has the live line show this run from now on.
	show(view)
	// close prints what is left, once the run is over.
	close(results.Record)
}

func (a *app) observer(dp *experiment.Datapoint) observer {
	progress := &progress{app: a, dp: dp, phases: make(map[string]publisher.Phase), detail: make(map[string]string), began: time.Now()}
	for _, h := range dp.Hosts {
		progress.phases[h.Name] = publisher.Asked
	}
	if a.flags.output == "json" {
		return newJSONObserver(a, dp, progress)
	}
	return newTextObserver(a, dp, progress)
}

// textObserver prints tagged lines.
type textObserver struct {
	*progress
	app     *app
	sources [][2]*terminal.Source // by process and stream
}

func newTextObserver(a *app, dp *experiment.Datapoint, p *progress) *textObserver {
	o := &textObserver{progress: p, app: a}
	if a.flags.quiet {
		return o
	}
	lines := terminal.NewLines(a.out, a.err)
	lines.Shown(terminal.DisplayOn(a.std.out, os.Getenv("TERM")), terminal.DisplayOn(a.std.err, os.Getenv("TERM")))
	for _, process := range dp.Processes {
		tag := process.Host + "/" + process.Name + " | "
		o.sources = append(o.sources, [2]*terminal.Source{lines.Source(tag, false), lines.Source(tag, true)})
	}
	for _, step := range dp.Steps() {
		tag := step.Host + "/" + step.Name + " | "
		o.sources = append(o.sources, [2]*terminal.Source{lines.Source(tag, true), lines.Source(tag, true)})
	}
	return o
}

// Output prints. An error is not the run's: whoever read standard output has
// gone, and finds the rest in the results.
func (o *textObserver) Output(process int, stream message.Stream, _ time.Time, data []byte) {
	if o.sources != nil {
		_ = o.sources[process][stream].Write(data)
	}
}

func (o *textObserver) close(results.Record) {
	for _, s := range o.sources {
		_, _ = s[0].Close(), s[1].Close()
	}
}

// progress keeps the live line, and says on standard error what a person has to
// know before the run is over.
type progress struct {
	app *app
	dp  *experiment.Datapoint

	mu      sync.Mutex // guards what follows
	view    view
	shown   bool // before that, another run has the live line
	phases  map[string]publisher.Phase
	detail  map[string]string
	running int
	ended   int
	failed  int
	began   time.Time
	stop    string
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
			p.notice("waiting for %s: it is busy with run %s", host, detail)
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

// Output implements [publisher.Observer].
func (p *progress) Output(int, message.Stream, time.Time, []byte) {}

// Step implements [publisher.Observer].
func (p *progress) Step(int, results.StepRecord) {}

// Exited implements [publisher.Observer].
func (p *progress) Exited(_ int, r results.ProcessRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended++
	if r.Outcome == results.ProcessFailed {
		p.failed++
	}
	p.update()
}

// Stopping implements [publisher.Observer].
func (p *progress) Stopping(cause message.StopCause, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = "stopping"
	if cause != message.StopRule && p.running > 0 { // else it is over at once, and the summary tells why
		p.notice("stopping: %s", reason)
	}
	p.update()
}

func (p *progress) notice(format string, args ...any) {
	p.app.say("publish: "+format+"\n", args...)
}

// update brings the live line up to date.
func (p *progress) update() {
	if !p.shown {
		return
	}
	var waiting, ready, busy, steps, ended []string
	for _, h := range p.dp.Hosts {
		switch p.phases[h.Name] {
		case publisher.Asked, publisher.Waiting:
			waiting = append(waiting, h.Name)
		case publisher.Fetching:
			waiting = append(waiting, h.Name+", which is fetching "+p.detail[h.Name])
		case publisher.SettingUp:
			steps = append(steps, h.Name+": setup")
		case publisher.Withdrawing, publisher.TearingDown:
			steps = append(steps, h.Name+": teardown")
		case publisher.Ready, publisher.Committed:
			ready = append(ready, h.Name)
		case publisher.Started:
			busy = append(busy, h.Name)
		case publisher.Ended:
			ended = append(ended, h.Name)
			if detail := p.detail[h.Name]; detail != "" {
				ended[len(ended)-1] += " (" + detail + ")"
			}
		case publisher.Completed:
		}
	}
	total := len(p.dp.Processes)
	text := p.dp.Name + p.view.place + "  "
	switch {
	case len(busy) == 0 && len(ended) > 0:
		text += "collecting files from " + strings.Join(ended, " ")
	case p.running == 0 && len(ready) < len(p.dp.Hosts):
		text += fmt.Sprintf("%d of %d hosts ready", len(ready), len(p.dp.Hosts))
		if len(waiting) > 0 {
			text += ", waiting for " + strings.Join(waiting, " ")
		}
	case p.running == 0:
		text += fmt.Sprintf("%s ready on %s", processes(total), terminal.Count(uint64(len(p.dp.Hosts)), "host"))
	default:
		state := "running"
		if p.stop != "" {
			state = p.stop
		}
		text += fmt.Sprintf("%s %d/%d", state, p.running-p.ended, total)
		if p.failed > 0 {
			text += fmt.Sprintf(", %d failed", p.failed)
		}
		if len(busy) > 0 {
			text += " on " + strings.Join(busy, " ")
		}
	}
	text = strings.Join(append([]string{text}, steps...), ", ")
	status := terminal.Status{Text: text + p.view.outlook, Since: p.began, Until: p.view.until}
	if p.running > 0 && p.stop == "" {
		if status.Expected = p.view.expected; status.Expected == 0 {
			status.Expected = p.dp.Stop.After
		}
	}
	p.app.live.Set(status)
}
