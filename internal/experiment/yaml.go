package experiment

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// maxYAMLSource bounds the YAML parser's input: it needs some hundred bytes of
// memory for each byte.
const maxYAMLSource = 1 << 20

// yamlVersion is a directive. The parser accepts it only for version 1.1, although
// it reads 1.2. It is replaced by a comment, so that lines keep their numbers.
var yamlVersion = regexp.MustCompile(`\A((?:\x{feff}|[ \t]*#[^\n]*\n|[ \t\r]*\n)*)%(YAML 1\.[0-9]+[ \t\r]*\n)`)

// parserDepth ends the parser's recursion. It is generous: maxDepth is checked when
// the tree is read.
const parserDepth = 2 * maxDepth

// errTooDeep is the error that ends the parser's recursion.
var errTooDeep = errors.New("nested too deep")

// parseYAML makes the tree of a YAML text, or reports why it can't.
func parseYAML(r *report, data []byte) *node {
	doc := r.yamlDocument(data)
	if doc == nil {
		return nil
	}
	p := &yamlParser{report: r}
	n := p.value(doc, 0)
	if len(r.errors) > 0 {
		return nil
	}
	return n
}

// yamlDocument gives the root of the text's only document.
func (r *report) yamlDocument(data []byte) (root *yaml.Node) {
	// The parser is not ours, and may panic on hostile input.
	defer func() {
		if bug := recover(); bug != nil {
			root = nil
			r.add(pos{}, "", "", "not YAML: the parser gave up: %v", bug)
		}
	}()
	if len(data) > maxYAMLSource {
		r.add(pos{}, "", "write large files as JSON", "larger than %d MiB of YAML", maxYAMLSource>>20)
		return nil
	}
	tooDeep := false // the parser's error does not wrap ours
	loader, err := yaml.NewLoader(bytes.NewReader(yamlVersion.ReplaceAll(data, []byte("$1#$2"))), yaml.WithUniqueKeys(false), yaml.WithPlugin(loaderlimits.New(
		loaderlimits.AliasNone(), loaderlimits.DepthFunc(func(depth int, _ *yaml.DepthContext) error {
			if tooDeep = depth > parserDepth; tooDeep {
				return errTooDeep
			}
			return nil
		}))))
	if err != nil {
		r.add(pos{}, "", "", "not YAML: %v", err)
		return nil
	}
	for {
		var doc yaml.Node
		err := loader.Load(&doc)
		switch {
		case errors.Is(err, io.EOF) && root == nil:
			r.add(pos{}, "", "docs/file.md says what goes into it", "the file is empty")
			return nil
		case errors.Is(err, io.EOF):
			return root
		case err != nil:
			r.yamlProblem(data, err, tooDeep)
			return nil
		case emptyDocument(&doc):
		case root != nil:
			r.add(place(doc.Content[0]), "", "write one file for each experiment", "a second document")
			return nil
		default:
			root = doc.Content[0]
		}
	}
}

// emptyDocument reports whether nothing is written between two "---".
func emptyDocument(doc *yaml.Node) bool {
	return len(doc.Content) == 0 || doc.Content[0].Kind == yaml.ScalarNode && doc.Content[0].Style == 0 && doc.Content[0].Value == ""
}

// yamlProblem reports what the parser could not read.
func (r *report) yamlProblem(data []byte, err error, tooDeep bool) {
	e, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		r.add(pos{}, "", "", "not YAML: %v", err)
		return
	}
	at := pos{e.Mark.Line, e.Mark.Column}
	name, isAlias := strings.CutPrefix(e.Message, "unknown anchor '")
	switch {
	case tooDeep:
		r.tooMuch(at, maxDepth+1)
	case isAlias:
		name = strings.TrimSuffix(name, "' referenced")
		r.add(at, "", "an alias comes after its anchor; put a value that starts with * in quotes", "alias *%s has no anchor", name)
	default:
		r.yamlSyntax(strings.Split(string(data), "\n"), e)
	}
}

// yamlSyntax describes a syntax error. For what is never closed, the place where it
// was opened is more useful than the end of the file.
func (r *report) yamlSyntax(lines []string, e *yaml.LoadError) {
	// The parser has no place for what stops it before it reads.
	for i, line := range lines {
		if at := strings.IndexFunc(line, unprintable); at >= 0 && e.Mark.Line == 0 {
			c, _ := utf8.DecodeRuneInString(line[at:])
			r.add(pos{i + 1, utf8.RuneCountInString(line[:at]) + 1}, "", `in double quotes it can be written as an escape, such as "\x1b"`, "the control character %U", c)
			return
		}
	}
	at, message := pos{e.Mark.Line, e.Mark.Column}, e.Message
	if e.ContextMsg != "" {
		message = e.ContextMsg + ": " + message
		atEnd := at.line > len(lines) || at.line == len(lines) && at.column > len([]rune(lines[at.line-1]))
		if atEnd && e.ContextMark.Line > 0 {
			at = pos{e.ContextMark.Line, e.ContextMark.Column}
		}
	}
	hint := ""
	if at.line >= 1 && at.line <= len(lines) {
		hint = yamlHint(lines[at.line-1], at.column)
	}
	r.add(at, "", hint, "not YAML: %s", message)
}

// unprintable matches characters that YAML accepts only as escapes.
func unprintable(c rune) bool {
	return c < ' ' && c != '\t' && c != '\r' || c >= 0x7f && c < 0xa0 && c != 0x85 || c == 0xfffe || c == 0xffff
}

// yamlHint recognises common mistakes on the line of an error.
func yamlHint(line string, column int) string {
	_, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(strings.TrimSpace(value), "- ")
	switch {
	case strings.Contains(line, "{{"):
		return "put a value that contains {{ in quotes"
	case strings.HasPrefix(strings.TrimLeft(line, " "), "\t"), column <= len(line) && column > 0 && line[column-1] == '\t':
		return "YAML is indented with spaces, not tabs"
	case value != "" && strings.ContainsRune("@`%", rune(value[0])):
		return "put a value that starts with " + value[:1] + " in quotes"
	case strings.Contains(value, ": ") && !strings.ContainsAny(value[:1], "{[\"'"):
		return `put a value that contains ": " in quotes`
	}
	return ""
}

type yamlParser struct {
	*report
	open  []*yaml.Node // nodes with anchors whose values are being read
	nodes int
}

func (p *yamlParser) value(n *yaml.Node, depth int) *node {
	out := &node{pos: place(n)}
	if len(p.errors) > 0 {
		return out // one is enough: what follows may come of it
	}
	if p.nodes++; p.nodes > maxNodes || depth > maxDepth {
		p.tooMuch(out.pos, depth)
		return out
	}
	if n.Anchor != "" {
		p.open = append(p.open, n)
		defer func() { p.open = p.open[:len(p.open)-1] }()
	}
	switch n.Kind {
	case yaml.ScalarNode:
		p.scalar(out, n)
	case yaml.SequenceNode:
		p.checkTag(out, n, "!!seq")
		out.kind = listNode
		for _, item := range n.Content {
			out.items = append(out.items, p.value(item, depth+1))
		}
	case yaml.MappingNode:
		p.checkTag(out, n, "!!map")
		p.mapping(out, n.Content, depth)
	case yaml.AliasNode:
		if n.Alias == nil || slices.Contains(p.open, n.Alias) {
			p.add(out.pos, "", "an alias comes after its anchor", "alias *%s is inside its own anchor", n.Value)
			return out
		}
		return p.value(n.Alias, depth+1)
	default:
		p.add(out.pos, "", "", "a value is expected here")
	}
	return out
}

// checkTag refuses an explicit tag that differs from the value's own.
func (p *yamlParser) checkTag(out *node, n *yaml.Node, tag string) {
	if n.Style&yaml.TaggedStyle != 0 && n.Tag != tag && len(p.errors) == 0 {
		p.add(out.pos, "", "", "tag %s is not supported here", n.Tag)
	}
}

// scalar reads a value by the core schema of YAML 1.2 and by JSON's rules: an
// unquoted value that looks like a number is one, whatever the form of its
// exponent.
func (p *yamlParser) scalar(out *node, n *yaml.Node) {
	out.text = n.Value
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	out.kind = stringNode
	if n.Style&(quoted|yaml.TaggedStyle) == 0 {
		out.kind = plainKind(n.Value)
	}
	if n.Style&yaml.TaggedStyle == 0 {
		return
	}
	out.kind = stringNode
	if n.Tag == "!!str" || n.Tag == "!" {
		return
	}
	tags := map[string]kind{"!!null": nullNode, "!!bool": boolNode, "!!int": numberNode, "!!float": numberNode}
	want, ok := tags[n.Tag]
	switch {
	case !ok:
		p.add(out.pos, "", "", "tag %s is not supported", n.Tag)
	case plainKind(n.Value) != want:
		p.add(out.pos, "", "", "%q is not what its tag %s says", n.Value, n.Tag)
	default:
		out.kind = want
	}
}

// plainKind is the kind of an unquoted value.
func plainKind(s string) kind {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return nullNode
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return boolNode
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN":
		return numberNode
	}
	if looksNumeric(s) {
		return numberNode
	}
	return stringNode
}

// yamlNumber is a decimal number of the core schema.
var yamlNumber = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// looksNumeric reports whether the core schema of YAML 1.2 takes s for a number.
func looksNumeric(s string) bool {
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		_, err := strconv.ParseUint(digits, 16, 64)
		return err == nil && !strings.Contains(digits, "_")
	}
	if digits, ok := strings.CutPrefix(s, "0o"); ok {
		_, err := strconv.ParseUint(digits, 8, 64)
		return err == nil && !strings.Contains(digits, "_")
	}
	return yamlNumber.MatchString(s)
}

// mapping reads pairs. Those merged by "<<" come last and never override.
func (p *yamlParser) mapping(out *node, content []*yaml.Node, depth int) {
	out.kind = mapNode
	var merged []*yaml.Node
	own := make(map[string]bool)
	for kv := range slices.Chunk(content, 2) {
		k, v := kv[0], kv[1]
		if k.Kind == yaml.ScalarNode && k.Style == 0 && k.Value == "<<" {
			merged = append(merged, v)
			continue
		}
		key := p.key(k, depth)
		own[key.text] = true
		out.pairs = append(out.pairs, pair{key.text, key.pos, p.value(v, depth+1)})
	}
	for _, m := range merged {
		p.merge(out, own, p.value(m, depth+1))
	}
}

func (p *yamlParser) merge(out *node, own map[string]bool, from *node) {
	if from.kind == listNode {
		for _, item := range from.items {
			p.merge(out, own, item)
		}
		return
	}
	if from.kind != mapNode {
		p.add(from.pos, "", "", "<< merges a map, not %s", from.kind)
		return
	}
	for _, pr := range from.pairs {
		if !own[pr.key] {
			own[pr.key] = true
			out.pairs = append(out.pairs, pr)
		}
	}
}

// key reads the key of a pair, which must be a scalar.
func (p *yamlParser) key(k *yaml.Node, depth int) *node {
	n := p.value(k, depth+1)
	switch n.kind {
	case listNode, mapNode:
		if len(p.errors) == 0 {
			hint := ""
			if k.Style&yaml.FlowStyle != 0 && n.kind == mapNode {
				hint = "put a value that starts with {{ in quotes"
			}
			p.add(n.pos, "", hint, "a key must be a string, not %s", n.kind)
		}
	case nullNode:
		n.text = "null"
	default: // a scalar's text
	}
	return n
}

// place gives where a node begins.
func place(n *yaml.Node) pos {
	if n == nil {
		return pos{}
	}
	return pos{n.Line, n.Column}
}
