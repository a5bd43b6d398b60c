package experiment

import (
	"errors"
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// A wordError says why a command line can't be split into words.
type wordError struct {
	message string
	hint    string
}

func (e *wordError) Error() string { return e.message }

// splitWords splits a command line into words as a shell does, and does nothing
// else that a shell does: quotes group, a backslash quotes, # begins a comment; $X,
// *, ~ and {a,b} stay unchanged. Syntax that needs a shell, such as | and > and a
// second command line, is an error.
func splitWords(line string) ([]string, error) {
	var words []string
	p, end := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)), uint(0)
	for word, err := range p.WordsSeq(strings.NewReader(line)) {
		if err != nil {
			return nil, wordProblem(line, err)
		}
		if len(words) > 0 && newLine(line[end:word.Pos().Offset()]) {
			return nil, secondLine(line, word.Pos())
		}
		end = word.End().Offset()
		var b strings.Builder
		if err := unquote(&b, line, word.Parts, false); err != nil {
			return nil, err
		}
		words = append(words, b.String())
	}
	return words, nil
}

// newLine reports whether a line ends between two words. A line that ends with a
// backslash continues.
func newLine(between string) bool {
	return strings.Contains(strings.NewReplacer("\\\r\n", "", "\\\n", "").Replace(between), "\n")
}

func secondLine(line string, at syntax.Pos) error {
	rest, _, _ := strings.Cut(line[at.Offset():], "\n")
	return &wordError{
		fmt.Sprintf("line %d of it, %.40q, would be arguments of the first command", at.Line(), strings.TrimSpace(rest)),
		"set shell: true to run a script; to continue one command, end the previous line with a backslash or fold the lines with run: >",
	}
}

// unquote writes the value of a word's parts.
func unquote(b *strings.Builder, line string, parts []syntax.WordPart, quoted bool) error {
	for _, part := range parts {
		source := line[part.Pos().Offset():part.End().Offset()]
		switch part := part.(type) {
		case *syntax.Lit: // its source may be longer: escaped newlines are out
			unescape(b, part.Value, quoted)
		case *syntax.SglQuoted:
			b.WriteString(part.Value)
		case *syntax.DblQuoted:
			if err := unquote(b, line, part.Parts, true); err != nil {
				return err
			}
		case *syntax.ParamExp:
			b.WriteString(source)
		default:
			return &wordError{
				fmt.Sprintf("%s at character %d needs a shell", source, charAt(line, part.Pos())),
				"set shell: true, or put it in single quotes",
			}
		}
	}
	return nil
}

// unescape removes backslashes. Between double quotes they quote only what is
// special there.
func unescape(b *strings.Builder, s string, quoted bool) {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) || quoted && strings.IndexByte("$`\"\\", s[i+1]) < 0 {
			b.WriteByte(s[i])
			continue
		}
		i++
		b.WriteByte(s[i])
	}
}

// wordProblem describes what the shell parser could not read.
func wordProblem(line string, err error) error {
	syntaxErr, ok := errors.AsType[syntax.ParseError](err)
	if !ok {
		return &wordError{err.Error(), "put what is special to a shell in quotes"}
	}
	at, rest := charAt(line, syntaxErr.Pos), ""
	if offset := int(syntaxErr.Pos.Offset()); offset < len(line) {
		rest = line[offset:]
	}
	switch {
	case strings.HasPrefix(rest, "'"), strings.HasPrefix(rest, `"`):
		return &wordError{fmt.Sprintf("the %c at character %d is not closed", rest[0], at), ""}
	case rest != "" && strings.IndexByte("|&;<>()", rest[0]) >= 0:
		return &wordError{
			fmt.Sprintf("%c at character %d needs a shell", rest[0], at),
			"set shell: true, or put it in quotes",
		}
	}
	return &wordError{
		fmt.Sprintf("character %d: %s", at, syntaxErr.Text),
		"put what is special to a shell in single quotes",
	}
}

func charAt(line string, p syntax.Pos) int {
	return len([]rune(line[:min(int(p.Offset()), len(line))])) + 1
}

// quoteWord quotes s so that splitWords and shells read it as one word.
func quoteWord(s string) string {
	plain := strings.IndexFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_./:=@%+,", c)
	}) < 0
	if plain && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
