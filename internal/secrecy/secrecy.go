// Package secrecy keeps what this program knows, the password of the broker above
// all, from the programs that it runs as the same user.
//
// Root can read everything at any time, and so can whoever may trace any process.
package secrecy

import (
	"slices"
	"strings"
)

// withheld begin the names of variables that a program under test has no business
// with: our own configuration, and the credentials by which SQS is reached.
var withheld = []string{"DOWNBEAT_", "AWS_"}

// Environ is what of an environment ("KEY=value") is passed on to programs: all
// but our own configuration and AWS_*, and of these the variables named by pass.
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

// isSecret reports whether the value of a variable is, or may hold, a secret. The
// names of a run that this program may itself be part of are none, and are what
// its processes are found by.
func isSecret(name string) bool {
	return strings.HasPrefix(name, "AWS_") || name == "DOWNBEAT_QUEUE" || name == "DOWNBEAT_QUEUE_URL"
}

// hidden is the block of an environment with a * for each byte of a secret.
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
