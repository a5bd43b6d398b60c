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

// Where `publish resume` takes the experiment's file from. The results name it from
// the root on, so that the directory in which resume is called has no say: another
// experiment's file may have the same name there.

// An origin is what a person says of the file.
type origin struct {
	file   string // where it is now; empty: where it was
	stored bool   // go on with what the results keep, whatever is there now
}

// A reread is the file as the next runs are made of it.
type reread struct {
	meta   results.Meta
	file   *experiment.File
	before *experiment.File // as it was last; nil where it is the same, or can't be read by this program
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
	if r.file.Name != meta.Name {
		return nil, usage(fmt.Errorf("%s is experiment %q now, and the results are those of %q; %s", now.File, r.file.Name, meta.Name, otherwise))
	}
	if !bytes.Equal(now.Source, meta.Source) {
		a.say("publish: %s has changed since; what is not the same any more will run again\n", now.File)
		if r.before, err = parseStored(meta); err != nil {
			r.before = nil
		}
	}
	if r.before != nil {
		a.adapt(r.before)
		if from.file == "" && unrelated(r.before, r.file) {
			return nil, usage(fmt.Errorf("%s is another experiment now: it shares no process and no program with the one that these results are of; %s",
				now.File, otherwise))
		}
	}
	a.settle(r.file)
	return r, nil
}

// otherwise is what can be done when the file that was found is not the right one.
const otherwise = "say where the right file is with --file FILE, or go on with the file as it was with --stored"

// findFile gives what the next runs are to be made of.
func (a *app) findFile(meta results.Meta, from origin) (results.Meta, error) {
	now := meta
	now.Version = version.String()
	switch {
	case from.stored:
		return now, nil
	case from.file != "":
		return readAt(now, from.file)
	case fromStdin(meta):
		a.say("publish: the experiment came from standard input; going on with it as it was\n")
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

// guess looks for the file of results that don't say in which directory it was. What
// is there by that name is taken for it only if nobody has changed it.
func (a *app) guess(now results.Meta) (results.Meta, error) {
	found, err := readAt(now, now.File)
	switch {
	case err != nil:
		a.goneBy(err)
		return now, nil
	case !bytes.Equal(found.Source, now.Source):
		return now, fmt.Errorf("these results don't say in which directory %s was, and %s is not what was run: if it is that file, changed since, say --file %s; "+
			"to go on with the file as it was, say --stored", now.File, found.Path, found.Path)
	}
	return found, nil
}

func (a *app) goneBy(err error) {
	a.say("publish: the experiment's file can't be read any more (%v); going on with the file as it was. If it has moved, say where with --file FILE\n", err)
}

// readAt takes the file from there.
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

// formatOf tells JSON from YAML as far as a person cares.
func formatOf(source []byte) string {
	if strings.HasPrefix(strings.TrimSpace(string(source)), "{") {
		return "json"
	}
	return "yaml"
}

// fromStdin reports whether the experiment was never a file. Earlier versions noted
// what standard input is called in messages.
func fromStdin(meta results.Meta) bool {
	return meta.Path == "" && (meta.File == "-" || meta.File == experiment.Stdin)
}

// parseStored parses a file that results keep. Its own paths are seen from where it
// was, not from here.
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

// unrelated reports whether the first datapoints of two files share neither a process
// nor a program: whoever edits an experiment leaves some of either.
func unrelated(before, now *experiment.File) bool {
	was, is := traits(before), traits(now)
	for trait := range is {
		if was[trait] {
			return false
		}
	}
	return len(was) > 0 && len(is) > 0
}

// traits are the names of the processes of a file's first datapoint and the programs
// that they are of.
func traits(file *experiment.File) map[string]bool {
	of := make(map[string]bool)
	d, err := file.Points()[0].Expand(strings.Repeat("0", 26)) // of no run
	if err != nil {
		return nil
	}
	for _, p := range d.Processes {
		of["process "+p.Host+"/"+p.Name] = true
		of["program "+filepath.Base(p.Argv[0])] = true
	}
	return of
}

// workDirectory is where embedded workers look for programs: for a resume where they
// did before, wherever that is called.
func (a *app) workDirectory(meta results.Meta) (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	if meta.Directory == "" || meta.Directory == here || !a.embedded() {
		return here, nil
	}
	if info, _ := os.Stat(meta.Directory); info == nil || !info.IsDir() {
		a.say("publish: %s, where programs were looked for, is not there any more; looking for them in %s\n", meta.Directory, here)
		return here, nil
	}
	a.say("publish: programs are looked for in %s, as before\n", meta.Directory)
	return meta.Directory, nil
}
