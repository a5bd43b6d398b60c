// Package protocol holds the JSON Schemas of the wire, for programs that check what
// others send. They are made by schemagen, see internal/message.
package protocol

import "embed"

// Schemas are the files *.schema.json.
//
//go:embed *.schema.json
var Schemas embed.FS
