package experiment

import (
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Text that only a shell would expand is passed on as written. That is worth a
// warning, unless single quotes or a backslash say that it is meant.

var (
	inTemplate = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	home       = regexp.MustCompile(`^~([A-Za-z_][A-Za-z0-9_-]*)?(/|$)`)
	// inherited are variables that people expect to be there.
	inherited = regexp.MustCompile(`\$\{?(PATH|HOME|USER|LOGNAME|PWD|SHELL|HOSTNAME|TMPDIR|LD_LIBRARY_PATH)\b`)
)

// unexpanded gives the first part of a command line that a shell would expand,
// and "" where there is none or the line can't be read.
func unexpanded(line string) string {
	line = inTemplate.ReplaceAllString(line, "x")
	p := syntax.NewParser(syntax.Variant(syntax.LangPOSIX))
	for word, err := range p.WordsSeq(strings.NewReader(line)) {
		if err != nil {
			return ""
		}
		if found := unexpandedPart(line, word.Parts, true); found != "" {
			return found
		}
	}
	return ""
}

func unexpandedPart(line string, parts []syntax.WordPart, bare bool) string {
	for i, part := range parts {
		switch part := part.(type) {
		case *syntax.Lit:
			if found := wildcard(part.Value, i == 0); bare && found != "" {
				return found
			}
		case *syntax.ParamExp:
			if part.Param != nil && part.Param.Value != "" && syntax.ValidName(part.Param.Value) {
				return line[part.Pos().Offset():part.End().Offset()]
			}
		case *syntax.DblQuoted:
			if found := unexpandedPart(line, part.Parts, false); found != "" {
				return found
			}
		default: // single quotes say that it is meant; the rest is an error
		}
	}
	return ""
}

// wildcard finds a pattern in an unquoted part of a word. A question mark in a URL
// is not one.
func wildcard(s string, first bool) string {
	if first && home.MatchString(s) {
		return s
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '*', s[i] == '?' && !strings.Contains(s, "://"):
			return s
		}
	}
	return ""
}

// warnOfLiteral warns about a command line that looks as if a shell would expand
// it.
func warnOfLiteral(in *scope, c *command) {
	if c.shell || c.line == nil {
		return
	}
	if found := unexpanded(c.line.src); found != "" {
		notExpanded(in, c.line, found, "set shell: true to have it expanded, or put it in single quotes to say that it is meant")
	}
}

// warnOfVariables warns about values that look as if a shell would expand them.
func warnOfVariables(in *scope, env []variable) {
	for _, v := range env {
		if v.value == nil {
			continue
		}
		found := inherited.FindString(v.value.src)
		if home.MatchString(v.value.src) {
			found = v.value.src
		}
		if found != "" {
			notExpanded(in, v.value, found, "write the value out, or set it in a command with shell: true")
		}
	}
}

func notExpanded(in *scope, t *text, found, hint string) {
	in.warn(t.at, t.field, hint, "%.60q is passed as written: there is no shell to expand it", found)
}
