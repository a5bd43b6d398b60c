package experiment

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode/utf8"
)

// maxText is the longest result of a template, in bytes: Linux takes no longer
// argument.
const maxText = 128 << 10

// maxSteps bounds the loops of all templates of one expansion together.
const maxSteps = 300_000

// A text is a string of the file that may be a template.
type text struct {
	at    pos
	field string
	src   string
}

// constant reports whether the text is the same for every process.
func (t *text) constant() bool { return !strings.Contains(t.src, "{{") }

// A textError is a message for people about a text.
type textError struct{ message, hint string }

func (e *textError) Error() string { return e.message }

// A vocabulary is what a template may name: keys, and what hosts have besides
// their names and addresses.
type vocabulary struct {
	keys, variables []string
	// used takes the keys that occur, unless it is nil. Those of whatever is not the
	// template's own data have a dot before them.
	used map[string]bool
}

// compile parses the template and reports keys that it may not use.
func (t *text) compile(funcs template.FuncMap, v vocabulary) (*template.Template, error) {
	tmpl, err := template.New("t").Option("missingkey=error").Funcs(funcs).Parse(t.src)
	if err != nil {
		return nil, syntaxProblem(t.src, err, funcs)
	}
	if tmpl.Tree == nil { // it defines other templates and nothing else
		return nil, errDefine
	}
	c := &compiler{vocabulary: v, step: stepNode(funcs), text: textCommand(funcs)}
	c.list(tmpl.Root, true)
	if c.err == nil && len(tmpl.Templates()) > 1 {
		c.err = errDefine
	}
	return tmpl, c.err
}

var errDefine = &textError{"define, template and block are not supported", ""}

var undefined = regexp.MustCompile(`function "([^"]*)" not defined`)

// syntaxProblem describes what text/template could not parse.
func syntaxProblem(src string, err error, funcs template.FuncMap) error {
	message := strings.TrimPrefix(err.Error(), "template: t:")
	if !strings.Contains(src, "\n") {
		message = strings.TrimPrefix(message, "1: ")
	}
	hint := ""
	if m := undefined.FindStringSubmatch(message); m != nil {
		hint = (&report{}).didYouMean(m[1], functionNames(funcs))
		if slices.Contains(allKeys, m[1]) {
			hint = withDot(m[1])
		}
	}
	return &textError{"template: " + message, hint}
}

// stepNode is a call that is put into every loop, so that loops end.
func stepNode(funcs template.FuncMap) parse.Node {
	t := template.Must(template.New("step").Funcs(funcs).Parse("{{_step}}"))
	return t.Root.Nodes[0]
}

// textCommand is put at the end of every action, so that printing a list, a map or
// nothing is an error.
func textCommand(funcs template.FuncMap) *parse.CommandNode {
	t := template.Must(template.New("text").Funcs(funcs).Parse("{{0 | _text}}"))
	return t.Root.Nodes[0].(*parse.ActionNode).Pipe.Cmds[1]
}

// A compiler walks a parsed template. It finds unknown keys, also where execution
// would not come by, and inserts the calls of stepNode and textCommand.
type compiler struct {
	vocabulary
	step parse.Node
	text *parse.CommandNode
	err  error
}

// list walks a list; root: the dot is the process's data there.
func (c *compiler) list(l *parse.ListNode, root bool) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		c.node(n, root)
	}
}

func (c *compiler) node(n parse.Node, root bool) {
	switch n := n.(type) {
	case *parse.ActionNode:
		c.pipe(n.Pipe, root)
		if len(n.Pipe.Decl) == 0 {
			n.Pipe.Cmds = append(n.Pipe.Cmds, c.text)
		}
	case *parse.IfNode:
		c.branch(&n.BranchNode, root, root)
	case *parse.WithNode:
		c.branch(&n.BranchNode, root, false)
	case *parse.RangeNode:
		c.branch(&n.BranchNode, root, false)
		n.List.Nodes = slices.Insert(n.List.Nodes, 0, c.step)
	case *parse.TemplateNode:
		c.err = errDefine
	case *parse.PipeNode:
		c.pipe(n, root)
	case *parse.ChainNode:
		c.node(n.Node, root)
		c.hostKey(n)
	case *parse.FieldNode:
		if root {
			c.key(n.Ident[0])
		}
		c.note(n.Ident)
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			c.key(n.Ident[1])
		}
		c.note(n.Ident[1:])
	}
}

func (c *compiler) pipe(p *parse.PipeNode, root bool) {
	for i, cmd := range p.Cmds {
		// Some keys are functions too, none of which goes without arguments.
		f, ok := cmd.Args[0].(*parse.IdentifierNode)
		if ok && i == 0 && len(cmd.Args) == 1 && c.err == nil && slices.Contains(allKeys, f.Ident) {
			c.err = &textError{fmt.Sprintf("template: function %s needs arguments", f.Ident), withDot(f.Ident)}
		}
		for _, arg := range cmd.Args {
			c.node(arg, root)
		}
		if ok && f.Ident == "index" {
			c.indexKey(cmd.Args, root)
		}
	}
}

// indexKey checks a key that is given to index as a string, as in index . "rate".
func (c *compiler) indexKey(args []parse.Node, root bool) {
	if len(args) < 3 {
		return
	}
	variable, ok := args[1].(*parse.VariableNode)
	_, isDot := args[1].(*parse.DotNode)
	name, isString := args[2].(*parse.StringNode)
	if isString {
		c.note([]string{name.Text})
	}
	if isString && (isDot && root || ok && slices.Equal(variable.Ident, []string{"$"})) {
		c.key(name.Text)
	}
}

func (c *compiler) branch(b *parse.BranchNode, root, inner bool) {
	c.pipe(b.Pipe, root)
	c.list(b.List, inner)
	c.list(b.ElseList, root)
}

// note remembers that these keys of a host may be meant.
func (c *compiler) note(names []string) {
	for _, name := range names {
		if c.used != nil {
			c.used["."+name] = true
		}
	}
}

func (c *compiler) key(name string) {
	if c.used != nil {
		c.used[name] = true
	}
	switch {
	case c.err != nil || slices.Contains(c.keys, name):
	case slices.Contains(allKeys, name):
		c.err = &textError{fmt.Sprintf("template key .%s is not known here", name), "known: " + dotted(c.keys)}
	default:
		hint := "known: " + dotted(c.keys)
		if n := nearest(name, c.keys); n != "" {
			hint = fmt.Sprintf("did you mean .%s?", n)
		}
		c.err = &textError{fmt.Sprintf("unknown template key .%s", name), hint}
	}
}

// hostKey checks the key of a host, as in (host "a").address.
func (c *compiler) hostKey(n *parse.ChainNode) {
	pipe, ok := n.Node.(*parse.PipeNode)
	if !ok || len(pipe.Cmds) == 0 {
		return
	}
	last := pipe.Cmds[len(pipe.Cmds)-1]
	if f, ok := last.Args[0].(*parse.IdentifierNode); !ok || f.Ident != "host" {
		return
	}
	c.note(n.Field)
	if keys := slices.Concat(hostKeys, c.variables); c.err == nil && !slices.Contains(keys, n.Field[0]) {
		c.err = &textError{fmt.Sprintf("a host has no .%s", n.Field[0]), "it has " + dotted(keys)}
	}
}

func withDot(key string) string { return fmt.Sprintf("for the key write .%s, with a dot", key) }

func dotted(keys []string) string { return "." + strings.Join(keys, " .") }

// execute runs a compiled template.
func execute(tmpl *template.Template, data map[string]any) (string, error) {
	var out limited
	if err := tmpl.Execute(&out, data); err != nil {
		return "", executionProblem(err)
	}
	s := out.String()
	switch {
	case strings.Contains(s, "\x00"):
		return "", &textError{"template: the result contains a NUL byte", ""}
	case !utf8.ValidString(s):
		return "", &textError{"template: the result is not UTF-8", ""}
	}
	return s, nil
}

// executionProblem describes what went wrong, without text/template's position.
func executionProblem(err error) error {
	if own, ok := errors.AsType[*textError](err); ok {
		return own
	}
	message := strings.TrimPrefix(err.Error(), "template: t:")
	if _, after, ok := strings.Cut(message, `executing "t" at `); ok {
		message = after
	}
	if m := noEntry.FindStringSubmatch(message); m != nil {
		return &missingKey{m[1]}
	}
	return &textError{"template: " + message, ""}
}

// A missingKey is a key that the data lacks.
type missingKey struct{ key string }

func (e *missingKey) Error() string { return fmt.Sprintf("template: there is no .%s here", e.key) }

// noEntry is Go's message for a missing key, such as a parameter that this
// combination of the matrix lacks.
var noEntry = regexp.MustCompile(`map has no entry for key "([^"]*)"`)

// limited is a builder that refuses to grow beyond maxText.
type limited struct{ strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxText {
		return 0, errTooLong
	}
	return l.Builder.Write(p)
}

var errTooLong = &textError{fmt.Sprintf("template: the result is longer than %d KiB", maxText>>10), ""}
