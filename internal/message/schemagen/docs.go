package main

import (
	"fmt"
	"regexp"
	"strings"
)

const protocolPage = "docs/protocol.md"

// A row is what docs/protocol.md says of a field.
type row struct{ kind, required, meaning string }

// tables are the rows of the page by Go type and field.
type tables map[string]map[string]row

// A table of fields has a line above it that names the Go type.
var (
	tableMark = regexp.MustCompile(`^<!-- fields of (\w+) -->$`)
	fieldRow  = regexp.MustCompile("^\\| `(\\w+)` \\| ([^|]*) \\| ([^|]*) \\| ?(.*?) ?\\|$")
	link      = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// readTables finds the tables of the page.
func readTables(page string) (tables, error) {
	found := make(tables)
	name := ""
	for n, line := range strings.Split(page, "\n") {
		if m := tableMark.FindStringSubmatch(line); m != nil {
			name = m[1]
			if found[name] != nil {
				return nil, fmt.Errorf("%s:%d: a second table of the fields of %s", protocolPage, n+1, name)
			}
			found[name] = make(map[string]row)
			continue
		}
		if !strings.HasPrefix(line, "|") {
			name = ""
		}
		m := fieldRow.FindStringSubmatch(line)
		if name == "" || m == nil {
			continue
		}
		found[name][m[1]] = row{kind: m[2], required: m[3], meaning: link.ReplaceAllString(m[4], "$1")}
	}
	return found, nil
}
