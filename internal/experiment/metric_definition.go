package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// metricRules is increased when the rules for taking numbers change, so that those
// of earlier runs are taken again.
const metricRules = 3

// definition is a hash of what the file says about the metric, and about its window. Newer
// fields are left out where they are not given, so that metrics without them keep theirs.
func (m *metric) definition(window *window) string {
	type condition struct{ Field, Value string }
	what := struct {
		Rules                int
		File, Stream         string
		Groups, Hosts        []string
		Field, Pattern       string
		Where                []condition
		Format               Format
		Parse                Notation
		Lines, Processes     Reduction
		Scale                float64
		Unit                 string
		Partial, HasFile     bool
		HasField, HasPattern bool
		Window               string        `json:",omitempty"`
		Series               time.Duration `json:",omitempty"`
		Program              []string      `json:",omitempty"`
		Tag                  string        `json:",omitempty"`
		Sample               string        `json:",omitempty"`
	}{
		Rules: metricRules, File: m.file.source(), Stream: m.stream, Groups: m.groups, Hosts: m.hosts,
		Field: m.field.source(), Pattern: m.pattern.source(), Format: m.Format, Parse: m.Parse, Lines: m.Lines, Processes: m.Processes,
		Scale: m.Scale, Unit: m.Unit, Partial: m.Partial,
		HasFile: m.file != nil, HasField: m.field != nil, HasPattern: m.pattern != nil,
		Window: window.source(), Series: m.Series, Sample: m.Sample,
	}
	what.Program, what.Tag = m.command.sources(), m.tag.source()
	for _, v := range m.where {
		what.Where = append(what.Where, condition{v.key, v.value.source()})
	}
	return hashOf(what)
}

// sources are the command's line, or its arguments, as the file has them.
func (c *command) sources() []string {
	switch {
	case c == nil:
		return nil
	case c.line != nil:
		return []string{c.line.src}
	}
	words := []string{""} // no command line is empty
	for _, t := range c.argv {
		words = append(words, t.source())
	}
	return words
}

// source is the text as the file has it; empty where there is none.
func (t *text) source() string {
	if t == nil {
		return ""
	}
	return t.src
}

func hashOf(what any) string {
	data, err := json.Marshal(what)
	if err != nil {
		panic(err) // strings and numbers alone
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
