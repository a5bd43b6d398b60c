package experiment

import (
	"slices"

	"downbeat/internal/message"
)

// patterns are those of files to collect.
var patterns = shape[[]*text]{orList("pattern"), orListSchema(nonEmpty), func(v value) (list []*text) {
	items := v.oneOrMany()
	if len(items) == 0 {
		v.wrong("leave it out to collect nothing", "the list is empty")
	}
	for _, item := range items {
		t := item.with(limitKeys).text()
		if t == nil {
			continue
		}
		if t.constant() {
			if err := message.CheckPattern(t.src); err != nil {
				v.in.problem(t, &textError{err.Error(), `such as "*.jsonl" or "logs/**"`})
				continue
			}
		}
		list = append(list, t)
	}
	return list
}}

// collect finds the patterns for each host: those of the file, and those of the
// groups that have processes there.
func (x *expansion) collect() {
	x.collected = make(map[string][]string)
	patterns := make(map[*text]string)
	for _, p := range x.all {
		for _, t := range slices.Concat(x.file.collect, p.command.collect) {
			pattern, known := patterns[t]
			if !known {
				pattern = x.pattern(t)
				patterns[t] = pattern
			}
			if pattern != "" && !slices.Contains(x.collected[p.Host], pattern) {
				x.collected[p.Host] = append(x.collected[p.Host], pattern)
			}
		}
	}
}

// pattern gives a pattern, or "" if its template failed or came out empty.
func (x *expansion) pattern(t *text) string {
	s, ok := x.evaluate(t, limitKeys, x.data())
	if !ok || s == "" {
		return ""
	}
	if err := message.CheckPattern(s); err != nil {
		x.fail(t, &textError{err.Error(), ""})
		return ""
	}
	return s
}
