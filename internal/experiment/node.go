package experiment

// A pos is a place in the file: line and column from 1, columns in characters. The
// zero pos means no place.
type pos struct{ line, column int }

type kind uint8

const (
	nullNode kind = iota
	boolNode
	numberNode
	stringNode
	listNode
	mapNode
)

// String names the kind as an error message wants it.
func (k kind) String() string {
	return [...]string{"null", "true or false", "a number", "a string", "a list", "a map"}[k]
}

// A node is a value of the file, whether JSON or YAML. It keeps its place, and maps
// keep their order and duplicate keys.
type node struct {
	kind  kind
	pos   pos
	text  string  // of a bool or number as it was written, of a string its value
	items []*node // of a list
	pairs []pair  // of a map
}

type pair struct {
	key   string
	pos   pos // of the key
	value *node
}

// Limits on a file's structure: aliases can multiply it, and no experiment is
// nested that deep.
const (
	maxNodes = 200_000
	maxDepth = 50
)

// A cursor turns byte offsets into places. Offsets must not decrease from call
// to call, so that a file of one long line costs no more than any other.
type cursor struct {
	data   []byte
	offset int
	at     pos
}

func newCursor(data []byte) *cursor { return &cursor{data: data, at: pos{1, 1}} }

func (c *cursor) pos(offset int) pos {
	for offset = min(offset, len(c.data)); c.offset < offset; c.offset++ {
		switch b := c.data[c.offset]; {
		case b == '\n':
			c.at.line++
			c.at.column = 1
		case b&0xC0 != 0x80: // not the continuation of a character
			c.at.column++
		}
	}
	return c.at
}
