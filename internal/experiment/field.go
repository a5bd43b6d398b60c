package experiment

import "strconv"

// A field is a row of the table in fields.go: one field of one kind of map in the
// file. T is the Go value that such a map is read into. The same row reads the
// field, stands in the JSON Schema, and is what docs/file.md is checked against.
type field[T any] struct {
	name string
	is   binding[T]
	// in says of which commands it is a field; 0: T is not a command.
	in where
	// unset is what the field has where the file is silent, as the file would write
	// it; otherwise says so in words. With neither, nothing holds.
	unset     string
	otherwise string
	// missing makes the field a required one: it says what the field is for, and
	// such gives an example.
	missing string
	such    string
	about   string // one line, in the words of docs/file.md
}

// A binding is what a field may be, bound to the place in T that takes it.
type binding[T any] struct {
	words  string // as docs/file.md has them
	schema schema
	read   func(v value, t *T) // reports what is wrong
	// silent sets what holds where the field isn't there; nil: nothing does.
	silent func(v value, t *T)
	inner  []*table // of the maps within
}

// A shape is what a value of the file may be, and how to read it.
type shape[V any] struct {
	words  string
	schema schema
	read   func(v value) V // reports what is wrong
}

// into binds a shape to a place in T.
func into[T, V any](s shape[V], place func(t *T) *V) binding[T] {
	return binding[T]{words: s.words, schema: s.schema, read: func(v value, t *T) { *place(t) = s.read(v) }}
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

// An object is a kind of map: its fields, which are read in this order, and what
// they have to say together.
type object[T any] struct {
	title   string // of its table in docs/file.md
	prefix  string // before the names there
	def     string // its name in the JSON Schema; empty: it stands where it is used
	fields  []field[T]
	check   func(v value, t *T, f found) // may be nil
	further schema                       // what check says, as JSON Schema
}

// read reads a map into t.
func (o *object[T]) read(v value, t *T) {
	names := make([]string, len(o.fields))
	for i, f := range o.fields {
		names[i] = f.name
	}
	given := v.fields(names)
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

// fill sets what holds where none of the fields is given.
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

// literal is a scalar as the file would have it.
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

// A table is an object as people and editors see it, whatever Go value it is read
// into.
type table struct {
	title, prefix, def string
	rows               []row
	further            schema
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
	for _, f := range o.fields {
		t.rows = append(t.rows, row{
			name: f.name, words: f.is.words, about: f.about, unset: f.unset, otherwise: f.otherwise,
			required: f.missing != "", in: f.in, schema: f.is.schema, inner: f.is.inner,
		})
	}
	return t
}
