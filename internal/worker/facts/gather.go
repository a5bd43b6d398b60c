package facts

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"downbeat/internal/facts"
	"downbeat/internal/message"
	"downbeat/internal/runner"
)

// Work is what a run executes on this host, as it was found before anything was executed.
type Work struct {
	dir      string            // the run's
	shipped  map[string]string // hashes of files that were put into it, by path: they are known
	commands []command
	found    map[string]place // by what they were looked for
}

// A command is one that is executed: its number in the job, where its program is, and which
// arguments are files.
type command struct {
	number    int
	name      string
	place     place
	arguments []argument
}

type place struct {
	program, interpreter string
	err                  error
}

type argument struct {
	text, path string
	size       int64
}

// NewWork is for a run whose directory is dir. shipped are the hashes of files that were put
// into it, by path.
func NewWork(dir string, shipped map[string]string) *Work {
	return &Work{dir: dir, shipped: shipped, found: make(map[string]place)}
}

// Add finds out where a command's program is, and which of its arguments are files: what it
// writes itself is not there yet. Only an argument that is nothing but a file's name is one.
func (w *Work) Add(number int, c *runner.Command) {
	added := command{number: number, name: c.Argv[0]}
	key := c.Argv[0] + "\x00" + c.Dir + "\x00"
	if i := slices.IndexFunc(c.Env, func(entry string) bool { return strings.HasPrefix(entry, "PATH=") }); i >= 0 {
		key += c.Env[i]
	}
	var ok bool
	if added.place, ok = w.found[key]; !ok {
		p := &added.place
		p.program, p.interpreter, p.err = runner.Locate(c)
		w.found[key] = *p
	}
	for _, arg := range c.Argv[1:] {
		if len(added.arguments) == mostArguments {
			break
		}
		if arg == "" || strings.HasPrefix(arg, "-") {
			continue
		}
		path := arg
		if !filepath.IsAbs(path) {
			path = filepath.Join(c.Dir, path)
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			added.arguments = append(added.arguments, argument{arg, path, info.Size()})
		}
	}
	w.commands = append(w.commands, added)
}

const (
	// watched is for how long the use of the processors is measured.
	watched = 250 * time.Millisecond
	// mostArguments is how many files of a command's arguments are told of, maxArgument how
	// large one may be: a program's input can be anything.
	mostArguments = 4
	maxArgument   = 64 << 20
)

// Gather finds out the facts of a run that begins now. It takes a while, and less when hurry
// is closed; when ctx ends, what is not known by then is left out. The processes of the run
// are to be disturbed as little as can be: what it does has the least priority.
func (r *Reader) Gather(ctx context.Context, hurry <-chan struct{}, w *Work) *message.FactsInfo {
	runtime.LockOSThread() // for good: the thread ends with its goroutine
	yieldToOthers()
	before := r.usage()
	info := &message.FactsInfo{Host: r.Host(), Programs: r.programsOf(ctx, w)}
	wait := time.NewTimer(time.Until(before.at.Add(watched)))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-hurry:
	case <-ctx.Done():
	}
	r.foreign(&info.Host, before, r.usage())
	return info
}

// Now gives the facts of this host outside of a run, which takes a moment.
func (r *Reader) Now(ctx context.Context) facts.HostFacts {
	return r.Gather(ctx, nil, NewWork("", nil)).Host
}

// programsOf describes what the commands execute, each program once.
func (r *Reader) programsOf(ctx context.Context, w *Work) []message.ProgramInfo {
	var all []message.ProgramInfo
	at := make(map[string]int)
	for i := range w.commands {
		c := &w.commands[i]
		p := r.programOf(ctx, c, w)
		key, _ := json.Marshal(p) // of plain texts: it can't fail
		n, ok := at[string(key)]
		if !ok {
			n = len(all)
			at[string(key)] = n
			all = append(all, message.ProgramInfo{Program: p})
		}
		all[n].Commands = append(all[n].Commands, c.number)
	}
	return all
}

func (r *Reader) programOf(ctx context.Context, c *command, w *Work) facts.ProgramFacts {
	if c.place.err != nil {
		return facts.ProgramFacts{Path: c.name, Reason: c.place.err.Error()}
	}
	p := r.program(ctx, c.place.program, w)
	if c.place.interpreter != "" {
		by := r.program(ctx, c.place.interpreter, w)
		p.Interpreter = &by
	}
	for _, a := range c.arguments {
		p.Arguments = append(p.Arguments, r.argument(ctx, a, w))
	}
	return p
}

func (r *Reader) argument(ctx context.Context, a argument, w *Work) facts.FileFacts {
	f := facts.FileFacts{Path: a.text, Bytes: a.size}
	if rel, err := filepath.Rel(w.dir, a.path); err == nil && w.shipped[rel] != "" {
		f.SHA256 = w.shipped[rel]
		return f
	}
	if a.size <= maxArgument {
		if p, err := r.file(ctx, a.path); err == nil {
			f.Bytes, f.SHA256 = p.Bytes, p.SHA256
		}
	}
	return f
}
