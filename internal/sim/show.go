package sim

import (
	"fmt"
	"reflect"
	"strings"
)

// String shows a plan to a person.
func (p *Plan) String() string {
	var b strings.Builder
	n := p.Network
	fmt.Fprintf(&b, "network: %s", n.Delay)
	for _, more := range []struct {
		is   bool
		what string
	}{
		{n.Jitter > 0, fmt.Sprintf("+ up to %s", n.Jitter)},
		{n.SlowPercent > 0, fmt.Sprintf("%d%% up to %s", n.SlowPercent, n.Slow)},
		{n.TwicePercent > 0, fmt.Sprintf("%d%% twice", n.TwicePercent)},
		{n.LossPercent > 0, fmt.Sprintf("%d%% lost", n.LossPercent)},
		{n.Ordered, "in order"},
		{p.IdleSteps > 0, fmt.Sprintf("idle steps %d%%", p.IdleSteps)},
	} {
		if more.is {
			fmt.Fprintf(&b, ", %s", more.what)
		}
	}
	for i := range p.Hosts {
		h := &p.Hosts[i]
		fmt.Fprintf(&b, "\nhost %s: clock %s, %d ppm", h.Name, h.Offset, h.Drift)
		if h.Unserved {
			b.WriteString(", unserved")
		}
	}
	for i := range p.Publishers {
		for k := range p.Publishers[i].Runs {
			fmt.Fprintf(&b, "\nrun%d.%d: %s", i+1, k+1, p.Publishers[i].Runs[k].text(p))
		}
	}
	for i := range p.Faults {
		f := &p.Faults[i]
		when := "at " + f.At.String()
		if f.Effect > 0 {
			when = fmt.Sprintf("after effect %d", f.Effect)
		}
		fmt.Fprintf(&b, "\nfault: %s %d %s%s keeps %d%% guard %t run %d", f.Kind, f.Who, when, lasting(f.Lasts), f.Keeps, f.Guard, f.Run+1)
	}
	return b.String()
}

func (r *RunPlan) text(p *Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "lease %s, ready %s, timeout %s, grace %s, stop after %s, when %v, on failure %t, window %d, full after %d, overlaps %t, retry %t, direct %t",
		r.Lease, r.ReadyTimeout, r.Timeout, r.Grace, r.StopAfter, r.StopWhen, r.StopOnFailure, r.Window, r.FullAfter, r.Overlaps, r.Retry, r.Direct)
	for i := range r.Parts {
		part := &r.Parts[i]
		for k := range part.Commands {
			c := &part.Commands[k]
			fmt.Fprintf(&b, "\n  %s %s %s", p.Hosts[part.Host].Name, c.Phase, c.Name)
			if c.Delay > 0 {
				fmt.Fprintf(&b, " delay %s", c.Delay)
			}
			if c.Timeout > 0 {
				fmt.Fprintf(&b, " timeout %s", c.Timeout)
			}
			for _, more := range []any{c.Beat, c.Ready, c.Restart, c.Stop} {
				if v := reflect.ValueOf(more); !v.IsZero() {
					fmt.Fprintf(&b, " %s %+v", strings.ToLower(v.Type().Name()), more)
				}
			}
			fmt.Fprintf(&b, " ok %v %s", c.OKExit, strings.ReplaceAll(fmt.Sprintf("%+v", c.Life), ":false", "-"))
		}
		if len(part.Collect) > 0 {
			fmt.Fprintf(&b, "\n  %s collects %+v", p.Hosts[part.Host].Name, part.Collect)
		}
		if len(part.Ships) > 0 {
			fmt.Fprintf(&b, "\n  %s is shipped %+v", p.Hosts[part.Host].Name, part.Ships)
		}
	}
	for i := range r.Beats {
		if len(r.Beats) > 1 {
			fmt.Fprintf(&b, "\n  beat %d waits for %+v", i, r.Beats[i].After)
		}
	}
	for i := range r.Actions {
		fmt.Fprintf(&b, "\n  action %d: %+v", i, r.Actions[i])
	}
	return b.String()
}
