package campaign

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// play plays a script against a campaign: on each line an input, "->", and the effects
// that come of it, in virtual time. The inputs are
//
//	begin
//	made [NUMBER]                  the run that was asked for: r1, r2, ... in their order
//	not made
//	ended RUN OUTCOME
//	over RUN OUTCOME [HOST: REASON]   with what a host refused with
//	over RUN error
//	interrupt
//	+DURATION                      time passes
//
// After the effects comes "wait DURATION", if the campaign wants to be called then.
func play(t *testing.T, config Config, script string) {
	t.Helper()
	p := &player{campaign: New(config), now: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)}
	var got, want []string
	for line := range strings.Lines(script) {
		input, effects, ok := strings.Cut(line, "->")
		if !ok {
			continue // empty
		}
		input = strings.TrimSpace(input)
		want = append(want, input+" -> "+strings.TrimSpace(effects))
		got = append(got, input+" -> "+p.step(t, input))
	}
	if got, want := strings.Join(got, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

type player struct {
	campaign *Campaign
	now      time.Time
	asked    Attempt
	runs     int
}

func (p *player) step(t *testing.T, text string) string {
	t.Helper()
	var said []string
	for _, e := range p.campaign.Step(p.now, p.input(t, text)) {
		if asked, ok := e.(Make); ok {
			p.asked = asked.Attempt
		}
		said = append(said, describe(e))
	}
	if next := p.campaign.Next(); !next.IsZero() {
		said = append(said, fmt.Sprintf("wait %s", next.Sub(p.now)))
	}
	return strings.Join(said, "; ")
}

var errDisk = errors.New("disk full")

func (p *player) input(t *testing.T, text string) Input {
	t.Helper()
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "begin":
		return Begin{}
	case "made":
		p.runs++
		number := p.asked.Try
		if rest != "" {
			_, _ = fmt.Sscan(rest, &number)
		}
		return Made{Attempt: p.asked, Run: fmt.Sprintf("r%d", p.runs), Number: number}
	case "not":
		return NotMade{errDisk}
	case "ended":
		run, how, _ := strings.Cut(rest, " ")
		return Ended{run, outcome.Run(how)}
	case "over":
		run, how, _ := strings.Cut(rest, " ")
		if how == "error" {
			return Over{Run: run, Err: errDisk}
		}
		return Over{Run: run, Record: p.record(how)}
	case "interrupt":
		return Interrupt{}
	}
	passed, err := time.ParseDuration(strings.TrimPrefix(word, "+"))
	if err != nil {
		t.Fatalf("what is %q?", text)
	}
	p.now = p.now.Add(passed)
	return nil
}

// record gives the record of a run that ends now. Without a host in text, alpha refuses
// for a reason of its own each time.
func (p *player) record(text string) results.Record {
	word, refusal, ok := strings.Cut(text, " ")
	if outcome.Run(word) != outcome.RunRefused {
		return results.Record{Outcome: outcome.Run(word), ReleasedAt: p.now.Add(-time.Second), EndedAt: p.now}
	}
	if !ok {
		refusal = "alpha: " + strings.Repeat("x", p.runs)
	}
	return refusedBy(refusal)
}

func describe(e Effect) string {
	switch e := e.(type) {
	case Make:
		if e.Try == 1 {
			return fmt.Sprintf("make %d", e.Point.Index)
		}
		return fmt.Sprintf("make %d try %d since %s", e.Point.Index, e.Try, e.Since)
	case Open:
		return "open " + e.Run
	case GiveUp:
		return "give up " + e.Run
	case Stop:
		return "stop " + e.Run
	case Report:
		if e.Err != nil {
			return "report " + e.Run + " " + e.Err.Error()
		}
		return fmt.Sprintf("report %s %s", e.Run, e.Record.Outcome)
	case Retry:
		return fmt.Sprintf("retry %d of %d", e.Attempt, e.Of)
	case Pause:
		return fmt.Sprintf("pause %s before %d", e.For, e.Point.Index)
	case Finish:
		return "finish " + describeResult(e.Result)
	}
	return "nothing known"
}

func describeResult(r Result) string {
	text := fmt.Sprintf("%d/%d", r.Succeeded(), r.Total)
	if len(r.Failures) > 0 {
		text += fmt.Sprintf(", %d failed", len(r.Failures))
	}
	if r.Left() > 0 {
		text += fmt.Sprintf(", %d left", r.Left())
	}
	if r.Stopped.Reason != NotStopped {
		text += ": " + r.Stopped.Reason.String()
	}
	if r.Interrupted {
		text += ": interrupted"
	}
	if r.Err != nil {
		text += ": " + r.Err.Error()
	}
	return text
}

// points gives that many datapoints, which differ in n.
func points(n int) List {
	var list List
	for i := range n {
		list = append(list, experiment.Point{Index: i + 1, Repetition: 1, Parameters: []experiment.Parameter{{Name: "n", Value: i + 1}}})
	}
	return list
}
