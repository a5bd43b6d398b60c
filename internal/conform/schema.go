package conform

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"downbeat/docs/protocol"
	"downbeat/internal/message"
)

// The schemas of what is JSON, by their files.
const (
	eventSchema    = "event.schema.json"
	envelopeSchema = "envelope.schema.json"
	payloadSchema  = "payload.schema.json"
)

// schemas are those of docs/protocol, compiled.
var schemas = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	names := []string{eventSchema, envelopeSchema, payloadSchema}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, name := range names {
		f, err := protocol.Schemas.Open(name)
		if err != nil {
			return nil, err
		}
		document, err := jsonschema.UnmarshalJSON(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := c.AddResource(name, document); err != nil {
			return nil, err
		}
	}
	compiled := make(map[string]*jsonschema.Schema)
	for _, name := range names {
		s, err := c.Compile(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		compiled[name] = s
	}
	return compiled, nil
})

// checkSchema reports what a schema finds wrong with a text.
func checkSchema(name string, text []byte) error {
	all, err := schemas()
	if err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%w: %w", message.ErrMalformed, err)
	}
	err = all[name].Validate(document)
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	return fmt.Errorf("%w: by docs/protocol/%s: %s", message.ErrMalformed, name, deepest(invalid))
}

// deepest says of an error what is wrong where, without what follows from that.
func deepest(e *jsonschema.ValidationError) string {
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	_, text, found := strings.Cut(e.Error(), "\n- ")
	if !found {
		text = e.Error()
	}
	return strings.TrimSpace(text)
}
