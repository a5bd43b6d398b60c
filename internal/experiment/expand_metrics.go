package experiment

import "slices"

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
	out.Sources = x.sources(m)
	return out
}

// sources finds the streams of a metric, or its files: where several processes
// of a host name the same ones, these count once.
func (x *expansion) sources(m *metric) []Source {
	var sources []Source
	known := make(map[Source]bool)
	for _, p := range x.all {
		if len(m.groups) > 0 && !slices.Contains(m.groups, p.Group) || len(m.hosts) > 0 && !slices.Contains(m.hosts, p.Host) {
			continue
		}
		s := Source{Host: p.Host, Process: p.Name, Stderr: m.stream == "stderr"}
		if m.file != nil {
			s = Source{Host: p.Host, File: x.glob(m.file, p)}
		}
		if !known[s] {
			known[s] = true
			sources = append(sources, s)
		}
	}
	return sources
}

func (x *expansion) glob(t *text, p *placed) string {
	glob, ok := x.evaluate(t, allKeys, p.data)
	if !ok {
		return ""
	}
	if err := checkGlob(glob); err != nil {
		x.fail(t, err)
	}
	return glob
}

// require makes the datapoint's requirements.
func (x *expansion) require() []Requirement {
	var requirements []Requirement
	for _, r := range x.file.require {
		s, ok := x.evaluate(r.text, limitKeys, x.data())
		if !ok {
			continue
		}
		parsed, err := parseRequirement(r.name, s)
		if err != nil {
			x.fail(r.text, err)
		}
		requirements = append(requirements, parsed)
	}
	return requirements
}
