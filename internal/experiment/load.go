package experiment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Load reads and checks the file at path; "-" is stdin. Its errors are [Errors].
func Load(path string, stdin io.Reader) (*File, error) {
	data, err := read(path, stdin)
	if err != nil {
		return nil, Errors{{File: displayName(path), Message: readProblem(err), Err: err}}
	}
	return Parse(displayName(path), data)
}

// Stdin is what standard input is called in messages.
const Stdin = "standard input"

func displayName(path string) string {
	if path == "-" {
		return Stdin
	}
	return path
}

func read(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(stdin, MaxSource+1))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxSource+1))
}

// readProblem describes err without the path, which the message begins with.
func readProblem(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "there is no such file"
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return fmt.Sprintf("read: %v", err)
}

// Parse checks data, the text of the file called name, and makes a trial
// expansion of it. Its errors are [Errors].
func Parse(name string, data []byte) (*File, error) { return ParseFrom(Origin{Path: name}, data) }

// An Origin says where the text of a file is from.
type Origin struct {
	// Path is what the file is called in messages.
	Path string
	// Dir is what the file's own paths are relative to; empty: the directory of
	// Path.
	Dir string
	// Name is the experiment's name if the file gives none; empty: made from Path.
	Name string
}

// ParseFrom is [Parse] for a text that is not in its original place.
func ParseFrom(from Origin, data []byte) (*File, error) {
	r := &report{path: from.Path}
	f, err := parseOnly(r, from, data)
	if err != nil {
		return nil, err
	}
	if err := f.rehearse(r); err != nil {
		return nil, err
	}
	return f, nil
}

// ParseJudges is [ParseFrom] for a file that is only used to judge existing runs,
// see [File.Judges]. There is no trial expansion, so the files to ship need not
// exist.
func ParseJudges(from Origin, data []byte) (*File, error) {
	return parseOnly(&report{path: from.Path}, from, data)
}

func parseOnly(r *report, from Origin, data []byte) (*File, error) {
	root := parseSource(r, data)
	if err := r.err(); err != nil {
		return nil, err
	}
	f := &File{Path: from.Path, Source: data, dir: from.Dir, Name: from.Name}
	decode(r, root, f)
	if err := r.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// parseSource makes the tree of a JSON or YAML text, or reports why it can't.
func parseSource(r *report, data []byte) *node {
	if len(data) > MaxSource {
		r.add(pos{}, "", "", "larger than %d MiB: that is not an experiment", MaxSource>>20)
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		r.add(pos{}, "", "save it as UTF-8", "the text is UTF-16")
		return nil
	}
	if at, bad := badText(data); bad != "" {
		r.add(at, "", "", "%s", bad)
		return nil
	}
	text := bytes.TrimSpace(data)
	if len(text) == 0 {
		r.add(pos{}, "", "docs/file.md says what goes into it", "the file is empty")
		return nil
	}
	return parseText(r, data, text)
}

// parseText decides between JSON and YAML. A text that starts with a brace may be
// either: it is JSON if it parses as JSON.
func parseText(r *report, data, text []byte) *node {
	if strings.EqualFold(filepath.Ext(r.path), ".json") {
		return parseJSON(r, data)
	}
	if text[0] != '{' {
		return parseYAML(r, data)
	}
	asJSON := &report{path: r.path}
	if n := parseJSON(asJSON, data); n != nil {
		return n
	}
	asYAML := &report{path: r.path}
	if n := parseYAML(asYAML, data); n != nil {
		return n
	}
	// Neither. The key's quote shows what it was meant to be.
	if inside := bytes.TrimSpace(text[1:]); len(inside) == 0 || inside[0] == '"' {
		asYAML = asJSON
	}
	r.errors = append(r.errors, asYAML.errors...)
	return nil
}

// badText finds bytes that a text can't have: NUL, and what is not UTF-8.
func badText(data []byte) (pos, string) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return newCursor(data).pos(i), "a NUL byte: this is not a text file"
	}
	if utf8.Valid(data) {
		return pos{}, ""
	}
	i := 0
	for i < len(data) {
		c, size := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	return newCursor(data).pos(i), fmt.Sprintf("byte 0x%02x is not UTF-8", data[i])
}
