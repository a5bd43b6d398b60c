package experiment

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// parseJSON reads legal JSON in full, which YAML parsers don't: tabs, \/ and
// surrogate pairs are only some of the differences.
func parseJSON(r *report, data []byte) *node {
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		r.jsonSyntax(data, err)
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	p := &jsonParser{report: r, data: data, dec: dec, cursor: newCursor(data)}
	n := p.value(0)
	if len(r.errors) > 0 {
		return nil
	}
	return n
}

func (r *report) jsonSyntax(data []byte, err error) {
	at, hint := pos{}, ""
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset := max(int(syntax.Offset)-1, 0)
		if int(syntax.Offset) >= len(data) && strings.Contains(err.Error(), "unexpected end") {
			offset = len(data)
		}
		at = newCursor(data).pos(offset)
		hint = jsonHint(data, offset, err.Error())
	}
	r.add(at, "", hint, "not JSON: %v", err)
}

// jsonHint recognises common mistakes.
func jsonHint(data []byte, offset int, message string) string {
	if offset >= len(data) {
		return "a bracket or a quote is not closed"
	}
	before := bytes.TrimRight(data[:offset], " \t\r\n")
	switch c := data[offset]; {
	case (c == '}' || c == ']') && bytes.HasSuffix(before, []byte(",")):
		return "remove the comma before it"
	case c == '#' || c == '/':
		return "JSON has no comments; YAML has"
	case c == '\'':
		return `JSON strings are in double quotes`
	case c == '"' && (strings.Contains(message, "key:value pair") || strings.Contains(message, "array element")):
		return "is there a comma missing before it?"
	}
	return ""
}

type jsonParser struct {
	*report
	data   []byte
	dec    *json.Decoder
	cursor *cursor
	nodes  int
}

// next gives the next token and its place. The syntax has been checked.
func (p *jsonParser) next() (json.Token, pos, []byte) {
	start := int(p.dec.InputOffset())
	for start < len(p.data) && strings.IndexByte(" \t\r\n,:", p.data[start]) >= 0 {
		start++
	}
	t, err := p.dec.Token()
	if err != nil {
		panic("experiment: checked JSON does not parse: " + err.Error())
	}
	return t, p.cursor.pos(start), p.data[start:p.dec.InputOffset()]
}

func (p *jsonParser) value(depth int) *node {
	t, at, raw := p.next()
	n := &node{pos: at}
	if p.nodes++; p.nodes > maxNodes || depth > maxDepth {
		// The rest is left unread: the error below ends it all.
		if len(p.errors) == 0 {
			p.tooMuch(at, depth)
		}
		return n
	}
	switch t := t.(type) {
	case json.Delim:
		p.compound(n, t, depth)
	case string:
		n.kind, n.text = stringNode, t
		p.checkSurrogates(at, t, raw)
	case json.Number:
		n.kind, n.text = numberNode, t.String()
	case bool:
		n.kind, n.text = boolNode, string(raw)
	}
	return n
}

func (p *jsonParser) compound(n *node, open json.Delim, depth int) {
	n.kind = listNode
	if open == '{' {
		n.kind = mapNode
	}
	for p.dec.More() && len(p.errors) == 0 {
		if n.kind == listNode {
			n.items = append(n.items, p.value(depth+1))
			continue
		}
		key, at, raw := p.next()
		p.checkSurrogates(at, key.(string), raw)
		n.pairs = append(n.pairs, pair{key: key.(string), pos: at, value: p.value(depth + 1)})
	}
	if len(p.errors) == 0 {
		p.next() // the closing bracket
	}
}

// checkSurrogates refuses half of a surrogate pair, such as \ud83d alone.
// encoding/json would silently replace it by U+FFFD.
func (p *jsonParser) checkSurrogates(at pos, value string, raw []byte) {
	if !strings.ContainsRune(value, utf8.RuneError) || bytes.ContainsRune(raw, utf8.RuneError) {
		return
	}
	if !bytes.Contains(bytes.ToLower(raw), []byte(`\ufffd`)) {
		p.add(at, "", "", `a \u escape is half of a surrogate pair, which is not a character`)
	}
}

// tooMuch reports a file with more structure than any experiment needs.
func (r *report) tooMuch(at pos, depth int) {
	if depth > maxDepth {
		r.add(at, "", "", "nested more than %d levels deep", maxDepth)
		return
	}
	r.add(at, "", "", "more than %d values", maxNodes)
}
