package experiment

import (
	"fmt"
	"slices"

	"downbeat/internal/message"
)

// maxJob bounds the arguments and variables of a host's job, in bytes: well below
// what a queue accepts.
const maxJob = message.MaxSigned / 2

// maxRun bounds them for all hosts of a run together.
const maxRun = 64 << 20

// A load is the size of a run's jobs, in bytes.
type load struct {
	hosts map[string]int
	run   int
}

func (l *load) add(host string, bytes int) {
	l.hosts[host] += bytes
	l.run += bytes
}

// fill executes the commands of all processes.
func (x *expansion) fill() {
	defer func() { x.self = nil }()
	for _, p := range x.all {
		x.self = p
		x.fillCommand(&p.Command.Command, p.command, allKeys, p.data)
		if p.command.delay != nil {
			p.DelayMS = x.delay(p.command.delay, p)
		}
		p.Ready, p.Restart = x.expandReady(p.command.ready, p), x.expandRestart(p.command.restart, p)
		p.Stop = x.expandEnding(p.command.ending, p)
		if !x.account(p.command, &p.Command) {
			return
		}
	}
}

// fillCommand executes what a command of any phase has.
func (e *evaluator) fillCommand(made *message.Command, c *command, keys []string, data map[string]any) {
	made.Argv, made.Env = e.argv(c, keys, data), e.environment(c, keys, data)
	made.Pty, made.OKExit = c.pty, slices.Clone(c.ok)
	if c.dir != nil {
		made.Dir, _ = e.evaluate(c.dir, keys, data)
	}
}

func (e *evaluator) environment(c *command, keys []string, data map[string]any) map[string]string {
	if len(c.env) == 0 {
		return nil
	}
	env := make(map[string]string, len(c.env))
	for _, v := range c.env {
		env[v.key], _ = e.evaluate(v.value, keys, data)
	}
	return env
}

func (e *evaluator) argv(c *command, keys []string, data map[string]any) []string {
	if c.line != nil {
		line, ok := e.evaluate(c.line, keys, data)
		if !ok {
			return nil
		}
		words, err := c.words(line)
		if err != nil {
			e.fail(c.line, err)
		}
		return words
	}
	words := make([]string, len(c.argv))
	for i, t := range c.argv {
		var ok bool
		if words[i], ok = e.evaluate(t, keys, data); ok && i == 0 && words[0] == "" {
			e.fail(t, errNoCommand)
		}
	}
	return words
}

// delay is how long after its beat's release a process starts, in milliseconds. The
// time to stop.after counts from the last beat.
func (x *expansion) delay(t *text, p *placed) int64 {
	s, ok := x.evaluate(t, allKeys, p.data)
	if !ok {
		return 0
	}
	after := x.stop.After
	if p.Beat < len(x.beats)-1 {
		after = 0
	}
	v, err := delayOf(s, x.timeout, after)
	if err != nil {
		x.fail(t, err)
	}
	return v.Milliseconds()
}

// account adds a command to the load, and reports a run that is too large for any
// queue.
func (x *expansion) account(c *command, made *Command) bool {
	host := made.Host
	size, longest := len(made.Dir)+200, 0 // 200: what is around them
	for _, s := range made.Argv {
		size, longest = size+len(s)+3, max(longest, len(s))
	}
	for k, v := range made.Env {
		size, longest = size+len(k)+len(v)+6, max(longest, len(k)+len(v)+1)
	}
	if longest > maxText {
		x.fail(c.whole, &textError{
			fmt.Sprintf("an argument or variable is longer than %d KiB, which is more than Linux takes", maxText>>10),
			"put long values into files",
		})
	}
	x.load.add(host, size)
	whole, hint := c.whole, "put long values into files"
	switch {
	case x.load.hosts[host] > maxJob:
		x.add(whole.at, whole.field, hint, "the commands of host %s are too much for one job: more than %d MiB", host, maxJob>>20)
	case x.load.run > maxRun:
		x.add(whole.at, whole.field, hint, "the commands are too much for one run: more than %d MiB", maxRun>>20)
	default:
		return true
	}
	return false
}
