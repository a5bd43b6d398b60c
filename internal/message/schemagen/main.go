// Schemagen writes the JSON Schemas of the wire, docs/protocol/*.schema.json: `make
// schema`, from the root of the repository.
//
// Which fields there are, their types, and which a sender has to send come from the
// Go types; what they may hold beyond that from the rules in rules.go; what they
// mean from the tables of docs/protocol.md.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

// run writes the schemas of the repository at root.
func run(root string) error {
	docs, err := os.ReadFile(filepath.Join(root, protocolPage))
	if err != nil {
		return err
	}
	tables, err := readTables(string(docs))
	if err != nil {
		return err
	}
	for _, d := range documents {
		data, err := d.encode(tables)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, d.path()), data, 0o644); err != nil { // it is for everybody to read
			return err
		}
	}
	return nil
}
