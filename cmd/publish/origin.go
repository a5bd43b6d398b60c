package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
	"downbeat/internal/version"
)

// Where `publish resume` finds the experiment's file. The results have its absolute path, so
// the directory in which resume is called doesn't matter: another experiment's file may have
// the same name there.

// An origin is what the flags say about the file.
type origin struct {
	file   string // where it is now; empty: where it was
	stored bool   // use the copy in the results, whatever is there now
}

// A reread is the file as the next runs use it.
type reread struct {
	meta   results.Meta
	file   *experiment.File
	before *experiment.File // as it was last; nil if it is the same, or if this program can't read it
}

// reread reads the experiment's file again.
func (a *app) reread(meta results.Meta, from origin) (*reread, error) {
	now, err := a.findFile(meta, from)
	if err != nil {
		return nil, usage(err)
	}
	r := &reread{meta: now}
	if r.file, err = parseStored(now); err != nil {
		return nil, usage(err)
	}
	if err := a.repeat(r.file); err != nil {
		return nil, err
	}
	if r.file.Name != meta.Name {
		return nil, usage(fmt.Errorf("%s is experiment %q now, but these are the results of %q; %s", now.File, r.file.Name, meta.Name, otherwise))
	}
	if !bytes.Equal(now.Source, meta.Source) {
		a.say("publish: %s has changed since; the datapoints that this affects will run again\n", now.File)
		if r.before, err = parseStored(meta); err != nil {
			r.before = nil
		}
	}
	if r.before != nil {
		a.adapt(r.before)
		if from.file == "" && unrelated(r.before, r.file) {
			return nil, usage(fmt.Errorf("%s is another experiment now: it shares no process and no program with that of these results; %s",
				now.File, otherwise))
		}
	}
	a.settle(r.file)
	return r, nil
}

// otherwise says what to do when the file that was found is not the right one.
const otherwise = "name the right file with --file FILE, or use the stored copy with --stored"

// findFile finds the file that the next runs use.
func (a *app) findFile(meta results.Meta, from origin) (results.Meta, error) {
	now := meta
	now.Version = version.String()
	switch {
	case from.stored:
		return now, nil
	case from.file != "":
		return readAt(now, from.file)
	case fromStdin(meta):
		a.say("publish: the experiment came from standard input; going on with the stored copy\n")
		return now, nil
	case meta.Path == "" && !filepath.IsAbs(meta.File):
		return a.guess(now)
	}
	found, err := readAt(now, orElse(meta.Path, meta.File))
	if err != nil {
		a.goneBy(err)
		return now, nil
	}
	return found, nil
}

// guess looks for the file of results that don't say in which directory it was. A file of that
// name here is used only if its content is the same.
func (a *app) guess(now results.Meta) (results.Meta, error) {
	found, err := readAt(now, now.File)
	switch {
	case err != nil:
		a.goneBy(err)
		return now, nil
	case !bytes.Equal(found.Source, now.Source):
		return now, fmt.Errorf("these results don't say in which directory %s was, and %s is not what was run: if it is that file, changed since, give --file %s; "+
			"to use the stored copy, give --stored", now.File, found.Path, found.Path)
	}
	return found, nil
}

func (a *app) goneBy(err error) {
	a.say("publish: the experiment's file can't be read any more (%v); going on with the stored copy. If it has moved, name its new place with --file FILE\n", err)
}

// readAt reads the file at path.
func readAt(now results.Meta, path string) (results.Meta, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return now, fmt.Errorf("there is no file %s", path)
	}
	if err != nil {
		return now, fmt.Errorf("read the experiment's file: %w", err)
	}
	if now.Path, err = filepath.Abs(path); err != nil {
		return now, fmt.Errorf("read the experiment's file: %w", err)
	}
	now.File, now.Source, now.Format = now.Path, data, formatOf(data)
	return now, nil
}

// formatOf says whether the file looks like JSON or YAML.
func formatOf(source []byte) string {
	if strings.HasPrefix(strings.TrimSpace(string(source)), "{") {
		return "json"
	}
	return "yaml"
}

// fromStdin reports whether the experiment came from standard input, for which earlier versions
// stored its name in messages.
func fromStdin(meta results.Meta) bool {
	return meta.Path == "" && (meta.File == "-" || meta.File == experiment.Stdin)
}

// parseStored parses the copy of a file in the results. Relative paths in it start where the
// file was, not here.
func parseStored(meta results.Meta) (*experiment.File, error) {
	return experiment.ParseFrom(originOf(meta), meta.Source)
}

func originOf(meta results.Meta) experiment.Origin {
	from := experiment.Origin{Path: orElse(meta.Path, meta.File), Name: meta.Name}
	if fromStdin(meta) {
		from.Path, from.Dir = experiment.Stdin, meta.Directory
	}
	return from
}

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}

// unrelated reports whether the first datapoints of two files share neither a process nor a
// program: an edited experiment keeps some of them.
func unrelated(before, now *experiment.File) bool {
	was, is := traits(before), traits(now)
	for trait := range is {
		if was[trait] {
			return false
		}
	}
	return len(was) > 0 && len(is) > 0
}

// traits are the names of the processes of a file's first datapoint and of their programs.
func traits(file *experiment.File) map[string]bool {
	of := make(map[string]bool)
	d, err := file.Points()[0].Expand(strings.Repeat("0", 26)) // not the id of any run
	if err != nil {
		return nil
	}
	for _, p := range d.Processes {
		of["process "+p.Host+"/"+p.Name] = true
		of["program "+filepath.Base(p.Argv[0])] = true
	}
	return of
}

// workDirectory is where embedded workers look for programs: after a resume, in the same
// directory as before.
func (a *app) workDirectory(meta results.Meta) (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	if meta.Directory == "" || meta.Directory == here || !a.embedded() {
		return here, nil
	}
	if info, _ := os.Stat(meta.Directory); info == nil || !info.IsDir() {
		a.say("publish: the directory %s, where programs were looked up, is gone; looking in %s\n", meta.Directory, here)
		return here, nil
	}
	a.say("publish: programs are looked up in %s, as before\n", meta.Directory)
	return meta.Directory, nil
}
