package worker

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/worker/rendezvous"
)

// specs turn a job's commands into what the runner takes. It doesn't change.
type specs struct {
	job     *message.Job
	environ []string // what commands inherit, "KEY=value"
	sync    string   // the socket on which processes meet, where the job has one
	search  []string // where programs named by a relative path are looked for beside their directory
}

// command is a command of the job, to be started in dir.
func (s *specs) command(c *message.Command, dir string) runner.Command {
	identity := message.Identity(s.job, c)
	if s.job.Sync && isHeld(c) {
		identity = append(identity, rendezvous.Env+"="+s.sync)
	}
	command := runner.Command{
		Name: c.Name, Argv: c.Argv, Dir: dir, Delay: c.Delay(), Pty: c.Pty, Beat: c.Beat, Stop: stopOf(c.Stop),
		Env:    environment(s.environ, c, identity, dir),
		Search: s.search,
	}
	if isHeld(c) {
		command.Mark = []string{message.EnvPrefix + "PROCESS=" + c.Name}
	}
	if c.Phase == message.PhaseAction {
		command.Beat = runner.NoBeat
	}
	return command
}

// stopOf is how a process is asked to end.
func stopOf(s *message.CommandStop) runner.Stop {
	var stop runner.Stop
	if s == nil {
		return stop
	}
	stop.Signal, _ = signalOf(s.Signal) // what is none is TERM
	if s.GraceMS != nil {
		stop.Grace = max(time.Duration(*s.GraceMS)*time.Millisecond, 1) // no time at all, which differs from none said
	}
	return stop
}

// environment is what a command sees: what all of them inherit, then what the job
// says, then who it is. Each variable is there once. On a terminal nobody looks at it,
// so that programs are told not to paint.
func environment(inherited []string, c *message.Command, identity []string, dir string) []string {
	set := maps.Clone(c.Env)
	if set == nil {
		set = make(map[string]string)
	}
	if _, ok := set["TERM"]; c.Pty && !ok {
		set["TERM"] = "dumb"
	}
	var env []string
	for _, entry := range inherited {
		name, _, _ := strings.Cut(entry, "=")
		if _, ok := set[name]; !ok && name != "PWD" && !slices.ContainsFunc(identity, func(own string) bool { return strings.HasPrefix(own, name+"=") }) {
			env = append(env, entry)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		env = append(env, name+"="+set[name])
	}
	return append(env, append(identity, "PWD="+dir)...)
}

// bare is what is wrong with the one command of a set, without its name.
func bare(err error) string {
	if p, ok := errors.AsType[*runner.PrepareError](err); ok {
		return p.Problems[0].Err.Error()
	}
	return err.Error()
}
