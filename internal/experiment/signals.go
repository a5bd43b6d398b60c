package experiment

import (
	"fmt"
	"slices"
	"strings"

	"downbeat/internal/message"
)

// notEnding are the signals that end no process that does not handle them.
var notEnding = []string{"CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "WINCH"}

// aSignal is the name of a signal, or a template that gives it. With ending, one that
// can end a process.
func aSignal(ending bool, keys []string) shape[*text] {
	return shape[*text]{"signal, or template", schema{"type": "string", "pattern": `^(SIG)?[A-Za-z0-9]+$|` + templatePattern, "examples": []string{"INT", "KILL"}}, func(v value) *text {
		t := templateOf(keys).read(v)
		if t != nil && t.constant() {
			if _, err := parseSignal(t.src, ending); err != nil {
				v.in.problem(t, err)
				return nil
			}
		}
		return t
	}}
}

// parseSignal gives the name of a signal as messages have it: in capitals, without SIG.
func parseSignal(s string, ending bool) (string, error) {
	name := strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(s)), "SIG")
	switch {
	case message.CheckSignal(name) != nil:
		hint := "such as TERM, INT, HUP or KILL"
		if near := nearest(name, message.Signals()); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return "", &textError{fmt.Sprintf("%q is not the name of a signal", s), hint}
	case ending && slices.Contains(notEnding, name):
		return "", &textError{name + " does not end a process", "such as TERM, INT, HUP or KILL"}
	}
	return name, nil
}

// signal gives the name of the signal that a text names; empty after an error.
func (e *evaluator) signal(t *text, ending bool, keys []string, data map[string]any) string {
	s, ok := e.evaluate(t, keys, data)
	if !ok {
		return ""
	}
	name, err := parseSignal(s, ending)
	if err != nil {
		e.fail(t, err)
	}
	return name
}

// An ending says how the processes of a group are stopped.
type ending struct {
	signal *text // nil: TERM
	grace  *text // nil: that of the stop
}

// expandEnding is how a process is stopped; nil: as the run's are.
func (x *expansion) expandEnding(e *ending, p *placed) *message.CommandStop {
	if e == nil || e.signal == nil && e.grace == nil {
		return nil
	}
	made := &message.CommandStop{}
	if e.signal != nil {
		made.Signal = x.signal(e.signal, true, allKeys, p.data)
	}
	if e.grace != nil {
		ms := x.limit(e.grace, zeroToo, allKeys, p.data).Milliseconds()
		made.GraceMS = &ms
	}
	return made
}

// maxRestarts is how often a process can begin anew.
const maxRestarts = message.MaxLives - 1

// A restart says after which ends a process begins anew.
type restart struct {
	on     message.RestartOn
	atMost *text
	wait   *text
}

func (x *expansion) expandRestart(r *restart, p *placed) *message.Restart {
	if r == nil {
		return nil
	}
	return &message.Restart{
		On: r.on, AtMost: x.number(r.atMost, maxRestarts, allKeys, p.data), WaitMS: x.limit(r.wait, zeroToo, allKeys, p.data).Milliseconds(),
	}
}
