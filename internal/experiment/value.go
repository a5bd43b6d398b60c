package experiment

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// str reads a string.
func (d *decoder) str(n *node, path string) (string, bool) {
	if n.kind != stringNode {
		hint := ""
		switch n.kind {
		case numberNode, boolNode:
			hint = "put it in quotes"
		case nullNode:
			hint = `if it is meant to be empty, write ""`
		default: // the type says enough
		}
		d.add(n.pos, path, hint, "must be a string, not %s", n.kind)
		return "", false
	}
	if strings.Contains(n.text, "\x00") {
		d.add(n.pos, path, "", "contains a NUL byte")
		return "", false
	}
	return n.text, true
}

// text reads a string that may be a template of the given keys.
func (d *decoder) text(n *node, path string, keys []string) *text {
	s, ok := d.str(n, path)
	if !ok {
		return nil
	}
	return d.template(n.pos, s, path, keys)
}

// scalar is text for places where a number or a truth value means what was
// written, such as an argument.
func (d *decoder) scalar(n *node, path string, keys []string) *text {
	if n.kind == numberNode || n.kind == boolNode {
		return &text{n.pos, path, n.text}
	}
	return d.text(n, path, keys)
}

// words are what could be a parameter in a template.
var words = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)

func (d *decoder) template(at pos, s, path string, keys []string) *text {
	t := &text{at, path, s}
	if !t.constant() {
		known := slices.Concat(keys, d.file.parameters())
		if d.anyKey {
			known = append(known, words.FindAllString(s, -1)...)
		}
		if _, err := t.compile((*expansion)(nil).functions(), known, d.used); err != nil {
			d.problem(t, err)
			return nil
		}
	}
	return t
}

// problem reports what is wrong with a text.
func (r *report) problem(t *text, err error) {
	hint := ""
	switch e := err.(type) { //nolint:errorlint // both are made here, unwrapped
	case *textError:
		hint = e.hint
	case *wordError:
		hint = e.hint
	}
	r.add(t.at, t.field, hint, "%v", err)
}

func (d *decoder) boolean(n *node, path string) bool {
	if n.kind != boolNode {
		d.add(n.pos, path, "", "must be true or false, not %s", n.kind)
		return false
	}
	return strings.EqualFold(n.text, "true")
}

// duration reads a positive duration, or 0 where that is allowed.
func (d *decoder) duration(n *node, path string, zero bool) time.Duration {
	if n.kind != stringNode {
		d.add(n.pos, path, `such as "10s", "1m30s" or "500ms"`, "must be a duration, not %s", n.kind)
		return 0
	}
	v, err := parseDuration(n.text, zero)
	if err != nil {
		d.problem(&text{n.pos, path, n.text}, err)
	}
	return v
}

// parseDuration reads what durations of the file look like. Jobs carry them in
// milliseconds, so that a finer one would not be what is carried out.
func parseDuration(s string, zero bool) (time.Duration, error) {
	v, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, &textError{strconv.Quote(s) + " is not a duration", `such as "10s", "1m30s" or "500ms"`}
	case v < 0:
		return 0, &textError{s + " is negative", ""}
	case v == 0 && !zero:
		return 0, &textError{"must be longer than 0", ""}
	case v%time.Millisecond != 0:
		return 0, &textError{s + " is finer than a millisecond", ""}
	case v > maxDuration:
		return 0, &textError{s + " is longer than a year", ""}
	}
	return v, nil
}

const maxDuration = 366 * 24 * time.Hour

// count reads a number of processes, or a template that gives it.
func (d *decoder) count(n *node, path string) *text {
	if n.kind != numberNode && n.kind != stringNode {
		d.add(n.pos, path, "", "must be a number, not %s", n.kind)
		return nil
	}
	t := d.scalar(n, path, countKeys)
	if t != nil && t.constant() {
		if _, err := parseCount(t.src); err != nil {
			d.problem(t, err)
		}
	}
	return t
}

func parseCount(s string) (int, error) {
	s = strings.TrimSpace(s)
	n, err := wholeNumber(s)
	switch {
	case err != nil && strings.Trim(s, "0123456789") == "" && s != "", n > MaxProcesses:
		return 0, &textError{s + " processes are too many", "at most " + strconv.Itoa(MaxProcesses)}
	case err != nil:
		return 0, &textError{strconv.Quote(s) + " is not a whole number", ""}
	case n < 1:
		return 0, &textError{"a group has at least one process, not " + s, "remove the group to leave it out"}
	}
	return n, nil
}

// short prints 1h0m0s as 1h.
func short(v time.Duration) string {
	s := v.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
