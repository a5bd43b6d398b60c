// Package protocol holds the JSON Schemas of the wire, for programs that check what
// others send, and the golden conversations. The schemas are made by schemagen, see
// internal/message; the conversations by the simulator, see internal/sim.
package protocol

import "embed"

// Schemas are the files *.schema.json.
//
//go:embed *.schema.json
var Schemas embed.FS
