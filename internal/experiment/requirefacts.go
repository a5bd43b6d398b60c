package experiment

import "downbeat/internal/facts"

// requireSchema takes a condition for each name, and a text for each fact that is one.
func requireSchema() schema {
	s := mapSchema(anyOf(ref(checkFields.def), orListSchema(schema{
		"type": "string", "pattern": `^\s*(<|<=|>|>=)\s*[^<>=\s]|` + templatePattern, "examples": []string{"< 5ms", "> 1000"},
	})))
	texts := make(schema)
	for _, row := range facts.Rows {
		if row.Text != nil {
			texts[row.Name] = orListSchema(schema{"type": "string", "minLength": 1})
		}
	}
	s["properties"] = texts
	return s
}

// readFacts reads what is required of a fact of the hosts: of a number conditions, of a text
// those that are allowed.
func readFacts(v value) (list []requirement) {
	row, _ := facts.RowOf(v.key)
	if row.Text == nil {
		list = readRequirements(v)
	} else {
		list = readAllowed(v)
	}
	for i := range list {
		list[i].fact = true
	}
	return list
}

// readAllowed reads a text or a list of them.
func readAllowed(v value) (list []requirement) {
	items := v.oneOrMany()
	if len(items) == 0 {
		v.wrong("such as performance", "the list is empty")
	}
	for _, item := range items {
		if item.kind != stringNode {
			item.wrong("such as performance; in quotes, if it looks like a number or a truth value", "must be a text, not %s", item.kind)
			continue
		}
		if t := item.with(limitKeys).text(); t != nil {
			list = append(list, requirement{name: v.key, text: t})
		}
	}
	return list
}
