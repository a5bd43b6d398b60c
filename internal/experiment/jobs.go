package experiment

import "downbeat/internal/message"

// Jobs gives each host's part of the run, in the order of d.Hosts. ReplyTo,
// Since and the lease are for the publisher to fill in.
func (d *Datapoint) Jobs() []message.Job {
	jobs := make([]message.Job, len(d.Hosts))
	at := make(map[string]*message.Job, len(d.Hosts))
	for i, h := range d.Hosts {
		jobs[i] = message.Job{
			Run:        d.Run,
			Host:       h.Name,
			Experiment: d.Name,
			Datapoint:  d.Index,
			GraceMS:    d.Stop.Grace.Milliseconds(),
			Sync:       true,
			Collect:    d.Collect[h.Name],
			SampleMS:   d.Sample.Milliseconds(),
		}
		for _, f := range d.Files[h.Name] {
			jobs[i].Files = append(jobs[i].Files, f.File)
		}
		at[h.Name] = &jobs[i]
	}
	commands := d.Commands()
	local := make([]int, len(commands)) // the number of each in its host's job
	for n, c := range commands {
		job := at[c.Host]
		local[n] = len(job.Commands)
		job.Commands = append(job.Commands, c.Command)
	}
	for i := range d.Actions {
		d.Actions[i].addTo(d.Hosts, at, commands, local)
	}
	return jobs
}

// addTo adds an action to the jobs of the hosts that it concerns.
func (a *Action) addTo(hosts []Host, jobs map[string]*message.Job, commands []Command, local []int) {
	on := func(numbers []int) map[string][]int {
		by := make(map[string][]int)
		for _, n := range numbers {
			host := commands[n].Host
			by[host] = append(by[host], local[n])
		}
		return by
	}
	targets, watched := on(a.Targets), on(a.Of)
	for _, h := range hosts {
		job := jobs[h.Name]
		if list := targets[h.Name]; len(list) > 0 {
			made := message.Action{Number: a.Number, Do: a.Do, Signal: a.Signal, ForMS: a.For.Milliseconds()}
			if a.Timed() {
				made.Beat, made.AfterMS, made.Commands = a.Beat, a.After.Milliseconds(), list
			} else {
				made.Called = true
			}
			job.Actions = append(job.Actions, made)
		}
		if list := watched[h.Name]; len(list) > 0 {
			job.Watches = append(job.Watches, message.Watch{Action: a.Number, Line: a.Line, Commands: list, Most: a.Times})
		}
	}
}
