package experiment

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"
)

// An evaluator executes the file's templates for one run of a datapoint. Each is
// compiled once, and an error is reported once.
type evaluator struct {
	*report
	*calls
	point    Point
	compiled map[*text]*template.Template
	failed   map[*text]bool
	funcs    template.FuncMap
}

func newEvaluator(f *File, r *report, run string, p Point) *evaluator {
	c := &calls{
		hints: r, file: f, run: run, params: f.parameters(), hosts: make(map[string]Host, len(f.Hosts)),
		groups: make([][]*placed, len(f.Groups)), byName: make(map[string][]*placed),
	}
	for _, h := range f.Hosts {
		c.hosts[h.Name] = h
	}
	return &evaluator{report: r, calls: c, point: p, compiled: make(map[*text]*template.Template), failed: make(map[*text]bool), funcs: c.functions()}
}

// blame adds the datapoint's parameters to each error.
func (e *evaluator) blame() {
	if len(e.point.Parameters) == 0 {
		return
	}
	for _, wrong := range e.errors {
		wrong.Message += fmt.Sprintf(" (with %s)", e.point)
	}
}

// data holds the keys that templates can use before there are processes.
func (e *evaluator) data() map[string]any {
	data := map[string]any{
		"run": e.run, "experiment": e.file.Name,
		"datapoint": e.point.Index, "repetition": e.point.Repetition, "attempt": max(e.point.Attempt, 1),
	}
	for _, p := range e.point.Parameters {
		data[p.Name] = p.Value
	}
	return data
}

// dataOn is data with what is known of a host.
func (e *evaluator) dataOn(host, address string) map[string]any {
	data := e.data()
	data["host"], data["address"] = host, address
	e.file.addVariables(data, host)
	return data
}

// limit gives the duration of a text, or 0 if t is nil or wrong.
func (e *evaluator) limit(t *text, zero bool, keys []string, data map[string]any) time.Duration {
	if t == nil {
		return 0
	}
	s, ok := e.evaluate(t, keys, data)
	if !ok {
		return 0
	}
	d, err := parseDuration(strings.TrimSpace(s), zero)
	if err != nil {
		e.fail(t, err)
	}
	return d
}

// evaluate executes a text for one process. A template that has failed is reported
// once and not tried for other processes.
func (e *evaluator) evaluate(t *text, keys []string, data map[string]any) (string, bool) {
	if t.constant() {
		return t.src, true
	}
	if e.failed[t] {
		return "", false
	}
	tmpl, ok := e.compiled[t]
	if !ok {
		var err error
		if tmpl, err = t.compile(e.funcs, vocabulary{keys: slices.Concat(e.file.known(keys), e.params), variables: e.file.variables}); err != nil {
			e.fail(t, err)
			return "", false
		}
		e.compiled[t] = tmpl
	}
	e.lists = nil
	s, err := execute(tmpl, data)
	if err != nil {
		e.fail(t, e.lacking(err, data))
		return "", false
	}
	return s, true
}

// lacking says which host lacks a variable.
func (e *evaluator) lacking(err error, data map[string]any) error {
	missing, ok := errors.AsType[*missingKey](err)
	if !ok || !slices.Contains(e.file.variables, missing.key) {
		return err
	}
	where := "a host of this list"
	if _, has := data[missing.key]; !has {
		where = fmt.Sprintf("host %v", data["host"])
	}
	return &textError{fmt.Sprintf("template: %s has no .%s", where, missing.key), fmt.Sprintf("{{index . %q}} is empty without it", missing.key)}
}

// fail reports what is wrong with a text, once.
func (e *evaluator) fail(t *text, err error) {
	if !e.failed[t] {
		e.failed[t] = true
		e.problem(t, err)
	}
}
