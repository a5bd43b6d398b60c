package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"downbeat/internal/message"
)

const root = "../../.."

func readPage(t *testing.T) tables {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, protocolPage))
	if err != nil {
		t.Fatal(err)
	}
	found, err := readTables(string(page))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// The schemas are made anew with the types, the rules and the page that they come from.
func TestSchemasAreUpToDate(t *testing.T) {
	t.Parallel()
	docs := readPage(t)
	for _, d := range documents {
		want, err := d.encode(docs)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(root, d.path()))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what `make schema` writes", d.path())
		}
	}
}

// wireTypes are the structs that travel as JSON, with those inside.
func wireTypes() map[string]reflect.Type {
	all := make(map[string]reflect.Type)
	var add func(reflect.Type)
	add = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if kindOf(t) != "object" || t.Kind() != reflect.Struct || all[nameOf(t)] != nil {
			return
		}
		all[nameOf(t)] = t
		for _, f := range fieldsOf(t) {
			add(f.goType)
		}
	}
	for _, d := range documents {
		add(d.root)
	}
	add(reflect.TypeFor[message.Contender]())
	return all
}

// The page has each field of each message, its type and whether it is required, and
// none that there is not.
func TestPageIsAboutTheTypesThatThereAre(t *testing.T) {
	t.Parallel()
	docs, types := readPage(t), wireTypes()
	if len(types) < 20 {
		t.Fatalf("only %d types are looked at", len(types))
	}
	for name, goType := range types {
		left := maps.Clone(docs[name])
		for _, f := range fieldsOf(goType) {
			r, ok := left[f.name]
			if !ok {
				t.Errorf("%s says nothing of the field %s of %s", protocolPage, f.name, name)
				continue
			}
			delete(left, f.name)
			if r.kind != kindOf(f.goType) {
				t.Errorf("%s says that %s of %s is a %s, and it is a %s", protocolPage, f.name, name, r.kind, kindOf(f.goType))
			}
			if (r.required == "yes") != f.required || r.required == "" {
				t.Errorf("%s says that %s of %s is required: %q, and that is %t", protocolPage, f.name, name, r.required, f.required)
			}
		}
		for field := range left {
			t.Errorf("%s has a field %s of %s, which there is not", protocolPage, field, name)
		}
	}
	for name := range docs {
		if types[name] == nil {
			t.Errorf("%s has a table of %s, which there is not", protocolPage, name)
		}
	}
}

// compiled are the schemas as somebody else's library understands them.
func compiled(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, d := range documents {
		f, err := os.Open(filepath.Join(root, d.path()))
		if err != nil {
			t.Fatal(err)
		}
		content, err := jsonschema.UnmarshalJSON(f)
		if closeErr := f.Close(); err != nil || closeErr != nil {
			t.Fatal(err, closeErr)
		}
		if err := c.AddResource(d.name, content); err != nil {
			t.Fatal(err)
		}
	}
	all := make(map[string]*jsonschema.Schema)
	for _, d := range documents {
		s, err := c.Compile(d.name)
		if err != nil {
			t.Fatal(err)
		}
		all[d.name] = s
	}
	return all
}

// A sample is a golden message, and what it is held against.
type sample struct {
	name, schema, text string
	root               reflect.Type
}

func samples(t *testing.T) []sample {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "docs/protocol/messages.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Messages []struct{ Name, Is, Text, Payload string }
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	var all []sample
	for _, m := range golden.Messages {
		switch m.Is {
		case "envelope":
			all = append(all, sample{m.Name, "envelope", m.Text, documents[0].root}, sample{m.Name, "payload", m.Payload, documents[1].root})
		case "event":
			all = append(all, sample{m.Name, "event", m.Text, documents[2].root})
		}
	}
	if len(all) < 40 {
		t.Fatalf("only %d messages are looked at", len(all))
	}
	return all
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestGoldenMessagesAreValid(t *testing.T) {
	t.Parallel()
	schemas := compiled(t)
	for _, s := range samples(t) {
		if err := schemas[s.schema].Validate(decoded(t, s.text)); err != nil {
			t.Errorf("%s as %s: %v", s.name, s.schema, err)
		}
	}
}

// visit calls do with each object in a message, and its Go type.
func visit(v any, t reflect.Type, do func(map[string]any, reflect.Type)) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			visit(inner, t.Elem(), do)
		}
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return
		}
		for _, f := range fieldsOf(t) {
			if inner, ok := v[f.name]; ok {
				visit(inner, f.goType, do)
			}
		}
		do(v, t)
	}
}

// A required field that is missing is an error, and so is a value of another type. An
// unknown field is passed over, but not in an envelope.
func TestSchemasTellWhatIsWrong(t *testing.T) {
	t.Parallel()
	schemas := compiled(t)
	for _, s := range samples(t) {
		message := decoded(t, s.text)
		valid := func() bool { return schemas[s.schema].Validate(message) == nil }
		visit(message, s.root, func(object map[string]any, goType reflect.Type) {
			for _, f := range fieldsOf(goType) {
				was, ok := object[f.name]
				if !ok {
					continue
				}
				delete(object, f.name)
				if f.required && valid() {
					t.Errorf("%s is a valid %s without %s of %s", s.name, s.schema, f.name, nameOf(goType))
				}
				object[f.name] = false
				if kindOf(f.goType) == "boolean" {
					object[f.name] = "no"
				}
				if valid() {
					t.Errorf("%s is a valid %s with %s of %s of another type", s.name, s.schema, f.name, nameOf(goType))
				}
				object[f.name] = was
			}
			object["colour"] = "blue"
			if got, want := valid(), nameOf(goType) != "Envelope"; got != want {
				t.Errorf("with a field that is not known in %s, %s is a valid %s: %t, want %t", nameOf(goType), s.name, s.schema, got, want)
			}
			delete(object, "colour")
		})
	}
}

// Fields that depend on others are asked for.
func TestSchemasKnowWhatDependsOnWhat(t *testing.T) {
	t.Parallel()
	schemas := compiled(t)
	texts := make(map[string]string)
	for _, s := range samples(t) {
		texts[s.schema+" "+s.name] = s.text
	}
	for _, tt := range []struct{ of, from, to string }{
		{"payload job", `"reply_to"`, `"x"`},
		{"payload job", `"host"`, `"x"`},
		{"payload job", `"run"`, `"x"`},
		{"payload job", `"job":`, `"control":`},
		{"payload job", `"phase":"run"`, `"phase":"setup"`},
		{"payload job", `"delay_ms":5`, `"timeout_ms":5`},
		{"payload keepalive", `"serial"`, `"x"`},
		{"payload keepalive", `"run"`, `"x"`},
		{"payload keepalive", `"host":"alpha"`, `"host":"*"`},
		{"payload keepalive", `"control":"keepalive"`, `"control":"dance"`},
		{"payload start", `"at"`, `"x"`},
		{"payload stop", `"cause"`, `"x"`},
		{"payload stop", `"cause":"timeout"`, `"cause":"whim"`},
		{"payload hello", `"nonce"`, `"x"`},
		{"payload hello", `"nonce":"n1"`, `"nonce":""`},
		{"payload hello", `"reply_to"`, `"x"`},
		{"payload cancel", `"reply_to":"downbeat.events.X"`, `"reply_to":"downbeat.jobs.X"`},
		{"payload cancel", `"serial"`, `"x"`},
		{"event ready", `"ready":{`, `"x":{`},
		{"event ready", `"run":`, `"x":`},
		{"event ready", `"seq":9`, `"seq":0`},
		{"event ready", `"hold":"ptrace"`, `"hold":"hope"`},
		{"event done", `"totals"`, `"x"`},
		{"event done", `"outcome":"done"`, `"outcome":"over"`},
		{"event heartbeat", `"answered_at"`, `"x"`},
		{"event exited", `"exit_code":-1`, `"exit_code":3`},
		{"event exited", `"exit_code":-1`, `"exit_code":256`},
		{"event exited", `"time":"2026`, `"time":"yesterday"`},
		{"envelope keepalive", `"key"`, `"x"`},
		{"envelope keepalive", `"downbeat":2`, `"downbeat":1`},
	} {
		text, ok := texts[tt.of]
		if !ok || !strings.Contains(text, tt.from) {
			t.Fatalf("%s is not in %s: %s", tt.from, tt.of, text)
		}
		name, _, _ := strings.Cut(tt.of, " ")
		changed := strings.Replace(text, tt.from, tt.to, 1)
		if tt.from == `"time":"2026` {
			changed = strings.Replace(text, `"time":"2026-11-23T12:00:00.123456789Z"`, `"time":"yesterday"`, 1)
		}
		if err := schemas[name].Validate(decoded(t, changed)); err == nil {
			t.Errorf("%s with %s for %s is valid", tt.of, tt.to, tt.from)
		}
	}
}

// The patterns say what the code does.
func TestPatternsAgreeWithTheCode(t *testing.T) {
	t.Parallel()
	c := jsonschema.NewCompiler()
	pattern := func(p string) *jsonschema.Schema {
		if err := c.AddResource(p, map[string]any{"pattern": p}); err != nil {
			t.Fatal(err)
		}
		return c.MustCompile(p)
	}
	names, namespaces, runs, replies := pattern(namePattern), pattern(namespacePattern), pattern(runPattern), pattern(replyPattern)
	for _, text := range []string{
		"", "a", "server.0", "-a", ".a", "a/b", "a b", "ä", "_", strings.Repeat("x", 32), strings.Repeat("x", 33), strings.Repeat("x", 63), strings.Repeat("x", 64), "a\n",
		"01JD5W9M4QX3T0C9V8Z7Y6R5PK", "01jd5w9m4qx3t0c9v8z7y6r5pk", "81JD5W9M4QX3T0C9V8Z7Y6R5PK", "01JD5W9M4QX3T0C9V8Z7Y6R5PI", message.NewRun(message.NewPublisher()),
		"a.events.X", "a.events.", "a.events.X.Y", "a.jobs.X", "a.events." + strings.Repeat("x", 64), "a.events." + strings.Repeat("x", 65),
	} {
		for _, check := range []struct {
			what string
			s    *jsonschema.Schema
			err  error
		}{
			{"name", names, message.CheckName(text)},
			{"namespace", namespaces, message.CheckNamespace(text)},
			{"run", runs, message.CheckRun(text)},
			{"reply_to of namespace a", replies, message.CheckReplyTo("a", text)},
		} {
			if got := check.s.Validate(text); (got == nil) != (check.err == nil) {
				t.Errorf("%q as a %s: the schema says %v, the code %v", text, check.what, got, check.err)
			}
		}
	}
}

// kindOf names a type as the page does.
func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t.Kind() == reflect.Pointer:
		return kindOf(t.Elem())
	case isBytes(t):
		return "base64"
	case t.Kind() == reflect.Slice:
		return "list of " + kindOf(t.Elem()) + "s"
	case t.Kind() == reflect.Map:
		return "object of " + kindOf(t.Elem()) + "s"
	case t.Kind() == reflect.Struct:
		return "object"
	case t.Kind() == reflect.String:
		return "string"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.Float64:
		return "number"
	}
	return "integer"
}
