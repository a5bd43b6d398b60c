package experiment

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
)

// A schema is a JSON Schema, or a part of one.
type schema map[string]any

// Schema returns the JSON Schema of the file: the text of
// docs/experiment.schema.json. It is made from the table of fields.
func Schema() []byte {
	root := fileFields.table()
	s := root.schema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Downbeat experiment"
	s["description"] = "What runs on which host, and when it is over. Its reference is docs/file.md."
	defs := make(schema)
	for _, t := range root.within() {
		if t.def != "" {
			defs[t.def] = t.schema()
		}
	}
	s["$defs"] = defs
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		panic(err) // strings, numbers and truth values alone
	}
	return out.Bytes()
}

// within gives the table and all tables of the maps within.
func (t *table) within() []*table {
	all := []*table{t}
	for _, r := range t.rows {
		for _, inner := range r.inner {
			all = append(all, inner.within()...)
		}
	}
	return all
}

// schema is a map with the table's fields and no others, unless it says what they are.
func (t *table) schema() schema {
	properties, required := make(schema, len(t.rows)), []string(nil)
	for _, r := range t.rows {
		properties[r.name] = r.described()
		if r.required {
			required = append(required, r.name)
		}
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if t.others != nil {
		s["additionalProperties"], s["propertyNames"] = t.others, schema{"pattern": parameterPattern}
	}
	if required != nil {
		s["required"] = required
	}
	maps.Copy(s, t.further)
	return s
}

// described is the row's schema with what the field means.
func (r row) described() schema {
	text := strings.ToUpper(r.about[:1]) + r.about[1:]
	switch {
	case r.unset != "":
		text += " (default: " + r.unset + ")"
	case r.otherwise != "":
		text += " (default: " + r.otherwise + ")"
	}
	s := schema{"description": text}
	maps.Copy(s, r.schema)
	return s
}

// Parts that occur more than once. A string may nearly everywhere be a template.
const (
	namePattern      = `^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$`
	parameterPattern = `^[A-Za-z_][A-Za-z0-9_]*$`
	durationPattern  = `^(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ms|s|m|h))+$|^0$`
	signedPattern    = `^[-+]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ms|s|m|h))+$|^0$`
	templatePattern  = `\{\{`
)

var (
	nameSchema     = schema{"type": "string", "pattern": namePattern}
	durationSchema = schema{"type": "string", "pattern": durationPattern, "examples": []string{"10s", "1m30s"}}
	limitSchema    = schema{"type": "string", "pattern": durationPattern + "|" + templatePattern, "examples": []string{"10s", "1m30s"}}
	signedSchema   = schema{"type": "string", "pattern": signedPattern + "|" + templatePattern, "examples": []string{"15s", "-5s"}}
	nonEmpty       = schema{"type": "string", "minLength": 1}
	scalarSchema   = schema{"type": []string{"string", "number", "boolean"}}
)

// orListSchema is a value or a list of them.
func orListSchema(s schema) schema {
	return anyOf(s, schema{"type": "array", "items": s, "minItems": 1})
}

// mapSchema is a map from names to values of one kind.
func mapSchema(s schema) schema {
	return schema{"type": "object", "propertyNames": schema{"pattern": namePattern}, "additionalProperties": s}
}

func anyOf(s ...schema) schema { return schema{"anyOf": s} }

// oneOf takes maps with exactly one of two fields.
func oneOf(a, b string) schema {
	return schema{"oneOf": []schema{{"required": []string{a}}, {"required": []string{b}}}}
}

func ref(name string) schema { return schema{"$ref": "#/$defs/" + name} }
