package experiment

import (
	"fmt"
	"strings"

	"downbeat/internal/slips"
)

// didYouMean proposes the name most like the one given, or else lists the names if
// they are few. Errors that won't be shown get no hint, since it takes time.
func (r *report) didYouMean(got string, names []string) string {
	if len(r.errors) > maxShown {
		return ""
	}
	if n := nearest(got, names); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	if len(names) == 0 || len(names) > 12 {
		return ""
	}
	return "known: " + strings.Join(names, ", ")
}

// nearest gives the name that is within a few typing mistakes of got, or "".
func nearest(got string, names []string) string {
	if len(got) > 64 {
		return "" // no name is so long
	}
	best, name := max(1, len(got)/3)+1, ""
	for _, n := range names {
		if strings.EqualFold(n, got) {
			return n
		}
		if len(n) > len(got)+best || len(got) > len(n)+best {
			continue // no need to count: it can't be nearer
		}
		if d := slips.Distance(got, n); d < best && d < len(got) {
			best, name = d, n
		}
	}
	return name
}
