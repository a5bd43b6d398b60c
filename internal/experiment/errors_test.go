package experiment

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestErrors: all that is wrong with a file is said at once, with its place and
// what to do about it, in exactly these words.
func TestErrors(t *testing.T) {
	t.Parallel()
	const golden = "testdata/errors.txtar"
	archive, err := txtar.ParseFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		in, want := archive.Files[i], &archive.Files[i+1]
		if want.Name != in.Name+".want" {
			t.Fatalf("%s: %s is followed by %s", golden, in.Name, want.Name)
		}
		_, err := Parse(in.Name, in.Data)
		if err == nil {
			t.Errorf("%s: Parse finds nothing wrong", in.Name)
			continue
		}
		got := err.Error() + "\n"
		if *update {
			want.Data = []byte(got)
		}
		if got != string(want.Data) {
			t.Errorf("%s:\ngot\n%swant\n%s", in.Name, got, want.Data)
		}
	}
	if *update {
		if err := os.WriteFile(golden, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestErrorsOfBytes: what is no text at all is refused for what it is.
func TestErrorsOfBytes(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"empty", "", "x.yaml: the file is empty (docs/file.md says what goes into it)"},
		{"blank", " \r\n\t\n", "x.yaml: the file is empty (docs/file.md says what goes into it)"},
		{"BOM alone", "\ufeff", "x.yaml: the file is empty (docs/file.md says what goes into it)"},
		{"UTF-16", "\xff\xfeh\x00", "x.yaml: the text is UTF-16 (save it as UTF-8)"},
		{"NUL", "name: x\nho\x00sts: {}", "x.yaml:2:3: a NUL byte: this is not a text file"},
		{"binary", "\x7fELF\x02\x01\x01\x00", "x.yaml:1:8: a NUL byte: this is not a text file"},
		{"Latin-1", "name: é\nhosts: {a: [\xe9]}", "x.yaml:2:13: byte 0xe9 is not UTF-8"},
		{"control character", "name: x\nhosts: {a: [é\x1b[2J]}", `x.yaml:2:14: the control character U+001B (in double quotes it can be written as an escape, such as "\x1b")`},
		{"escaped NUL", `{"hosts": {"a": ["echo \u0000"]}}`, "x.yaml:1:18: hosts.a[0]: contains a NUL byte"},
		{"escaped NUL in a name", `{"hosts": {"a\u0000": ["echo"]}}`, `x.yaml:1:12: hosts: "a\x00" is not a usable name: 1 to 63 letters, digits, '.', '_' and '-', the first a letter, a digit or '_'`},
		{"huge", strings.Repeat(" ", MaxSource+1), "x.yaml: larger than 4 MiB: that is not an experiment"},
		{"huge YAML", "a: " + strings.Repeat("x", maxYAMLSource), "x.yaml: larger than 1 MiB of YAML (write large files as JSON)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("x.yaml", []byte(tt.in))
			if err == nil || firstLine(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// TestBombs: files made to use up time or memory are refused while they are small.
func TestBombs(t *testing.T) {
	t.Parallel()
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [x]\n")
	for i := 1; i < 12; i++ {
		n, last := string(rune('a'+i)), string(rune('a'+i-1))
		if i == 1 {
			last = "a0"
		}
		laughs.WriteString(n + ": &" + n + " [" + strings.Repeat("*"+last+", ", 10) + "]\n")
	}
	tests := []struct{ name, file, in, want string }{
		{"billion laughs", "x.yaml", laughs.String(), "more than 200000 values"},
		{"deep JSON", "x.json", strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "nested more than 50 levels deep"},
		{"deeper JSON", "x.json", strings.Repeat("[", 1<<20), "exceeded max depth"},
		{"wide JSON", "x.json", "[" + strings.Repeat("1,", 300_000) + "1]", "more than 200000 values"},
		{"deep flow", "x.yaml", strings.Repeat("[", 1<<16), "nested more than 50 levels deep"},
		{"deep sequence", "x.yaml", strings.Repeat("- ", 1<<15) + "a", "nested more than 50 levels deep"},
		{"deep stairs", "x.yaml", stairs(100), "nested more than 50 levels deep"},
		{"deeper stairs", "x.yaml", stairs(1000), "nested more than 50 levels deep"},
		{"many anchors", "x.yaml", strings.Repeat("&a ", 1<<16), "did not find expected <document start>"},
		{"wide YAML", "x.yaml", strings.Repeat("- a: b\n", 100_000), "more than 200000 values"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(tt.file, []byte(tt.in))
			if err == nil || !strings.Contains(firstLine(err), tt.want) {
				t.Errorf("got %.200v, want %s", err, tt.want)
			}
		})
	}
}

func stairs(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// TestTooLong: what no host could execute or no queue carry is refused before
// it is tried.
func TestTooLong(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxText-10)
	tests := []struct{ name, group, want string }{
		{"argument", `"run": ["x", "` + long + `0123456789a"]`, "longer than 128 KiB"},
		{"variable", `"run": "x", "env": {"A": "` + long + `0123456789"}`, "longer than 128 KiB"},
		{"job", `"count": 40, "run": ["x", "` + long + `"]`, "too much for one job"},
		{"run", `"count": 900, "on": ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10", "a11", "a12", "a13", "a14", "a15", "a16", "a17", "a18", "a19", "a20"], "run": ["x", "` + long + `"]`, "too much for one run"},
		{"none", `"count": 30, "run": ["x", "` + long + `"]`, ""},
	}
	var hosts strings.Builder
	for i := range 20 {
		fmt.Fprintf(&hosts, `"a%d": null, `, i+1)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			group := tt.group
			if !strings.Contains(group, `"on"`) {
				group = `"on": "a", ` + group
			}
			_, err := Parse("x.json", []byte(`{"hosts": {`+hosts.String()+`"a": null}, "groups": {"g": {`+group+`}}}`))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %.300v, want %s", err, tt.want)
			}
		})
	}
}

// TestErrorIs: an error of Load is an *Error and shows what lies beneath.
func TestErrorIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "none.json")
	_, err := Load(missing, nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("errors.Is(%v, fs.ErrNotExist) is false", err)
	}
	if want := missing + ": there is no such file"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	_, err = Load(dir, nil)
	if e, ok := errors.AsType[*Error](err); !ok || e.File != dir || !strings.Contains(e.Message, "directory") {
		t.Errorf("Load of a directory: got %v", err)
	}
	_, err = Load("-", strings.NewReader("hosts: {a: []}"))
	e, ok := errors.AsType[*Error](err)
	if !ok || e.File != "standard input" || e.Line != 1 || e.Column != 12 || e.Field != "hosts.a" || e.Hint == "" {
		t.Errorf("Load of standard input: got %#v", e)
	}
}

// TestLoad: a file and standard input are read to their ends, endless ones are not.
func TestLoad(t *testing.T) {
	t.Parallel()
	const text = `{"hosts": {"a": ["echo"]}}`
	path := filepath.Join(t.TempDir(), "greeting.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path, nil)
	if err != nil || f.Name != "greeting" || f.Path != path || string(f.Source) != text {
		t.Errorf("Load(file): got %+v, %v", f, err)
	}
	f, err = Load("-", strings.NewReader(text))
	if err != nil || f.Name != "experiment" || string(f.Source) != text {
		t.Errorf("Load(-): got %+v, %v", f, err)
	}
	if _, err = Load("-", endless{}); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("Load of an endless stream: got %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte{' '}, len(p))), nil }

// TestErrorsAreCut: a file that is all wrong gives a page of errors, not a book.
func TestErrorsAreCut(t *testing.T) {
	t.Parallel()
	_, err := Parse("x.yaml", []byte("hosts: {a: [echo]}\n"+strings.Repeat("x: 1\n", 30)))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != maxShown+1 || lines[maxShown] != "x.yaml: and 10 more" {
		t.Errorf("got %d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}
