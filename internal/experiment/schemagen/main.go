// Schemagen writes docs/experiment.schema.json, the JSON Schema of the experiment
// file, for editors: `make schema`, from the root of the repository.
package main

import (
	"fmt"
	"os"

	"downbeat/internal/experiment"
)

const file = "docs/experiment.schema.json"

func main() {
	if err := os.WriteFile(file, experiment.Schema(), 0o644); err != nil { // everyone may read it
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}
