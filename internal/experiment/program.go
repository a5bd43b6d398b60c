package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A Program judges a run, on the publisher's machine, by what the run has left.
type Program struct {
	// Argv is the command without its last argument, the run's results directory.
	Argv []string
	// Dir is where it starts: the directory of the experiment's file.
	Dir     string
	Timeout time.Duration
	// Content is a hash of the files in Dir that Argv names, as they are now; empty if the program
	// itself isn't there.
	Content string
}

// Same reports whether the programs are one command, which needs to be run once for each run.
func (p *Program) Same(other *Program) bool {
	return p.Dir == other.Dir && p.String() == other.String()
}

// String is the command line.
func (p *Program) String() string {
	words := make([]string, len(p.Argv))
	for i, word := range p.Argv {
		words[i] = quoteWord(word)
	}
	return strings.Join(words, " ")
}

// Definition completes a definition that is made from the text of the file by the program's
// content, if that is known.
func (p *Program) definition(text string) string {
	if p == nil || p.Content == "" {
		return text
	}
	return text + contentMark + p.Content
}

// contentMark stands between what a definition has of the file and what it has of a program.
const contentMark = "."

// SameDefinition reports whether a number with a definition need not be taken again by another
// one. If the other's program is not there any more, its text decides.
func SameDefinition(before, now string) bool {
	text, _, _ := strings.Cut(before, contentMark)
	return before == now || text == now
}

// A judge is a program of the file with its templates.
type judge struct {
	command *command
	timeout *text
}

// programLine binds the command of a judge.
func programLine[T any](place func(t *T) *judge) binding[T] {
	return binding[T]{words: commandLine.words, schema: commandLine.schema, read: func(v value, t *T) {
		c := newCommand(v)
		commandLine.read(v.with(limitKeys), c)
		checkProgramLine(v, c)
		place(t).command = c
	}}
}

// programTimeout binds its time.
func programTimeout[T any](place func(t *T) *judge) binding[T] {
	return into(limit(notZero, limitKeys), func(t *T) **text { return &place(t).timeout })
}

// checkProgramLine checks a command that no shell can be had for but by naming it.
func checkProgramLine(v value, c *command) {
	if c.line == nil || !c.line.constant() {
		checkLine(v, c)
		return
	}
	_, err := c.words(c.line.src)
	if wrong, ok := errors.AsType[*wordError](err); ok && strings.HasPrefix(wrong.hint, "set shell") {
		err = &wordError{wrong.message, "name the shell: sh -c '...' judge, which has the run's directory as $1"}
	}
	if err != nil {
		v.in.problem(c.line, err)
	}
}

// program makes the program of a judge for the datapoint.
func (x *expansion) program(j *judge) *Program {
	if j.command == nil {
		return nil
	}
	data := x.data()
	p := &Program{Argv: x.argv(j.command, limitKeys, data), Timeout: x.limit(j.timeout, notZero, limitKeys, data)}
	var err error
	if p.Dir, err = filepath.Abs(x.file.base()); err != nil {
		x.fail(j.command.whole, &textError{fmt.Sprintf("the file's directory is not known: %v", err), ""})
	}
	if len(p.Argv) > 0 {
		p.Content = p.content(&x.file.contents)
	}
	return p
}

// largest is up to which size the content of a file that is named in a command counts, in bytes;
// of a larger one its size does.
const largest = 64 << 20

// content hashes the files that the command names.
func (p *Program) content(known *contents) string {
	if p.missing() != nil {
		return ""
	}
	all := sha256.New()
	for i, word := range p.Argv {
		if i == 0 && !strings.Contains(word, "/") {
			continue // it is looked for in PATH
		}
		if sum, ok := known.hashOf(p.path(word)); ok {
			fmt.Fprintf(all, "%d %s\n", i, sum)
		}
	}
	return hex.EncodeToString(all.Sum(nil))
}

func (p *Program) path(word string) string {
	if filepath.IsAbs(word) {
		return word
	}
	return filepath.Join(p.Dir, word)
}

// contents remember the hashes of files, which every datapoint and every run asks for. They may be
// used concurrently.
type contents struct {
	mu    sync.Mutex
	known map[string]knownContent // by path
}

// A knownContent is the hash of a file that had these properties.
type knownContent struct {
	size    int64
	changed time.Time
	sum     string
}

// hashOf is for regular files alone: whoever opens something else may wait.
func (c *contents) hashOf(path string) (string, bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	if info.Size() > largest {
		return fmt.Sprintf("%d bytes", info.Size()), true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.known[path]; ok && k.size == info.Size() && k.changed.Equal(info.ModTime()) {
		return k.sum, true
	}
	sum, ok := hashOfFile(path)
	if ok {
		if c.known == nil {
			c.known = make(map[string]knownContent)
		}
		c.known[path] = knownContent{info.Size(), info.ModTime(), sum}
	}
	return sum, ok
}

func hashOfFile(path string) (string, bool) {
	f, err := os.Open(path)
	if err != nil {
		return "", false
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", false
	}
	return hex.EncodeToString(sum.Sum(nil)), true
}

// missing says why the program can't be there to be run; nil if it can.
func (p *Program) missing() error {
	name := p.Argv[0]
	if !strings.Contains(name, "/") {
		if _, err := exec.LookPath(name); err != nil && !errors.Is(err, exec.ErrDot) {
			return &textError{fmt.Sprintf("there is no program %q in PATH", name), "one beside the experiment's file is ./" + name}
		}
		return nil
	}
	info, err := os.Stat(p.path(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &textError{fmt.Sprintf("there is no program %s", p.path(name)), "a relative path starts in the directory of the experiment's file"}
	case err != nil:
		return &textError{fmt.Sprintf("program %s: %v", p.path(name), err), ""}
	case info.IsDir():
		return &textError{fmt.Sprintf("%s is a directory, not a program", p.path(name)), ""}
	case info.Mode()&0o111 == 0:
		return &textError{fmt.Sprintf("%s can't be executed (mode %v)", p.path(name), info.Mode()), "chmod +x " + quoteWord(p.path(name))}
	}
	return nil
}

// checkPrograms checks that the programs that judge a run are there.
func (x *expansion) checkPrograms() {
	check := func(j *judge) {
		if j.command == nil {
			return
		}
		if p := x.program(j); len(p.Argv) > 0 {
			if err := p.missing(); err != nil {
				x.fail(j.command.whole, err)
			}
		}
	}
	for _, m := range x.file.metrics {
		check(&m.judge)
	}
	for i := range x.file.require {
		check(&x.file.require[i].judge)
	}
}
