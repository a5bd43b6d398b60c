// Package settings describes the environment variables of our programs, and finds
// misspelt ones: a variable that no program reads would silently change nothing.
package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"downbeat/internal/slips"
)

// Prefix begins the names of all our variables.
const Prefix = "DOWNBEAT_"

// The names of the variables by program, without the prefix. One file of settings
// often serves both, so each program accepts those of the other.
var worker, publish = Names(&Worker{}), Names(&Publish{})

// given are the variables that processes of a run get. One of them may be a program
// of ours.
var given = []string{"GROUP", "HOST", "INDEX", "LOCAL", "PROCESS", "RANK", "RUN"}

// elsewhere are the prefixes of the variables of tests and of the Compose file.
var elsewhere = []string{"COMPOSE_", "TEST_"}

// serviceLink matches what Kubernetes sets in each container for a service whose
// name begins with ours, without the prefix.
var serviceLink = regexp.MustCompile(`^([A-Z0-9_]+_)?(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// Unknown looks for variables with our prefix that no program reads. spec is what the
// program itself reads, a [*Worker] or [*Publish]. A variable that is nearly one of the
// program's, or of the other's, is an error. The others may be meant for something
// else: they are warnings.
func Unknown(program string, spec any, environ []string) (errs []error, warnings []string) {
	own := Names(spec)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if value == "" || len(name) <= len(Prefix) || !strings.EqualFold(name[:len(Prefix)], Prefix) {
			continue
		}
		short := name[len(Prefix):]
		if strings.HasPrefix(name, Prefix) && known(short) {
			continue
		}
		if meant := nearest(strings.ToUpper(short), own); meant != "" {
			errs = append(errs, fmt.Errorf("%s is not a variable of %s: did you mean %s%s?", name, program, Prefix, meant))
			continue
		}
		warnings = append(warnings, fmt.Sprintf("%s is set, but is not a variable of %s, and nothing reads it (see %s --help)", name, program, program))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	slices.Sort(warnings)
	return errs, warnings
}

func known(short string) bool {
	return slices.Contains(worker, short) || slices.Contains(publish, short) || slices.Contains(given, short) || serviceLink.MatchString(short) ||
		slices.ContainsFunc(elsewhere, func(prefix string) bool { return strings.HasPrefix(short, prefix) })
}

// nearest is the variable that was probably meant, the program's own before the
// other's; "" where none is like it.
func nearest(got string, own []string) string {
	best, name := len(got), ""
	for _, candidate := range slices.Concat(own, worker, publish) {
		d, most := slips.Distance(strings.ReplaceAll(got, "_", ""), strings.ReplaceAll(candidate, "_", "")), allowed(got)
		if begins(got, candidate) || begins(candidate, got) {
			d, most = min(d, 2), max(most, 2)
		}
		if d <= most && d < best {
			best, name = d, candidate
		}
	}
	return name
}

// begins reports whether a name is a prefix of another, and not too short.
func begins(name, with string) bool { return len(with) > 2 && strings.HasPrefix(name, with) }

// allowed is how many letters may be wrong in a name of that length.
func allowed(name string) int {
	switch {
	case len(name) > 9:
		return 3
	case len(name) > 5:
		return 2
	}
	return 1
}
