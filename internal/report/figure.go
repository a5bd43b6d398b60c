package report

import (
	"fmt"
	"strings"

	"downbeat/internal/terminal"
)

// A figure is one picture and what stands below it.
type figure struct {
	file    string // its name under figures/, without .svg
	title   string
	caption []string // sentences
	x, y    axis
	traces  []trace
	// joined: lines between the points of a trace mean something.
	joined bool
	// plain: the points are single measurements, not medians.
	plain bool
}

// A trace is one series of a figure. Its label is empty where it is the only one.
type trace struct {
	label  string
	points []point
}

// figures makes all pictures of the runs: each metric over each parameter, and the skew in the
// order of the runs.
func figures(runs []*run) []*figure {
	var all []*figure
	good := counted(runs)
	parameters, constant := varying(good)
	for _, metric := range names(runs, func(r *run) []string { return keys(r.record.Metrics) }) {
		with := withMetric(good, metric)
		if len(with) == 0 {
			continue
		}
		over := axes(parameters)
		for _, p := range over {
			all = append(all, overParameter(metric, p, parameters, constant, with, len(good)))
		}
		if len(over) == 0 {
			all = append(all, overOrder(metric, with, len(good)))
		}
	}
	if skew := skewOverOrder(runs); skew != nil {
		all = append(all, skew)
	}
	nameFiles(all)
	return all
}

func withMetric(runs []*run, metric string) []*run {
	var with []*run
	for _, r := range runs {
		if _, ok := r.metrics[metric]; ok {
			with = append(with, r)
		}
	}
	return with
}

// axes are the parameters to plot over: those that are numbers or, if there is none, all.
func axes(all []*parameter) []*parameter {
	var numeric []*parameter
	for _, p := range all {
		if p.numeric {
			numeric = append(numeric, p)
		}
	}
	if len(numeric) == 0 {
		return all
	}
	return numeric
}

// overParameter plots a metric over one parameter, with a trace for each
// combination of the others.
func overParameter(metric string, p *parameter, all []*parameter, constant []string, runs []*run, of int) *figure {
	f := &figure{
		file: metric + "-over-" + p.name, title: metric + " over " + p.name,
		x: parameterAxis(p), y: metricAxis(metric, runs), joined: p.numeric,
	}
	groups := group(runs, p, all)
	quartiles := true
	for _, g := range groups {
		for _, values := range g.values(metric, p) {
			quartiles = quartiles && len(values) >= manyRepetitions
		}
	}
	most := 0
	for _, g := range groups {
		t := trace{label: g.label}
		values := g.values(metric, p)
		for _, value := range p.values {
			if v := values[show(value)]; len(v) > 0 {
				t.points = append(t.points, summarize(p.place(value), v, quartiles))
				most = max(most, len(v))
			}
		}
		f.traces = append(f.traces, t)
	}
	f.caption = append(f.caption, spreadCaption(most, quartiles))
	f.caption = append(f.caption, countCaption(metric, len(runs), of)...)
	f.caption = append(f.caption, foundationCaption(metric, runs)...)
	if len(constant) > 0 {
		f.caption = append(f.caption, strings.Join(constant, ", ")+".")
	}
	f.settle()
	return f
}

func spreadCaption(most int, quartiles bool) string {
	switch {
	case quartiles:
		return "Median of the repetitions; bars over their middle half."
	case most > 1:
		return fmt.Sprintf("Median of up to %d repetitions; bars from the lowest to the highest.", most)
	}
	return "One run for each point."
}

func countCaption(metric string, with, of int) []string {
	text := []string{terminal.Count(uint64(with), "succeeded run") + "."}
	if with < of {
		text = append(text, fmt.Sprintf("In %d more %s was not found.", of-with, metric))
	}
	return text
}

// A cluster is the runs with the same values of all parameters but one.
type cluster struct {
	label string
	runs  []*run
}

// values are the metric's values by that of the parameter.
func (g *cluster) values(metric string, p *parameter) map[string][]float64 {
	by := map[string][]float64{}
	for _, r := range g.runs {
		if value, ok := r.record.Parameters[p.name]; ok {
			by[show(value)] = append(by[show(value)], r.metrics[metric])
		}
	}
	return by
}

// group groups the runs by all parameters but one, in the order of those parameters' values.
func group(runs []*run, but *parameter, all []*parameter) []*cluster {
	groups := []*cluster{{runs: runs}}
	for _, p := range all {
		if p == but {
			continue
		}
		var finer []*cluster
		for _, g := range groups {
			finer = append(finer, g.split(p)...)
		}
		groups = finer
	}
	return groups
}

func (g *cluster) split(p *parameter) []*cluster {
	by := map[string]*cluster{}
	var missing []*run
	for _, r := range g.runs {
		value, ok := r.record.Parameters[p.name]
		if !ok {
			missing = append(missing, r)
			continue
		}
		key := show(value)
		if by[key] == nil {
			by[key] = &cluster{label: join(g.label, p.name+" = "+key)}
		}
		by[key].runs = append(by[key].runs, r)
	}
	var parts []*cluster
	for _, value := range p.values {
		if part := by[show(value)]; part != nil {
			parts = append(parts, part)
		}
	}
	if len(missing) > 0 {
		parts = append(parts, &cluster{label: join(g.label, "no "+p.name), runs: missing})
	}
	return parts
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

// overOrder plots a metric in the order of the runs, if there is nothing else to plot it over.
func overOrder(metric string, runs []*run, of int) *figure {
	f := &figure{file: metric, title: metric + " in the order of the runs", x: orderAxis(len(runs)), y: metricAxis(metric, runs), plain: true}
	var t trace
	for n, r := range runs {
		v := r.metrics[metric]
		t.points = append(t.points, point{x: float64(n + 1), low: v, mid: v, high: v, n: 1})
	}
	f.traces = []trace{t}
	f.caption = append(countCaption(metric, len(runs), of), foundationCaption(metric, runs)...)
	f.settle()
	return f
}

// skewOverOrder plots how far apart the processes of each run started, and the
// hosts stopped, which shows at once whether the machines have drifted.
func skewOverOrder(runs []*run) *figure {
	f := &figure{file: "skew", title: "Start and stop skew in the order of the runs", plain: true}
	start, stop := trace{label: "start skew"}, trace{label: "stop skew"}
	top, n := 0.0, 0
	for _, r := range runs {
		if !r.complete || r.record.ReleasedAt.IsZero() {
			continue
		}
		n++
		start.points = append(start.points, skewPoint(n, r.record.StartSkewUS, r.record.StartBoundUS()))
		top = max(top, start.points[len(start.points)-1].high)
		if r.stopped {
			stop.points = append(stop.points, skewPoint(n, r.record.StopSkewUS, r.record.StopBoundUS()))
			top = max(top, stop.points[len(stop.points)-1].high)
		}
	}
	if n == 0 {
		return nil
	}
	f.traces = []trace{start}
	if len(stop.points) > 0 {
		f.traces = append(f.traces, stop)
	}
	f.x, f.y = orderAxis(n), skewAxis()
	f.scaleSkew(top)
	f.caption = []string{terminal.Count(uint64(n), "run") + " that started, failed ones included.", "Bars: what the error of the clocks leaves open."}
	f.settle()
	return f
}

func skewPoint(n int, skew, err int64) point {
	return point{x: float64(n), low: float64(max(skew-err, 0)), mid: float64(skew), high: float64(skew + err), n: 1}
}

// scaleSkew shows the skew in milliseconds if it is that large.
func (f *figure) scaleSkew(top float64) {
	if top < 5000 {
		return
	}
	f.y.unit = "ms"
	for _, t := range f.traces {
		for i := range t.points {
			p := &t.points[i]
			p.low, p.mid, p.high = p.low/1000, p.mid/1000, p.high/1000
		}
	}
}

// settle fits the axes to the values.
func (f *figure) settle() {
	var ys []float64
	for _, t := range f.traces {
		for _, p := range t.points {
			ys = append(ys, p.low, p.high)
		}
	}
	f.y.fit(ys)
}
