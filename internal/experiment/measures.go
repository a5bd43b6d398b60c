package experiment

import "slices"

// ParseMeasures parses a file by which existing runs are to be measured: a whole experiment, or
// one with nothing but windows, metrics and requirements. Those are about the hosts, groups,
// actions and parameters of base, which becomes the result; without base, the file must be whole.
func ParseMeasures(from Origin, data []byte, base *File) (*File, error) {
	r := &report{path: from.Path}
	root := parseSource(r, data)
	if err := r.err(); err != nil {
		return nil, err
	}
	if base == nil || root.kind != mapNode || slices.ContainsFunc(root.pairs, func(p pair) bool { return p.key == "hosts" }) {
		return ParseJudges(from, data)
	}
	f := base
	f.Path, f.Source, f.dir, f.Warnings = from.Path, data, from.Dir, nil
	f.windows, f.metrics, f.require = nil, nil, nil
	in := &scope{report: r, file: f, used: make(map[string]bool)}
	measureFields().read(value{node: root, at: root.pos, keys: allKeys, in: in}, f)
	if err := r.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// measureFields are the file's fields that say how runs are measured.
func measureFields() *object[File] {
	names := []string{"$schema", "windows", "metrics", "require"}
	o := &object[File]{}
	for _, f := range fileFields.fields {
		if slices.Contains(names, f.name) {
			o.fields = append(o.fields, f)
		}
	}
	return o
}
