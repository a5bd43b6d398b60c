package experiment

import (
	"slices"

	"downbeat/internal/facts"
	"downbeat/internal/samples"
	"downbeat/internal/streams"
)

// measures makes what the datapoint is judged by.
func (x *expansion) measures() Measures {
	m := Measures{x.windows(), x.metrics(), x.require()}
	for i := range m.Require {
		r := &m.Require[i]
		s, ok := x.file.sampledBy(r.Name)
		if !ok || slices.ContainsFunc(x.file.metrics, func(m *metric) bool { return m.Name == r.Name }) {
			continue
		}
		of := s.metric(r)
		r.Metric = of.Name
		if !slices.ContainsFunc(m.Metrics, func(m Metric) bool { return m.Name == of.Name }) {
			m.Metrics = append(m.Metrics, x.metric(of))
		}
	}
	return m
}

// metrics makes the datapoint's metrics, in the order of the file.
func (x *expansion) metrics() []Metric {
	var metrics []Metric
	for _, m := range x.file.metrics {
		metrics = append(metrics, x.metric(m))
	}
	return metrics
}

func (x *expansion) metric(m *metric) Metric {
	out, data := m.Metric, x.data()
	if m.field != nil {
		out.Field, _ = x.evaluate(m.field, limitKeys, data)
		if out.Field == "" {
			x.fail(m.field, &textError{"template: the result is empty", ""})
		}
	}
	if m.tag != nil {
		out.Tag, _ = x.evaluate(m.tag, limitKeys, data)
	}
	for _, v := range m.where {
		value, _ := x.evaluate(v.value, limitKeys, data)
		out.Where = append(out.Where, Condition{v.key, value})
	}
	if m.pattern != nil {
		if s, ok := x.evaluate(m.pattern, limitKeys, data); ok {
			var err error
			if out.Pattern, err = compilePattern(s, m.Inner()); err != nil {
				x.fail(m.pattern, err)
			}
		}
	}
	if out.Program = x.program(&m.judge); out.Program != nil {
		out.Definition = out.Program.definition(out.Definition)
		return out
	}
	out.Sources = x.sources(m)
	return out
}

// output is the stream that is searched where no file is.
func (m *metric) output() streams.Stream {
	if m.stream == streams.Stderr.String() {
		return streams.Stderr
	}
	return streams.Stdout
}

// sources finds the streams or the files of a metric. Files that several processes
// of a host name alike are one source.
func (x *expansion) sources(m *metric) []Source {
	type key struct{ host, file string }
	var sources []Source
	known := make(map[key]int)
	for _, p := range x.all {
		if len(m.groups) > 0 && !slices.Contains(m.groups, p.Group) || len(m.hosts) > 0 && !slices.Contains(m.hosts, p.Host) {
			continue
		}
		if q := samples.QuantityOf(m.Sample); q != nil && q.OfHost {
			if !slices.ContainsFunc(sources, func(s Source) bool { return s.Host == p.Host }) {
				sources = append(sources, Source{Host: p.Host})
			}
			continue
		}
		if m.file == nil {
			sources = append(sources, Source{Host: p.Host, Process: p.Name, Stream: m.output()})
			continue
		}
		at := key{p.Host, x.glob(m.file, p)}
		i, ok := known[at]
		if !ok {
			i = len(sources)
			known[at] = i
			sources = append(sources, Source{Host: at.host, File: at.file})
		}
		sources[i].Named = append(sources[i].Named, p.Name)
		if m.anybodys() && len(x.file.Groups) > 1 && !slices.Contains(sources[i].Groups, p.Group) {
			sources[i].Groups = append(sources[i].Groups, p.Group)
		}
	}
	return sources
}

func (x *expansion) glob(t *text, p *placed) string {
	x.self = p
	defer func() { x.self = nil }()
	glob, ok := x.evaluate(t, allKeys, p.data)
	if !ok {
		return ""
	}
	if err := checkGlob(glob); err != nil {
		x.fail(t, err)
	}
	return glob
}

// require makes the datapoint's requirements. Of an empty group there is nothing to
// measure, and so nothing is required.
func (x *expansion) require() []Requirement {
	var requirements []Requirement
	for _, r := range x.file.require {
		if group, ok := SkewOf(r.name); ok && len(x.group(group)) == 0 {
			continue
		}
		if slices.ContainsFunc(x.file.metrics, func(m *metric) bool {
			return m.Name == r.name && len(m.groups) > 0 && len(x.occupied(m.groups)) == 0
		}) {
			continue
		}
		if p := x.program(&r.judge); p != nil {
			requirements = append(requirements, Requirement{Name: r.name, Text: p.String(), Program: p, Definition: p.definition(hashOf(r.command.sources()))})
			continue
		}
		s, ok := x.evaluate(r.text, limitKeys, x.data())
		if !ok {
			continue
		}
		if row, _ := facts.RowOf(r.name); r.fact && row.Text != nil {
			requirements = allow(requirements, r.name, s)
			continue
		}
		if of, ok := x.file.sampledBy(r.name); ok && of.group != "" && len(x.group(of.group)) == 0 {
			continue
		}
		parsed, err := x.file.parseRequirement(r.name, s)
		if err != nil {
			x.fail(r.text, err)
		}
		parsed.Fact = r.fact
		requirements = append(requirements, parsed)
	}
	return requirements
}

// allow adds a text to those that a fact of the hosts may be.
func allow(requirements []Requirement, name, text string) []Requirement {
	if n := len(requirements); n > 0 && requirements[n-1].Name == name {
		r := &requirements[n-1]
		r.Allowed, r.Text = append(r.Allowed, text), r.Text+" or "+text
		return requirements
	}
	return append(requirements, Requirement{Name: name, Fact: true, Allowed: []string{text}, Text: text})
}
