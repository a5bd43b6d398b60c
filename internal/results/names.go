package results

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"downbeat/internal/streams"
)

// Longest parts of paths in bytes: file systems allow 255, and some room is left for suffixes.
const (
	maxName  = 100
	maxLabel = 200
)

// sanitize makes one path element of a text that a person chose: characters that could cause
// problems in a file system, a shell or a terminal become '_'. Different names may become the
// same.
func sanitize(text, fallback string, limit int) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.Is(unicode.Other, r):
			return '_'
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r), strings.ContainsRune("._-=,+", r):
			return r
		}
		return '_'
	}, text)
	for len(clean) > limit {
		_, size := utf8.DecodeLastRuneInString(clean)
		clean = clean[:len(clean)-size]
	}
	// A leading dot hides a directory, a leading dash makes it an option.
	clean = strings.TrimLeft(clean, ".-")
	if clean == "" {
		return fallback
	}
	return clean
}

// checkElement reports whether name, the name of a host or a process, can be used as it is in a
// path. Such names were checked before; this is the last line of defence against writing
// outside the run's directory.
func checkElement(what, name string) error {
	if name == "" || name == "." || name == ".." || len(name) > maxLabel || !utf8.ValidString(name) ||
		strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\\\x00") {
		return fmt.Errorf("%.80q can't be the name of a %s: it would not be a plain file name", name, what)
	}
	return nil
}

// The paths of one process's files, relative to the run's directory.
func outPath(host, process string) string { return path.Join(host, process+".out") }
func errPath(host, process string) string { return path.Join(host, process+".err") }

// TimesPath is the file with the times of what a process wrote, relative to the run's directory.
func TimesPath(host, process string) string { return path.Join(host, process+".times") }

// SamplesPath is the file with the samples of a host and its processes, relative to the run's
// directory.
func SamplesPath(host string) string { return path.Join(host, samplesFile) }

// samplesFile is what it is called. No process has such a name with nothing behind it.
const samplesFile = "samples"

// OutputPath is the file with the bytes that a process wrote to a stream, relative to the run's
// directory.
func OutputPath(host, process string, stream streams.Stream) string {
	if stream == streams.Stderr {
		return errPath(host, process)
	}
	return outPath(host, process)
}

// naturalLess orders names as people do: web.2 before web.10.
func naturalLess(a, b string) bool {
	for a != "" && b != "" {
		na, ra := leadingNumber(a)
		nb, rb := leadingNumber(b)
		if na != "" && nb != "" {
			ta, tb := strings.TrimLeft(na, "0"), strings.TrimLeft(nb, "0")
			if len(ta) != len(tb) {
				return len(ta) < len(tb)
			}
			if ta != tb {
				return ta < tb
			}
			if len(na) != len(nb) {
				return len(na) < len(nb)
			}
			a, b = ra, rb
			continue
		}
		if a[0] != b[0] {
			return a[0] < b[0]
		}
		a, b = a[1:], b[1:]
	}
	return len(a) < len(b)
}

func leadingNumber(s string) (digits, rest string) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n], s[n:]
}
