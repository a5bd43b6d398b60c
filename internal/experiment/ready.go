package experiment

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"downbeat/internal/message"
)

// A readiness says how it is seen that a process can be used. One of port, line, http,
// file and run is set.
type readiness struct {
	port, address, line, http, file *text
	status                          int
	run                             *command // nil: none
	within                          *text
	bounded                         bool  // within is given
	every                           *text // nil: it depends
}

// readyKinds are the fields of which one says what is looked for.
var readyKinds = []string{"port", "line", "http", "file", "run"}

// everyRun is how long the worker waits, in milliseconds, before it executes a command
// again that looks whether a process is ready: starting one costs more than a connection.
const everyRun = 250

// exactlyOne takes maps with exactly one of these fields.
func exactlyOne(names ...string) schema {
	var list []schema
	for _, name := range names {
		list = append(list, schema{"required": []string{name}})
	}
	return schema{"oneOf": list}
}

// checkReady checks that one thing is looked for.
func checkReady(v value, r *readiness, given found) {
	kinds := given.among(readyKinds...)
	switch {
	case len(kinds) > 1:
		second, _ := given.get(kinds[1])
		second.wrong("remove one", "it looks for %s and for %s: it can look for one thing", kinds[0], kinds[1])
	case len(kinds) == 0 && !given.meant(readyKinds...):
		v.in.add(v.at, v.path, "port, line, http, file or run", "it does not say what to look for")
	}
	for _, goes := range [][2]string{{"address", "port"}, {"status", "http"}, {"shell", "run"}} {
		if other, ok := given.get(goes[0]); ok && len(kinds) == 1 && kinds[0] != goes[1] {
			other.wrong("remove it", "%s goes with %s", goes[0], goes[1])
		}
	}
	r.bounded = given.has("within")
	if run, ok := given.get("run"); ok && r.run != nil {
		checkLine(run, r.run)
	}
}

// probe binds a field of the command that looks whether a process is ready.
func probe(b binding[command]) binding[readiness] {
	return binding[readiness]{words: b.words, schema: b.schema, read: func(v value, r *readiness) {
		if r.run == nil {
			r.run = newCommand(v)
		}
		b.read(v, r.run)
	}}
}

// checked is a template whose result must be right; what is not a template is checked at once.
func checked(what string, s schema, keys []string, check func(s string) error) shape[*text] {
	return shape[*text]{what, s, func(v value) *text {
		t := v.with(keys).scalar()
		switch {
		case t == nil:
		case t.src == "":
			v.wrong("", "is empty")
			return nil
		case t.constant():
			if err := check(t.src); err != nil {
				v.in.problem(t, err)
				return nil
			}
		}
		return t
	}}
}

var (
	aPort = checked("number, or template", anyOf(
		schema{"type": "integer", "minimum": 1, "maximum": math.MaxUint16}, schema{"type": "string", "pattern": `^[0-9]+$|` + templatePattern},
	), allKeys, checkPort)
	aRegexp = checked("regular expression, or template", nonEmpty, allKeys, checkRegexp)
	lineOf  = checked("regular expression, or template", nonEmpty, limitKeys, checkRegexp)
	aURL    = checked("URL, or template", nonEmpty, allKeys, checkURL)
	aFile   = checked("path, or template", nonEmpty, allKeys, checkRunFile)
)

func checkPort(s string) error {
	if n, err := wholeNumber(strings.TrimSpace(s)); err != nil || n < 1 || n > math.MaxUint16 {
		return &textError{fmt.Sprintf("%q is not a port: a number from 1 to %d", s, math.MaxUint16), ""}
	}
	return nil
}

func checkRegexp(s string) error {
	if _, err := regexp.Compile(s); err != nil {
		return &textError{"not a regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: "), "see https://pkg.go.dev/regexp/syntax"}
	}
	return nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return &textError{fmt.Sprintf("%q is not a URL of a server", s), "such as http://127.0.0.1:8080/health"}
	}
	return nil
}

// checkRunFile reports a file that is not in the run's directory: it may have been left
// by an earlier run.
func checkRunFile(s string) error {
	if err := message.CheckTarget(s); err != nil {
		return &textError{err.Error(), "a file elsewhere may be left from an earlier run"}
	}
	return nil
}

// checkedText executes a template and checks the result; empty after an error.
func (e *evaluator) checkedText(t *text, keys []string, data map[string]any, check func(s string) error) string {
	if t == nil {
		return ""
	}
	s, ok := e.evaluate(t, keys, data)
	if !ok {
		return ""
	}
	if err := check(s); err != nil {
		e.fail(t, err)
		return ""
	}
	return s
}

// expandReady is how it is seen that a process can be used; nil: it can once it has
// started.
func (x *expansion) expandReady(r *readiness, p *placed) *message.Readiness {
	if r == nil {
		return nil
	}
	made := &message.Readiness{
		Line: x.checkedText(r.line, allKeys, p.data, checkRegexp), HTTP: x.checkedText(r.http, allKeys, p.data, checkURL),
		File:     x.checkedText(r.file, allKeys, p.data, checkRunFile),
		WithinMS: x.limit(r.within, notZero, allKeys, p.data).Milliseconds(), EveryMS: x.limit(r.every, notZero, allKeys, p.data).Milliseconds(),
	}
	if r.http != nil {
		made.Status = r.status
	}
	if r.port != nil {
		made.Port, _ = wholeNumber(strings.TrimSpace(x.checkedText(r.port, allKeys, p.data, checkPort)))
		made.Address = x.file.address(p.host) // as .address has it, to which the process binds
		if r.address != nil {
			made.Address, _ = x.evaluate(r.address, allKeys, p.data)
		}
		x.checkPorts(r, made, p)
	}
	if r.run != nil {
		made.Run = x.argv(r.run, allKeys, p.data)
		if r.every == nil {
			made.EveryMS = everyRun
		}
	}
	if r.bounded && x.timeout > 0 && made.Within() >= x.timeout {
		x.fail(r.within, &textError{fmt.Sprintf("%s is not shorter than the timeout of %s", short(made.Within()), short(x.timeout)), ""})
	}
	return made
}

// readyWords says when a process can be used.
func readyWords(r *message.Readiness) string {
	if r == nil {
		return "once it has started"
	}
	return fmt.Sprintf("by %s within %s", r, short(r.Within()))
}

// checkPorts warns about two processes of a host that are ready as soon as the other is.
func (x *expansion) checkPorts(r *readiness, made *message.Readiness, p *placed) {
	key := fmt.Sprintf("%s %s %d", p.Host, made.Address, made.Port)
	if other, ok := x.ports[key]; ok {
		x.warnOf(r.port, "put {{.index}} into it, as in \"{{port .index}}\"", "%s and %s on %s both count as ready when port %d is open", other, p.Name, p.Host, made.Port)
		return
	}
	x.ports[key] = p.Name
}

// checkReadyFiles reports a process that would be ready before it starts, as the file
// that says so is shipped there.
func (x *expansion) checkReadyFiles() {
	for _, p := range x.all {
		if p.Ready == nil || p.Ready.File == "" {
			continue
		}
		if slices.ContainsFunc(x.shipped[p.Host], func(f ShippedFile) bool { return f.Path == p.Ready.File }) {
			x.fail(p.command.ready.file, &textError{fmt.Sprintf("%s is shipped to %s, and so there before the process starts", p.Ready.File, p.Host), "look for a file that the process makes"})
		}
	}
}
