package message

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// CheckPattern reports whether pattern can pick files of a run's directory: a
// path with "*", "?", "[...]" and "{a,b}" within an element, and "**" for any
// number of elements, that stays in the directory.
func CheckPattern(pattern string) error {
	switch elements := strings.Split(pattern, "/"); {
	case pattern == "":
		return errors.New("the pattern is empty")
	case strings.HasPrefix(pattern, "/"):
		return fmt.Errorf("%.80q is absolute: patterns are seen from the run's directory", pattern)
	case slices.Contains(elements, ".."):
		return fmt.Errorf("%.80q leads out of the run's directory", pattern)
	case strings.ContainsRune(pattern, 0):
		return fmt.Errorf("%.80q contains a NUL byte", pattern)
	case len(pattern) > maxPattern:
		return fmt.Errorf("the pattern has %d bytes, at most %d are taken", len(pattern), maxPattern)
	case !doublestar.ValidatePattern(pattern):
		return fmt.Errorf("%.80q is not a pattern: a bracket or brace is not closed", pattern)
	case path.Clean(pattern) == ".":
		return fmt.Errorf("%.80q is the run's directory itself: write ** for all that is in it", pattern)
	}
	return nil
}

const maxPattern = 4096

// A PathSet says which paths any of some patterns picks.
type PathSet struct{ patterns []string }

// NewPathSet makes the set of patterns that [CheckPattern] finds nothing wrong
// with. One without a wildcard that names a directory picks all that is below it.
func NewPathSet(patterns []string) PathSet {
	var s PathSet
	for _, p := range patterns {
		p = path.Clean(p)
		s.patterns = append(s.patterns, p)
		if !strings.ContainsAny(p, `*?[{\`) {
			s.patterns = append(s.patterns, p+"/**")
		}
	}
	return s
}

// Has reports whether a pattern picks the path of a file.
func (s PathSet) Has(file string) bool {
	return slices.ContainsFunc(s.patterns, func(p string) bool { return doublestar.MatchUnvalidated(p, file) })
}

// MayBeBelow reports whether a pattern can pick a path below the directory. It
// may be wrong only in saying so.
func (s PathSet) MayBeBelow(dir string) bool {
	return slices.ContainsFunc(s.patterns, func(p string) bool { return mayBeBelow(p, dir) })
}

func mayBeBelow(pattern, dir string) bool {
	if strings.Contains(pattern, "{") { // may hold slashes
		return true
	}
	want, have := strings.Split(pattern, "/"), strings.Split(dir, "/")
	for i, element := range have {
		switch {
		case i >= len(want):
			return false
		case want[i] == "**":
			return true
		case !doublestar.MatchUnvalidated(want[i], element):
			return false
		}
	}
	return len(want) > len(have)
}
