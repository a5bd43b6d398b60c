package lastwords

import "bytes"

// kind is what sort of report a finding begins, and so which lines may follow it.
type kind uint8

const (
	none      kind = iota
	traceback      // Python: its last line is to come
	exception      // one line, then indented ones: Java, Node, Ruby, Python's last line
	crash          // of a runtime that ends the process: Go, Rust, C++, glibc
	sanitized      // of a sanitizer, which includes everything that follows
	usage          // the line before a text of usage
)

// mostStrays is how many unrelated lines the report of a crash may contain: other threads write
// too, and so do the scripts around a program.
const mostStrays = 10

// take compares a line with the finding; before is the previous line.
func (f *finding) take(line, before []byte) {
	line = inner(line)
	text := bytes.TrimSpace(line)
	if f.joins {
		f.joins = false
		if len(text) > 0 {
			f.words = append(append(f.words, ' '), text...)
			return
		}
	}
	if len(text) == 0 || f.kind == sanitized || isTrailer(text) {
		return
	}
	if kind, words, joins := begins(line); kind != none {
		if f.kind == crash && kind == exception {
			return // a report's own "Caused by:" or the like
		}
		*f = finding{kind: kind, words: append(f.words[:0], words...), joins: joins}
		return
	}
	switch {
	case f.kind == traceback && !indented(line) && !bytes.HasPrefix(text, []byte("+-")):
		*f = finding{kind: exception, words: append(f.words[:0], text...)}
	case isFrame(line) && len(before) > 0 && f.kind != exception && f.kind != crash && f.kind != traceback:
		*f = finding{kind: exception, words: append(f.words[:0], before...)}
	case hasAnyPrefix(text, "Usage:", "usage:", "Usage of ", "USAGE:") && f.kind == none && len(before) > 0:
		*f = finding{kind: usage, words: append(f.words[:0], before...)}
	case f.kind == exception && !indented(line) && string(text) != "}" && string(text) != "Caused by:":
		*f = finding{words: f.words[:0]}
	case f.kind == crash && !indented(line) && !isDump(text):
		if f.strays++; f.strays > mostStrays {
			*f = finding{words: f.words[:0]}
		}
	}
}

// begins tells whether a line begins a report by itself, what it says, and whether
// the next line is part of that.
func begins(line []byte) (kind kind, words []byte, joins bool) {
	text := bytes.TrimSpace(line)
	switch {
	case bytes.Contains(text, []byte("ERROR: ")) && bytes.Contains(text, []byte("Sanitizer: ")),
		bytes.Contains(text, []byte("WARNING: ThreadSanitizer: ")):
		return sanitized, text, false
	case bytes.HasSuffix(text, []byte("Traceback (most recent call last):")):
		return traceback, nil, false
	case indented(line):
		return none, nil, false
	case hasAnyPrefix(text, "panic: ", "fatal error: ", "*** Error in ", "SIGSEGV: segm", "SIGABRT: abort", "SIGQUIT: quit", "SIGBUS: bus", "SIGILL: ill", "SIGFPE: float"),
		bytes.Contains(text, []byte(" detected ***: ")), bytes.Contains(text, []byte(": fatal error: ")), bytes.Contains(text, []byte("Segmentation fault")):
		return crash, text, false
	case bytes.HasPrefix(text, []byte("terminate called ")):
		return crash, text, bytes.Contains(text, []byte("after throwing an instance of"))
	case bytes.HasPrefix(text, []byte("thread '")) && bytes.Contains(text, []byte(" panicked at ")):
		return crash, text, bytes.HasSuffix(text, []byte(":"))
	case hasAnyPrefix(text, "Exception in thread ", "Caused by: ", "Uncaught "), isError(text):
		return exception, text, false
	}
	return none, nil, false
}

// isError reports whether a line begins with the name of an error, as Python, Node,
// Java and Rust print it: "ValueError: no such key", "java.io.IOException: x".
func isError(text []byte) bool {
	name := bytes.TrimPrefix(text, []byte("["))
	if end := bytes.IndexAny(name, ": "); end >= 0 {
		name = name[:end]
	}
	if !hasAnySuffix(name, "Error", "Exception") || len(name) > 100 {
		return false
	}
	for _, c := range name {
		if c != '.' && c != '_' && c != '$' && !isAlphanumeric(c) {
			return false
		}
	}
	return true
}

// isFrame reports whether a line is one of a stack, as Java, Node, .NET and Ruby print it.
func isFrame(line []byte) bool {
	return indented(line) && hasAnyPrefix(bytes.TrimSpace(line), "at ", "from ")
}

// isDump reports whether a line that is not indented may be part of a crash's report.
func isDump(text []byte) bool {
	return hasAnyPrefix(text, "goroutine ", "created by ", "[signal ", "runtime", "stack backtrace:", "note: ", "PC=", "...", "=====", "#", "/", "[0x",
		"panic(", "fatal: ", "rip ", "compilation terminated.") ||
		bytes.HasSuffix(text, []byte(")")) && bytes.IndexByte(text, '(') > 0 || // a function of Go's
		isRegister(text)
}

// isRegister reports whether a line is "rax    0x0".
func isRegister(text []byte) bool {
	fields := bytes.Fields(text)
	return len(fields) == 2 && len(fields[0]) <= 6 && bytes.HasPrefix(fields[1], []byte("0x"))
}

// isTrailer reports whether a line only says that a command has failed, as written by the
// program that started it.
func isTrailer(text []byte) bool {
	switch {
	case hasAnyPrefix(text, "exit status ", "signal: ", "make: *** ", "npm ERR! ", "npm error ", "error Command failed", "Node.js v", "compilation terminated.", "Aborted ("):
		return true
	case bytes.HasPrefix(text, []byte("make[")):
		return bytes.Contains(text, []byte("]: *** "))
	}
	return bytes.Equal(text, []byte("Aborted"))
}

// inner removes the frame that Python draws around the parts of a group of exceptions.
func inner(line []byte) []byte {
	if text := bytes.TrimLeft(line, " "); hasAnyPrefix(text, "| ") {
		return text[2:]
	}
	return line
}

func indented(line []byte) bool {
	return len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
}

func hasAnyPrefix(text []byte, prefixes ...string) bool {
	for _, p := range prefixes {
		if len(text) >= len(p) && string(text[:len(p)]) == p {
			return true
		}
	}
	return false
}

func hasAnySuffix(text []byte, suffixes ...string) bool {
	for _, s := range suffixes {
		if len(text) >= len(s) && string(text[len(text)-len(s):]) == s {
			return true
		}
	}
	return false
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
