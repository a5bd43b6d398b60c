package experiment

import (
	"fmt"
	"strconv"
	"strings"

	"downbeat/internal/message"
)

// The most that can be shipped to one host.
const (
	maxShipped      = 5000
	maxShippedBytes = 4 << 30
)

// A ShippedFile is put into the run's directory on a host.
type ShippedFile struct {
	message.File
	// Source is where its content is read here; empty for one with text.
	Source string `json:"-"`
}

// A shipment is an entry of files: a target and its source.
type shipment struct {
	whole  *text // the place
	target string
	from   *text // one of these two is set
	text   *text
	mode   uint32 // 0: that of the source, or 0644
	on     []string
}

var textKeys = append([]string{"host", "address"}, limitKeys...)

// files reads what is shipped: a map from targets to their sources.
var files = binding[File]{
	words: "map", inner: []*table{shipmentFields.table()},
	schema: schema{
		"type": "object", "additionalProperties": anyOf(nonEmpty, ref(shipmentFields.def)),
		"propertyNames": schema{"not": schema{"pattern": `^/|(^|/)\.\.(/|$)`}},
	},
	read: func(v value, f *File) {
		if !v.isMap(`such as {bin/server: ./server, server.conf: {text: "port 7000\n"}}`, "must be a map") {
			return
		}
		for _, child := range v.pairs() {
			err := message.CheckTarget(child.key)
			if err == nil && strings.Contains(child.key, "{{") {
				err = fmt.Errorf("%q can't be a template: the file is at the same path in each datapoint, only its source may differ", child.key)
			}
			if err != nil {
				v.wrongKey(child, "", "%v", err)
				continue
			}
			s := &shipment{whole: &text{at: child.at, field: child.path}, target: child.key}
			if child.kind == mapNode {
				shipmentFields.read(child, s)
			} else {
				s.from = filled(limitKeys, "").read(child)
			}
			f.files = append(f.files, s)
		}
	},
}

// checkShipment checks that there is one source.
func checkShipment(v value, _ *shipment, given found) {
	content, hasText := given.get("text")
	switch {
	case given.has("from") && hasText:
		v.in.add(content.pos, v.path, "", `give "from" or "text", not both`)
	case !given.meant("from", "text"):
		v.wrong("such as from: ./server", `"from" is missing: it is the file to ship`)
	}
}

// permissions are those of a file, in octal.
var permissions = shape[uint32]{
	"permissions in octal, in quotes",
	schema{"type": []string{"string", "integer"}, "pattern": "^0?[0-7]{1,3}$"},
	func(v value) uint32 {
		mode, err := strconv.ParseUint(v.node.text, 8, 32)
		if (v.kind != stringNode && v.kind != numberNode) || err != nil || mode > 0o777 || mode == 0 {
			v.wrong(`such as "0755"`, "must be permissions in octal")
		}
		return uint32(mode) // at most 0777
	},
}
