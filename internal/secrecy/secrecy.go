// Package secrecy hides this program's secrets, above all the broker's password, from the
// programs that it runs as the same user.
//
// Root, and users who may trace any process, can still read everything.
package secrecy

import (
	"slices"
	"strings"
)

// withheld are the prefixes of variables that a program under test must not see: our own
// configuration, and the credentials for SQS.
var withheld = []string{"DOWNBEAT_", "AWS_"}

// Environ is the part of an environment ("KEY=value") that is passed on to programs: everything
// except our own configuration and AWS_*, of which only the variables named in pass are kept.
func Environ(environ, pass []string) []string {
	var env []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if slices.Contains(pass, name) || !isWithheld(name) {
			env = append(env, entry)
		}
	}
	return env
}

func isWithheld(name string) bool {
	return slices.ContainsFunc(withheld, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// isSecret reports whether the value of a variable is, or may hold, a secret. The variables of
// a run that this program may itself be part of are not secret: its processes are found by
// them.
func isSecret(name string) bool {
	return strings.HasPrefix(name, "AWS_") || name == "DOWNBEAT_QUEUE" || name == "DOWNBEAT_QUEUE_URL"
}

// hidden is the block of an environment with each byte of a secret replaced by a *.
func hidden(block []byte) []byte {
	block = slices.Clone(block)
	for at := 0; at < len(block); {
		end := at + len(cString(block[at:]))
		if name, value, ok := strings.Cut(string(block[at:end]), "="); ok && isSecret(name) {
			for i := range len(value) {
				block[end-1-i] = '*'
			}
		}
		at = end + 1
	}
	return block
}

func cString(b []byte) []byte {
	if i := slices.Index(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}
