package main

import (
	"fmt"
	"slices"
	"strings"

	"downbeat/internal/publisher"
	"downbeat/internal/terminal"
)

// The live line: what it says about a run and its experiment.

// status is what the live line says now.
func (p *progress) status() terminal.Status {
	status := terminal.Status{Since: p.began, Until: p.view.until, AtMost: p.view.atMost}
	if p.running > 0 && p.stop == "" {
		if status.Expected = p.view.expected; status.Expected == 0 {
			status.Expected = p.dp.Stop.After
		}
	}
	state, detail := p.state(p.standing())
	status.Parts = append(p.view.parts(p.dp.Name), state)
	if p.failed > 0 {
		status.Parts = append(status.Parts, terminal.Part{Text: fmt.Sprintf("%d failed", p.failed), Rank: terminal.RankFailures, Sep: ", "})
	}
	status.Parts = append(append(status.Parts, detail...), p.view.failures()...)
	return status
}

// A standing groups the hosts of a run, by name, by how far each has come.
type standing struct{ waiting, ready, busy, steps, ended []string }

func (p *progress) standing() standing {
	var s standing
	for _, h := range p.dp.Hosts {
		switch p.phases[h.Name] {
		case publisher.Asked, publisher.Waiting:
			s.waiting = append(s.waiting, h.Name)
		case publisher.Fetching:
			s.waiting = append(s.waiting, h.Name+", which is fetching "+p.detail[h.Name])
		case publisher.SettingUp:
			s.steps = append(s.steps, h.Name+": setup")
		case publisher.Withdrawing, publisher.TearingDown:
			s.steps = append(s.steps, h.Name+": teardown")
		case publisher.Ready, publisher.Committed:
			s.ready = append(s.ready, h.Name)
		case publisher.Started:
			s.busy = append(s.busy, h.Name)
		case publisher.Ended:
			s.ended = append(s.ended, h.Name)
			if detail := p.detail[h.Name]; detail != "" {
				s.ended[len(s.ended)-1] += " (" + detail + ")"
			}
		case publisher.Completed:
		}
	}
	return s
}

// state says in a few words how far the run is, and on which hosts.
func (p *progress) state(s standing) (state terminal.Part, detail []terminal.Part) {
	total := len(p.dp.Processes)
	say := func(sep, text string, hosts []string) {
		if len(hosts) > 0 {
			detail = append(detail, terminal.Part{Text: text + strings.Join(hosts, " "), Rank: terminal.RankDetail, Sep: sep})
		}
	}
	switch {
	case p.judge != "":
		state.Text, state.Short = "judging", "judging"
		detail = append(detail, terminal.Part{Text: "with " + p.judge, Rank: terminal.RankDetail, Sep: " "})
	case len(s.busy) == 0 && len(s.ended) > 0:
		state.Text = "collecting files"
		say(" ", "from ", s.ended)
	case p.running == 0 && len(s.ready) < len(p.dp.Hosts):
		state.Text = fmt.Sprintf("%d of %d hosts ready", len(s.ready), len(p.dp.Hosts))
		state.Short = fmt.Sprintf("%d/%d ready", len(s.ready), len(p.dp.Hosts))
		say(", ", "waiting for ", s.waiting)
	case p.running == 0:
		state.Text = processes(total) + " ready"
		state.Short = fmt.Sprintf("%d ready", total)
		detail = append(detail, terminal.Part{Text: "on " + terminal.Count(uint64(len(p.dp.Hosts)), "host"), Rank: terminal.RankDetail, Sep: " "})
	default:
		state.Short = fmt.Sprintf("%d/%d", p.running-p.ended, total)
		state.Text = "running " + state.Short
		if p.stop != "" {
			state.Text = p.stop + " " + state.Short
		}
		state.Text += p.course()
		say(" ", "on ", s.busy)
	}
	for _, step := range s.steps {
		detail = append(detail, terminal.Part{Text: step, Rank: terminal.RankDetail, Sep: ", "})
	}
	state.Rank, state.Sep = terminal.RankState, "  "
	return state, detail
}

// course says which beat a run has come to that has several, and how many of its processes are
// ready of those that are waited for.
func (p *progress) course() string {
	text := ""
	if p.beats > 1 {
		text = fmt.Sprintf(", beat %d of %d", p.beat+1, p.beats)
		if groups := p.groups(); groups != "" {
			text += " (" + groups + ")"
		}
	}
	if p.usable < p.waited {
		text += fmt.Sprintf(", %d/%d ready", p.usable, p.waited)
	}
	return text
}

// groups names a few of those whose processes begin on the beat.
func (p *progress) groups() string {
	const most = 3
	var names []string
	for i := range p.dp.Processes {
		if c := &p.dp.Processes[i]; c.Beat == p.beat && c.Group != "" && !slices.Contains(names, c.Group) {
			names = append(names, c.Group)
		}
	}
	if len(names) > most {
		names = append(names[:most], "...")
	}
	return strings.Join(names, " ")
}

// parts name the experiment and its current datapoint.
func (v view) parts(name string) []terminal.Part {
	parts := []terminal.Part{{Text: name, Rank: terminal.RankName}}
	if v.number != "" {
		parts = append(parts, terminal.Part{Text: v.number, Short: v.short, Rank: terminal.RankPlace, Sep: " "})
	}
	if v.values != "" {
		parts = append(parts, terminal.Part{Text: v.values, Rank: terminal.RankDetail, Sep: " "})
	}
	return parts
}

// failures list the datapoints that did not succeed, the latest first.
func (v view) failures() []terminal.Part {
	n := len(v.failed)
	if n == 0 {
		return nil
	}
	const most = 3
	var names []string
	for i := n - 1; i >= 0 && len(names) < most; i-- {
		names = append(names, v.failed[i])
	}
	text := ": " + strings.Join(names, " ")
	if n > most {
		text += " ..."
	}
	return []terminal.Part{
		{Text: terminal.Count(uint64(n), "datapoint") + " did not succeed", Short: fmt.Sprintf("%d did not", n), Rank: terminal.RankFailures, Sep: ", "},
		{Text: text, Rank: terminal.RankNames},
	}
}
