package message

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Limits on the parts of a JSON text, whatever its size. A list of millions of
// empty objects takes a hundred times the memory of its text once it is decoded,
// so all is counted before anything is made of it.
const (
	maxDepth   = 32
	maxObjects = 1 << 16 // processes, steps, files; some ten thousand commands make a large job
	maxValues  = 1 << 20 // in lists and objects, all together
	maxMembers = 1 << 14 // of one object, such as an environment
)

// fewMembers is how many members an object has whose map is worth being cleared.
const fewMembers = 64

// A scanner goes through a JSON text without making anything of it. What is not
// JSON it may overlook: that is for the decoder to find.
type scanner struct {
	data    []byte
	visit   func(key string, value []byte) error // of each member of the outermost object
	open    []level
	values  int
	objects int

	key   string // of the member of the outermost object that is being read
	start int    // where its value begins; 0: nowhere
}

// A level is an object or list that is open.
type level struct {
	object bool
	inKey  bool // an object in which a key comes next
	keys   map[string]struct{}
}

// scan checks a JSON text against the limits, refuses an object that has a member
// twice (readers would disagree about which counts) and bytes that are not UTF-8,
// and calls visit, if any, with each member of the outermost object, the value
// as it stands in the text.
func scan(data []byte, visit func(key string, value []byte) error) error {
	if !utf8.Valid(data) {
		return fmt.Errorf("%w: it is not UTF-8", ErrMalformed)
	}
	s := scanner{data: data, visit: visit}
	for i := 0; i < len(data); i++ {
		var err error
		switch data[i] {
		case '"':
			i, err = s.text(i)
		case '{', '[':
			err = s.enter(data[i] == '{')
		case '}', ']':
			err = s.value(i)
			s.open = s.open[:max(len(s.open)-1, 0)]
		case ',':
			err = s.next(i)
		case ':':
			if len(s.open) == 1 && s.start == 0 {
				s.start = i + 1
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enter opens an object or a list.
func (s *scanner) enter(object bool) error {
	s.values++
	if object {
		s.objects++
	}
	var keys map[string]struct{}
	if n := len(s.open); n < cap(s.open) { // that of an object before, to be used again
		keys = s.open[:n+1][n].keys
	}
	if len(keys) > fewMembers {
		keys = nil
	}
	clear(keys)
	s.open = append(s.open, level{object: object, inKey: object, keys: keys})
	if len(s.open) > maxDepth {
		return fmt.Errorf("%w: it is nested more than %d deep", ErrMalformed, maxDepth)
	}
	return s.count()
}

func (s *scanner) count() error {
	if s.objects > maxObjects || s.values > maxValues {
		return fmt.Errorf("%w: it has more than %d objects or %d values", ErrTooLarge, maxObjects, maxValues)
	}
	return nil
}

// next takes the comma at i.
func (s *scanner) next(i int) error {
	s.values++
	if err := s.value(i); err != nil {
		return err
	}
	if n := len(s.open); n > 0 {
		s.open[n-1].inKey = s.open[n-1].object
	}
	return s.count()
}

// value ends the value of a member of the outermost object before i, if one is open.
func (s *scanner) value(i int) error {
	if len(s.open) != 1 || s.start == 0 {
		return nil
	}
	value := bytes.TrimSpace(s.data[s.start:i])
	s.start = 0
	if s.visit == nil {
		return nil
	}
	return s.visit(s.key, value)
}

// text takes the string that begins at i, and returns where it ends.
func (s *scanner) text(i int) (int, error) {
	end := i + 1
	for end < len(s.data) && s.data[end] != '"' {
		if s.data[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(s.data) {
		return end, fmt.Errorf("%w: a string does not end", ErrMalformed)
	}
	n := len(s.open)
	if n == 0 || !s.open[n-1].inKey {
		return end, nil
	}
	return end, s.member(&s.open[n-1], s.data[i:end+1])
}

// member takes a key of an object.
func (s *scanner) member(l *level, quoted []byte) error {
	l.inKey = false
	key := string(quoted[1 : len(quoted)-1])
	if bytes.IndexByte(quoted, '\\') >= 0 {
		if err := json.Unmarshal(quoted, &key); err != nil {
			return fmt.Errorf("%w: a key is not a string", ErrMalformed)
		}
	}
	if _, twice := l.keys[key]; twice {
		return fmt.Errorf("%w: %.40q occurs twice in one object", ErrMalformed, key)
	}
	if l.keys == nil {
		l.keys = make(map[string]struct{})
	}
	l.keys[key] = struct{}{}
	if len(l.keys) > maxMembers {
		return fmt.Errorf("%w: an object has more than %d members", ErrTooLarge, maxMembers)
	}
	if len(s.open) == 1 {
		s.key = key
	}
	return nil
}
