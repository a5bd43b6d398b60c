package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"strings"
	"time"

	"downbeat/internal/message"
)

// A schema is a JSON Schema, or a part of one.
type schema map[string]any

// A document is one file with a schema.
type document struct {
	name  string
	title string
	about string
	root  reflect.Type
}

var documents = []document{
	{"envelope", "Downbeat envelope", "What a job or a control travels in.", reflect.TypeFor[message.Envelope]()},
	{"payload", "Downbeat payload", "What the payload of an envelope holds: a job or a control.", reflect.TypeFor[payload]()},
	{"event", "Downbeat event", "A message from a worker to a publisher.", reflect.TypeFor[message.Event]()},
}

// payload is a payload as it is on the wire.
type payload struct {
	message.Address

	ReplyTo string           `json:"reply_to,omitempty"`
	Job     *message.Job     `json:"job,omitempty"`
	Control *message.Control `json:"control,omitempty"`
}

func (d document) path() string { return path.Join("docs/protocol", d.name+".schema.json") }

// encode gives the text of the document.
func (d document) encode(docs tables) ([]byte, error) {
	g := &generator{docs: docs, defs: make(schema)}
	s := g.object(d.root)
	if g.err != nil {
		return nil, g.err
	}
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"], s["description"] = d.title, d.about+" Its reference is "+protocolPage+"."
	if len(g.defs) > 0 {
		s["$defs"] = g.defs
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(s)
	return out.Bytes(), err
}

// A generator makes the schemas of Go types.
type generator struct {
	docs tables
	defs schema
	err  error // the first
}

// A field is one of an object on the wire.
type field struct {
	name     string
	goType   reflect.Type
	required bool
}

// fieldsOf gives the fields of a struct, with those of structs embedded in it.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for f := range t.Fields() {
		if f.Anonymous {
			fields = append(fields, fieldsOf(f.Type)...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		fields = append(fields, field{name, f.Type, options == ""})
	}
	return fields
}

// nameOf names a type, as the tables of the page do.
func nameOf(t reflect.Type) string {
	if t == reflect.TypeFor[payload]() {
		return "Payload"
	}
	return t.Name()
}

// object gives the schema of a struct.
func (g *generator) object(t reflect.Type) schema {
	name := nameOf(t)
	properties, required := make(schema), []string{}
	for _, f := range fieldsOf(t) {
		described, ok := g.docs[name][f.name]
		if !ok && g.err == nil {
			g.err = fmt.Errorf("%s says nothing of the field %s of %s", protocolPage, f.name, name)
		}
		s := g.value(f.goType)
		if described.meaning != "" {
			s["description"] = described.meaning
		}
		maps.Copy(s, rules[name+"."+f.name])
		properties[f.name] = s
		if f.required {
			required = append(required, f.name)
		}
	}
	s := schema{"type": "object", "properties": properties, "required": required, "additionalProperties": true}
	maps.Copy(s, rules[name])
	return s
}

// value gives the schema of a field's type.
func (g *generator) value(t reflect.Type) schema {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return schema{"type": "string", "format": "date-time", "pattern": timePattern}
	case t.Kind() == reflect.Pointer:
		return g.value(t.Elem())
	case isBytes(t):
		return schema{"type": "string", "contentEncoding": "base64"}
	case t.Kind() == reflect.Slice:
		return schema{"type": "array", "items": g.value(t.Elem())}
	case t.Kind() == reflect.Map:
		return schema{"type": "object", "additionalProperties": g.value(t.Elem())}
	case t.Kind() == reflect.Struct:
		return g.reference(t)
	case t.Kind() == reflect.String:
		return schema{"type": "string"}
	case t.Kind() == reflect.Bool:
		return schema{"type": "boolean"}
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		return schema{"type": "integer"}
	case t.Kind() == reflect.Uint32 || t.Kind() == reflect.Uint64:
		return schema{"type": "integer", "minimum": 0}
	case t.Kind() == reflect.Float64:
		return schema{"type": "number"}
	}
	if g.err == nil {
		g.err = fmt.Errorf("there is no schema of a %s", t)
	}
	return schema{}
}

// reference gives the schema that refers to that of a struct.
func (g *generator) reference(t reflect.Type) schema {
	name := strings.ToLower(strings.TrimSuffix(t.Name(), "Info"))
	if g.defs[name] == nil {
		g.defs[name] = schema{} // a type may hold itself
		g.defs[name] = g.object(t)
	}
	return schema{"$ref": "#/$defs/" + name}
}

// isBytes reports whether a type holds bytes, which travel as base64.
func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}
