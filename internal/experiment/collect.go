package experiment

import (
	"fmt"
	"slices"

	"downbeat/internal/message"
)

// patterns reads a pattern of files to collect, or a list of them.
func (d *decoder) patterns(n *node, path string) []*text {
	if n == nil {
		return nil
	}
	if n.kind != listNode {
		if t := d.pattern(n, path); t != nil {
			return []*text{t}
		}
		return nil
	}
	if len(n.items) == 0 {
		d.add(n.pos, path, "leave it out to collect nothing", "the list is empty")
	}
	var list []*text
	for i, item := range n.items {
		if t := d.pattern(item, fmt.Sprintf("%s[%d]", path, i)); t != nil {
			list = append(list, t)
		}
	}
	return list
}

func (d *decoder) pattern(n *node, path string) *text {
	t := d.text(n, path, limitKeys)
	if t != nil && t.constant() {
		if err := message.CheckPattern(t.src); err != nil {
			d.problem(t, &textError{err.Error(), `such as "*.jsonl" or "logs/**"`})
			return nil
		}
	}
	return t
}

// collect says what is brought home from each host: what the file asks of all,
// and what the groups that have processes there ask for besides.
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

// pattern is empty where it went wrong, or the template leaves nothing.
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
