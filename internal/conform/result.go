package conform

import (
	"errors"
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
)

// An Outcome is how a case ended.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
	// Known: it failed, and was expected to.
	Known Outcome = "known failure"
	// Mended: it was expected to fail, and did not.
	Mended Outcome = "ok, not a known failure any more"
)

// A Result is how a case went.
type Result struct {
	Name    string  `json:"case"`
	Shows   string  `json:"shows"`
	Outcome Outcome `json:"outcome"`
	// Reason says why the case was skipped.
	Reason string `json:"reason,omitempty"`
	// Broken are the rules that were broken, the first one first.
	Broken []Broken `json:"broken,omitempty"`
	// Stderr is the end of what the subject wrote to standard error, of a case that
	// failed.
	Stderr []string `json:"stderr,omitempty"`
	TookMS int64    `json:"took_ms"`
}

// Broken is a rule that was broken, with the messages around the one that broke it.
type Broken struct {
	Rule     Rule     `json:"rule"`
	Text     string   `json:"text"`
	Messages []string `json:"messages,omitempty"`
}

const (
	// mostBroken is how many broken rules are told of a case.
	mostBroken = 5
	// before and after are how many messages are shown around the one in question.
	before, after = 6, 2
)

// result judges the conversation, and puts together what is told of the case.
func (s *stage) result(c *Case, err error) Result {
	r := Result{Name: c.Name, Shows: c.Shows, Outcome: OK, TookMS: time.Since(s.began).Milliseconds()}
	messages := s.trace.Messages()
	var found []Violation
	var broken *failure
	switch {
	case errors.Is(err, errSkip):
		r.Outcome, r.Reason = Skipped, strings.TrimPrefix(err.Error(), errSkip.Error()+": ")
		return r
	case errors.As(err, &broken):
		found = append(found, Violation{broken.rule, broken.text, -1})
	case err != nil:
		found = append(found, Violation{RuleCase, err.Error(), -1})
	}
	found = append(s.judge(messages), found...)
	for _, v := range found {
		b := Broken{v.Rule, message.Clean(v.Text), s.around(messages, v.At)}
		known := func(o Broken) bool { return o.Rule == b.Rule && o.Text == b.Text }
		if len(r.Broken) < mostBroken && !slices.ContainsFunc(r.Broken, known) {
			r.Broken = append(r.Broken, b)
		}
	}
	if len(found) > 0 {
		r.Outcome = Failed
		for _, t := range s.stderrs {
			for _, line := range t.lines(10) {
				r.Stderr = append(r.Stderr, message.Clean(line))
			}
		}
	}
	return r
}

// judge holds the conversation against the rules for the subject's role. What a case
// says has not come about is told last: a broken rule is mostly why.
func (s *stage) judge(messages []Message) []Violation {
	if s.key == nil {
		return nil
	}
	if s.kit.Role == Worker {
		return judgeWorker(look(messages, nil), s.namespace, s.host)
	}
	return judgePublisher(look(messages, s.public()), s.namespace, s.skew, s.tolerance)
}

// around describes the messages around one of the trace, or the last ones.
func (s *stage) around(messages []Message, at int) []string {
	if at < 0 {
		at = len(messages) - 1
	}
	var lines []string
	for i := max(at-before, 0); i < min(at+after+1, len(messages)); i++ {
		line := messages[i].Describe(s.began)
		if i == at {
			line += "   <=="
		}
		lines = append(lines, line)
	}
	return lines
}

// Expect applies a list of known failures to a result.
func (r *Result) Expect(known []string) {
	if !slices.Contains(known, r.Name) {
		return
	}
	switch r.Outcome {
	case Failed:
		r.Outcome = Known
	case OK:
		r.Outcome = Mended
	case Skipped, Known, Mended:
	}
}
