package experiment

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// schemaFile is what editors use.
var schemaFile = filepath.Join(root, "docs", "experiment.schema.json")

// TestSchema: docs/experiment.schema.json is what the program makes.
func TestSchema(t *testing.T) {
	t.Parallel()
	got, err := os.ReadFile(schemaFile)
	if err != nil || !bytes.Equal(got, Schema()) {
		t.Errorf("%s is out of date (%v): make schema", schemaFile, err)
	}
}
