package experiment

import "strconv"

// A field is a row of the table in fields.go: one field of one kind of map in the
// file. T is the Go type that such a map is read into. The row is used to read the
// field, to make the JSON Schema, and to check docs/file.md.
type field[T any] struct {
	name string
	is   binding[T]
	// in says which commands have the field; 0: all, or T is not a command.
	in where
	// unset is the default, as the file would write it; otherwise describes it in
	// words. With neither there is no default.
	unset     string
	otherwise string
	// missing makes the field required. It says what the field is for; such is an
	// example.
	missing string
	such    string
	about   string // one line, in the words of docs/file.md
}

// A binding reads a field into its place in T.
type binding[T any] struct {
	words  string // as docs/file.md has them
	schema schema
	read   func(v value, t *T) // reports what is wrong
	// silent sets the defaults if the field is absent; nil: there are none.
	silent func(v value, t *T)
	inner  []*table // of the maps within
}

// A shape is a kind of value in the file, and how to read it.
type shape[V any] struct {
	words  string
	schema schema
	read   func(v value) V // reports what is wrong
}

// into binds a shape to a place in T.
func into[T, V any](s shape[V], place func(t *T) *V) binding[T] {
	return binding[T]{words: s.words, schema: s.schema, read: func(v value, t *T) { *place(t) = s.read(v) }}
}

// with is the binding with tables of maps that may be within.
func (b binding[T]) with(tables ...*table) binding[T] {
	b.inner = tables
	return b
}

// nested binds a map with fields of its own.
func nested[T, V any](o *object[V], such string, place func(t *T) *V) binding[T] {
	return binding[T]{
		words: "map", schema: o.table().schema(), inner: []*table{o.table()},
		read: func(v value, t *T) {
			if v.isMap(such, "must be a map") {
				o.read(v, place(t))
			}
		},
		silent: func(v value, t *T) { o.fill(v, place(t)) },
	}
}

// optionally binds a map with fields of its own that may be absent.
func optionally[T, V any](o *object[V], such string, place func(t *T) **V) binding[T] {
	return binding[T]{
		words: "map", schema: o.table().schema(), inner: []*table{o.table()},
		read: func(v value, t *T) {
			if v.isMap(such, "must be a map") {
				*place(t) = new(V)
				o.read(v, *place(t))
			}
		},
	}
}

// An object is a kind of map in the file. Its fields are read in this order, and
// then checked together.
type object[T any] struct {
	title   string // of its table in docs/file.md
	prefix  string // before the names there
	def     string // its name in the JSON Schema; empty: it stands where it is used
	fields  []field[T]
	others  *others[T]                   // fields with names of the file's own; nil: there are none
	check   func(v value, t *T, f found) // may be nil
	further schema                       // what check says, as JSON Schema
}

// others are the fields of an object that the file names itself.
type others[T any] struct {
	schema schema
	read   func(v value, t *T)
}

// names are those of the fields.
func (o *object[T]) names() []string {
	names := make([]string, len(o.fields))
	for i, f := range o.fields {
		names[i] = f.name
	}
	return names
}

// read reads a map into t.
func (o *object[T]) read(v value, t *T) {
	var other func(v value)
	if o.others != nil {
		other = func(v value) { o.others.read(v, t) }
	}
	given := v.fields(o.names(), other)
	for _, f := range o.fields {
		switch child, ok := given.get(f.name); {
		case ok:
			f.is.read(child, t)
		case f.missing != "" && !given.meant(f.name):
			v.in.add(v.at, v.path, "such as "+f.such, "%q is missing: %s", f.name, f.missing)
		default:
			f.fill(v, t)
		}
	}
	if o.check != nil {
		o.check(v, t, given)
	}
}

// fill sets the defaults of all fields.
func (o *object[T]) fill(v value, t *T) {
	for _, f := range o.fields {
		f.fill(v, t)
	}
}

func (f field[T]) fill(v value, t *T) {
	switch {
	case f.is.silent != nil:
		f.is.silent(v, t)
	case f.unset != "":
		f.is.read(v.child(pair{f.name, v.at, literal(f.unset, v.at)}), t)
	}
}

// literal makes the node of a scalar as the file would write it.
func literal(text string, at pos) *node {
	n := &node{kind: stringNode, pos: at, text: text}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		n.kind = numberNode
	}
	if text == "true" || text == "false" {
		n.kind = boolNode
	}
	return n
}

// A table is an object without the Go type that it is read into: what people and
// editors see.
type table struct {
	title, prefix, def string
	rows               []row
	others, further    schema
}

// A row is a field in a table.
type row struct {
	name, words, about string
	unset, otherwise   string
	required           bool
	in                 where
	schema             schema
	inner              []*table
}

func (o *object[T]) table() *table {
	t := &table{title: o.title, prefix: o.prefix, def: o.def, further: o.further}
	if o.others != nil {
		t.others = o.others.schema
	}
	for _, f := range o.fields {
		t.rows = append(t.rows, row{
			name: f.name, words: f.is.words, about: f.about, unset: f.unset, otherwise: f.otherwise,
			required: f.missing != "", in: f.in, schema: f.is.schema, inner: f.is.inner,
		})
	}
	return t
}
