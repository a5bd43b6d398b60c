package experiment

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// schemaFile is what editors use. It is made here of the tables by which files
// are decoded, and of the descriptions in docs/file.md, by `make schema`.
var schemaFile = filepath.Join(root, "docs", "experiment.schema.json")

// TestSchema: docs/experiment.schema.json is up to date.
func TestSchema(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(newSchema(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is out of date (%v): make schema", schemaFile, err)
	}
}

// A schema is a JSON Schema, or a part of one.
type schema map[string]any

// newSchema makes that of the file.
func newSchema(t *testing.T) schema {
	b := schemaBuilder{t: t, docs: readDocs(t)}
	s := b.object("## Fields", "", topFields)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Downbeat experiment"
	s["description"] = "What runs on which host, and when it is over. Its reference is docs/file.md."
	s["required"] = []string{"hosts"}
	s["properties"].(schema)[schemaField] = schema{"type": "string", "description": "Where this schema is, for editors. Downbeat itself does not read it."}
	s["$defs"] = schema{
		"command": b.command(),
		"group":   b.object("### Groups", "groups", groupFields, "on", "run"),
		"metric":  b.metric(),
		"step":    b.object("### Setup and teardown", "step", stepFields, "run"),
		"file":    b.shipped(),
	}
	return s
}

// A schemaBuilder puts the parts together.
type schemaBuilder struct {
	t    *testing.T
	docs string
}

// object is a map with these fields and no others.
func (b *schemaBuilder) object(section, place string, fields []string, required ...string) schema {
	properties := make(schema, len(fields))
	for _, name := range fields {
		key := strings.TrimPrefix(place+"."+name, ".")
		s, ok := fieldSchemas[key]
		if !ok {
			s, ok = fieldSchemas["command."+name]
		}
		if !ok {
			b.t.Errorf("fieldSchemas has no entry for %s", key)
			continue
		}
		described := schema{"description": b.describe(section, place, name)}
		maps.Copy(described, s)
		if key == "stop" {
			described["properties"] = b.object("### The end of a run", "stop", stopFields)["properties"]
		}
		properties[name] = described
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// describe takes what a field means from the table of that section of docs/file.md.
func (b *schemaBuilder) describe(section, place, name string) string {
	if text := descriptions[strings.TrimPrefix(place+"."+name, ".")]; text != "" {
		return text
	}
	_, text, ok := strings.Cut(b.docs, "\n"+section+"\n")
	if text, _, _ = strings.Cut(text, "\n## "); !ok {
		b.t.Fatalf("docs/file.md has no section %q", section)
	}
	row := regexp.MustCompile("(?m)^\\| `(?:" + place + "\\.)?" + regexp.QuoteMeta(name) + "` \\|([^|\n]*)\\|([^|\n]*)\\|([^|\n]*)\\|$").FindStringSubmatch(text)
	if row == nil && (section == "### Groups" || section == "### Setup and teardown") {
		return b.describe("### Commands", "", name)
	}
	if row == nil {
		b.t.Errorf("docs/file.md: %q has no row for %s", section, name)
		return ""
	}
	for i := range row {
		row[i] = plainText(row[i])
	}
	text = row[3]
	if row[2] != "" && row[2] != "none" && row[2] != "required" && row[2] != "one of the two" && !strings.HasPrefix(row[2], "see ") {
		text += " (default: " + row[2] + ")"
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

var link = regexp.MustCompile(`(; see )?\[([^]]*)\]\([^)]*\)`)

// plainText is a cell of Markdown without its marks.
func plainText(cell string) string {
	cell = link.ReplaceAllStringFunc(cell, func(l string) string {
		if strings.HasPrefix(l, "; see ") {
			return ""
		}
		return link.ReplaceAllString(l, "$2")
	})
	return strings.TrimSpace(strings.ReplaceAll(cell, "`", ""))
}

func (b *schemaBuilder) command() schema {
	return schema{"anyOf": []schema{
		{"type": "string", "minLength": 1},
		argumentList,
		b.object("### Commands", "command", commandFields, "run"),
	}}
}

func (b *schemaBuilder) metric() schema {
	s := b.object("### Numbers", "metric", metricFields, "reduce")
	s["allOf"] = []schema{
		{"oneOf": []schema{{"required": []string{"file"}}, {"required": []string{"output"}}}},
		{"oneOf": []schema{{"required": []string{"field"}}, {"required": []string{"pattern"}}}},
	}
	s["dependentSchemas"] = schema{"pattern": schema{"properties": schema{"format": false, "where": false}}}
	return s
}

func (b *schemaBuilder) shipped() schema {
	s := b.object("### Shipping files", "file", shipmentFields)
	s["oneOf"] = []schema{{"required": []string{"from"}}, {"required": []string{"text"}}}
	return s
}

// Parts that occur more than once. A string may nearly everywhere be a template.
const (
	namePattern      = `^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$`
	parameterPattern = `^[A-Za-z_][A-Za-z0-9_]*$`
	durationPattern  = `^(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ms|s|m|h))+$|^0$`
	templated        = `\{\{`
)

var (
	nameSchema   = schema{"type": "string", "pattern": namePattern}
	duration     = schema{"type": "string", "pattern": durationPattern, "examples": []string{"10s", "1m30s"}}
	limit        = schema{"type": "string", "pattern": durationPattern + "|" + templated, "examples": []string{"10s", "1m30s"}}
	argumentList = schema{"type": "array", "minItems": 1, "items": schema{"type": []string{"string", "number", "boolean"}}}
	commandLine  = schema{"anyOf": []schema{{"type": "string", "minLength": 1}, argumentList}}
	exitStatus   = schema{"type": "integer", "minimum": 0, "maximum": 255}
	parameters   = schema{"type": "object", "propertyNames": schema{"pattern": parameterPattern}, "additionalProperties": parameter, "minProperties": 1}
	parameter    = schema{"type": []string{"string", "number", "boolean"}}
	nonEmpty     = schema{"type": "string", "minLength": 1}
	condition    = schema{"type": "string", "pattern": `^\s*(<|<=|>|>=)\s*[^<>=\s]|` + templated, "examples": []string{"< 5ms", "> 1000"}}
	reduction    = schema{"anyOf": []schema{
		{"enum": reductionNames}, {"type": "string", "pattern": `^p[0-9]{1,2}(\.[0-9]+)?$`},
	}}
	steps = schema{"anyOf": []schema{
		{"type": "string", "minLength": 1},
		ref("step"),
		{"type": "array", "minItems": 1, "maxItems": maxFileSteps, "items": schema{"anyOf": []schema{
			{"type": "string", "minLength": 1},
			argumentList,
			ref("step"),
		}}},
	}}
)

// oneOrMany is a value or a list of them.
func oneOrMany(s schema) schema {
	return schema{"anyOf": []schema{s, {"type": "array", "items": s, "minItems": 1}}}
}

// mapOf is a map from names to values of one kind.
func mapOf(s schema) schema {
	return schema{"type": "object", "propertyNames": schema{"pattern": namePattern}, "additionalProperties": s}
}

func ref(name string) schema { return schema{"$ref": "#/$defs/" + name} }

// descriptions are those that are in no table of docs/file.md.
var descriptions = map[string]string{
	"hosts.address": "Where the other hosts' processes reach it: an IP address or a name in DNS.",
}

// fieldSchemas are what the fields may be, by place. Where a group has no entry
// of its own, the command's holds.
var fieldSchemas = map[string]schema{
	"name": nameSchema,
	"hosts": {"type": "object", "minProperties": 1, "propertyNames": schema{"pattern": namePattern}, "additionalProperties": schema{"anyOf": []schema{
		{"type": "null"},
		{"type": "object", "additionalProperties": false, "properties": schema{"address": schema{"type": "string", "minLength": 1, "description": descriptions["hosts.address"]}}},
		{"type": "array", "minItems": 1, "items": ref("command")},
	}}},
	"matrix": {
		"type": "object", "propertyNames": schema{"pattern": parameterPattern},
		"additionalProperties": schema{"type": "array", "minItems": 1, "uniqueItems": true, "items": parameter},
		"properties": schema{
			"include": schema{"type": "array", "items": parameters, "description": "Added to every combination with whose values in the matrix it agrees; one that agrees with none is a combination of its own."},
			"exclude": schema{"type": "array", "items": parameters, "description": "A combination that has all these values is left out."},
		},
	},
	"repeat":   {"type": "integer", "minimum": 1, "maximum": MaxDatapoints},
	"order":    {"enum": []string{"file", "random"}},
	"seed":     {"type": "integer", "minimum": 0},
	"pause":    duration,
	"retries":  {"type": "integer", "minimum": 0, "maximum": MaxRetries},
	"groups":   mapOf(ref("group")),
	"stop":     {"type": "object", "additionalProperties": false},
	"timeout":  limit,
	"grace":    limit,
	"metrics":  mapOf(ref("metric")),
	"require":  mapOf(oneOrMany(condition)),
	"files":    {"type": "object", "additionalProperties": schema{"anyOf": []schema{nonEmpty, ref("file")}}, "propertyNames": schema{"not": schema{"pattern": `^/|(^|/)\.\.(/|$)`}}},
	"collect":  oneOrMany(nonEmpty),
	"setup":    steps,
	"teardown": steps,

	"stop.when":       oneOrMany(nameSchema),
	"stop.after":      limit,
	"stop.grace":      limit,
	"stop.on_failure": {"type": "boolean"},

	"groups.on":    oneOrMany(nameSchema),
	"groups.count": {"anyOf": []schema{{"type": "integer", "minimum": 1, "maximum": MaxProcesses}, {"type": "string", "pattern": `^\s*[0-9]+\s*$|` + templated}}},

	"step.on":      oneOrMany(nameSchema),
	"step.timeout": limit,

	"command.run":   commandLine,
	"command.shell": {"type": "boolean"},
	"command.pty":   {"type": "boolean"},
	"command.name":  nonEmpty,
	"command.env": {
		"type": "object", "additionalProperties": parameter,
		"propertyNames": schema{"pattern": "^[^=]+$", "not": schema{"pattern": "^DOWNBEAT_"}},
	},
	"command.dir":     nonEmpty,
	"command.delay":   limit,
	"command.ok_exit": oneOrMany(exitStatus),
	"command.collect": oneOrMany(nonEmpty),

	"file.from": nonEmpty,
	"file.text": {"type": "string"},
	"file.mode": {"type": []string{"string", "integer"}, "pattern": "^0?[0-7]{1,3}$"},
	"file.on":   oneOrMany(nameSchema),

	"metric.file":    nonEmpty,
	"metric.output":  {"enum": []string{"stdout", "stderr"}},
	"metric.format":  {"enum": formatNames},
	"metric.field":   nonEmpty,
	"metric.where":   {"type": "object", "minProperties": 1, "additionalProperties": parameter},
	"metric.pattern": nonEmpty,
	"metric.group":   oneOrMany(nameSchema),
	"metric.host":    oneOrMany(nameSchema),
	"metric.reduce": {"anyOf": []schema{reduction, {
		"type": "object", "additionalProperties": false, "required": reduceFields,
		"properties": schema{"lines": reduction, "processes": reduction},
	}}},
	"metric.scale": {"type": "number", "not": schema{"const": 0}},
	"metric.unit":  {"type": "string", "minLength": 1, "maxLength": maxUnit},

	"metric.partial": {"type": "boolean"},
}

// TestSchemaKnowsNoMoreThanTheFile: there is no field in the schema that files
// can't have.
func TestSchemaKnowsNoMoreThanTheFile(t *testing.T) {
	t.Parallel()
	known := slices.Concat(topFields, groupFields, commandFields, stepFields, metricFields, shipmentFields)
	for key := range fieldSchemas {
		place, name, ok := strings.Cut(key, ".")
		if !ok {
			name = place
		}
		if fields := known; place == "stop" && ok {
			fields = stopFields
			if !slices.Contains(fields, name) {
				t.Errorf("no file has %s", key)
			}
		} else if !slices.Contains(fields, name) {
			t.Errorf("no file has %s", key)
		}
	}
}
