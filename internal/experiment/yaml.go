package experiment

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What the YAML parser is given. Its time and memory grow with the square of
// the width and depth of the text, so that both are bounded before it starts.
const (
	maxYAMLSource = 1 << 20
	maxYAMLTokens = 50_000
	maxYAMLIndent = 400
)

// parseYAML makes the tree of a YAML text, or reports why it can't.
func parseYAML(r *report, data []byte) *node {
	doc := r.yamlDocument(data)
	if doc == nil {
		return nil
	}
	p := &yamlParser{report: r, anchors: make(map[string]ast.Node)}
	n := p.value(doc, 0)
	if len(r.errors) > 0 {
		return nil
	}
	return n
}

// yamlDocument gives the root of the text's only document.
func (r *report) yamlDocument(data []byte) (root ast.Node) {
	// The parser is somebody else's and reads what anybody may have typed.
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
	tokens := lexer.Tokenize(string(data))
	if !r.yamlBounds(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.yamlSyntax(data, err)
		return nil
	}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.DirectiveType {
			continue
		}
		if root != nil {
			r.add(place(doc.Body), "", "write one file for each experiment", "a second document")
			return nil
		}
		root = doc.Body
	}
	if root == nil {
		r.add(pos{}, "", "docs/file.md says what goes into it", "the file is empty")
	}
	return root
}

// yamlBounds reports whether the parser can be trusted with the tokens.
func (r *report) yamlBounds(tokens token.Tokens) bool {
	flow, inline := 0, 0
	for i, t := range tokens {
		at := pos{t.Position.Line, t.Position.Column}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			inline++
		default:
			inline = 0
		}
		first := i == 0 || tokens[i-1].Position.Line != t.Position.Line
		if flow > maxDepth || inline > maxDepth || first && flow == 0 && at.column > maxYAMLIndent {
			r.tooMuch(at, maxDepth+1)
			return false
		}
		if i >= maxYAMLTokens {
			r.add(at, "", "write large files as JSON", "more than %d parts of YAML", maxYAMLTokens)
			return false
		}
	}
	return true
}

func (r *report) yamlSyntax(data []byte, err error) {
	syntax, ok := errors.AsType[*yaml.SyntaxError](err)
	if !ok {
		r.add(pos{}, "", "", "not YAML: %v", err)
		return
	}
	at, hint := pos{}, ""
	if t := syntax.GetToken(); t != nil && t.Position != nil {
		at = pos{t.Position.Line, t.Position.Column}
		lines := bytes.Split(data, []byte("\n"))
		if at.line >= 1 && at.line <= len(lines) {
			hint = yamlHint(string(lines[at.line-1]))
		}
	}
	r.add(at, "", hint, "not YAML: %s", syntax.Message)
}

// yamlHint recognises on the line of an error what people trip over.
func yamlHint(line string) string {
	_, value, _ := strings.Cut(line, ":")
	switch value = strings.TrimSpace(value); {
	case strings.HasPrefix(value, "{{"):
		return "put a value that starts with {{ in quotes"
	case strings.Contains(line, "\t"):
		return "YAML is indented by spaces, not by tabs"
	case strings.Contains(value, ": ") && !strings.ContainsAny(value[:1], "{[\"'"):
		return `put a value that contains ": " in quotes`
	}
	return ""
}

type yamlParser struct {
	*report
	anchors map[string]ast.Node
	open    []string // anchors whose values are being read
	nodes   int
}

func (p *yamlParser) value(n ast.Node, depth int) *node {
	out := &node{pos: place(n)}
	if len(p.errors) > 0 {
		return out // one is enough: what follows may come of it
	}
	if p.nodes++; p.nodes > maxNodes || depth > maxDepth {
		p.tooMuch(out.pos, depth)
		return out
	}
	switch n := n.(type) {
	case nil, *ast.NullNode:
	case *ast.BoolNode:
		out.kind, out.text = boolNode, n.Token.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = numberNode, n.GetToken().Value
	case *ast.StringNode:
		out.kind, out.text = stringNode, n.Value
	case *ast.LiteralNode:
		out.kind, out.text = stringNode, n.Value.Value
	case *ast.SequenceNode:
		out.kind = listNode
		for _, item := range n.Values {
			out.items = append(out.items, p.value(item, depth+1))
		}
	case *ast.MappingNode:
		p.mapping(out, n.Values, depth)
	case *ast.MappingValueNode:
		p.mapping(out, []*ast.MappingValueNode{n}, depth)
	default:
		return p.reference(n, out, depth)
	}
	return out
}

// reference reads the nodes that stand for others: anchors, aliases, tags.
func (p *yamlParser) reference(n ast.Node, out *node, depth int) *node {
	switch n := n.(type) {
	case *ast.AnchorNode:
		name := n.Name.GetToken().Value
		p.anchors[name] = n.Value
		p.open = append(p.open, name)
		out = p.value(n.Value, depth+1)
		p.open = p.open[:len(p.open)-1]
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		target, ok := p.anchors[name]
		if !ok || slices.Contains(p.open, name) {
			p.add(out.pos, "", "an alias comes after its anchor", "alias *%s has no anchor", name)
			return out
		}
		out = p.value(target, depth+1)
	case *ast.TagNode:
		if n.Start.Value != "!!str" {
			p.add(out.pos, "", "", "tag %s is not supported", n.Start.Value)
			return out
		}
		out = p.value(n.Value, depth+1)
		if out.kind != listNode && out.kind != mapNode {
			out.kind = stringNode
		}
	default:
		p.add(out.pos, "", "", "%s is not supported here", strings.ToLower(fmt.Sprint(n.Type())))
	}
	return out
}

// mapping reads pairs; what "<<" merges comes last and never overrides.
func (p *yamlParser) mapping(out *node, values []*ast.MappingValueNode, depth int) {
	out.kind = mapNode
	var merged []ast.Node
	own := make(map[string]bool)
	for _, v := range values {
		if v.Key.IsMergeKey() {
			merged = append(merged, v.Value)
			continue
		}
		key := p.key(v.Key, depth)
		own[key.text] = true
		out.pairs = append(out.pairs, pair{key.text, key.pos, p.value(v.Value, depth+1)})
	}
	if len(out.pairs) > 0 {
		out.pos = out.pairs[0].pos
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

func (p *yamlParser) key(k ast.MapKeyNode, depth int) *node {
	if explicit, ok := k.(*ast.MappingKeyNode); ok {
		return p.scalarKey(p.value(explicit.Value, depth+1))
	}
	return p.scalarKey(p.value(k, depth+1))
}

func (p *yamlParser) scalarKey(n *node) *node {
	switch n.kind {
	case listNode, mapNode:
		p.add(n.pos, "", "", "a key must be a string, not %s", n.kind)
	case nullNode:
		n.text = "null"
	default: // a scalar's text
	}
	return n
}

// place gives where a node of the parser begins.
func place(n ast.Node) pos {
	if n == nil {
		return pos{}
	}
	t := n.GetToken()
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		t = m.Values[0].Key.GetToken()
	}
	if t == nil || t.Position == nil {
		return pos{}
	}
	return pos{t.Position.Line, t.Position.Column}
}
