package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"downbeat/internal/message"
)

// workDir is where a run's processes start, within the run's directory; logDir
// is beside it, and so are these files:
const (
	workDir = "work"
	logDir  = "log"
	// owedFile is there while the run's teardown is owed: from before its setup begins
	// until its teardown is over. The log forgets what was acknowledged.
	owedFile = "owed"
	// endedFile holds what is to be reported at the end of a run whose files are being
	// collected. A worker that was killed meanwhile goes by it, and collects anew; where it
	// tells of the files, they have been.
	endedFile = "ended"
)

// A directory is what the disk holds of one run, but for its log. What is read from it
// alone may be used by any goroutine; the rest is for the one that owns the run.
type directory struct {
	runs string // holds the directories of the host's runs
	left string // holds those that could not be removed
	run  string

	// Of the goroutine that owns the run.
	work      *os.Root // opened before a process could change what its name leads to
	elsewhere string   // where the teardown runs, if the run's directory can't be had
}

// path is the run's directory.
func (d *directory) path() string { return filepath.Join(d.runs, d.run) }

// make makes the directory that the processes start in, empty. The note says what is
// left of an earlier one.
func (d *directory) make() (note string, err error) {
	if err := d.clear(context.Background()); err != nil {
		note = err.Error()
	}
	work := d.in("")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return note, fmt.Errorf("make the run's directory: %w", err)
	}
	d.close()
	if d.work, err = os.OpenRoot(work); err != nil {
		return note, fmt.Errorf("open the run's directory: %w", err)
	}
	return note, nil
}

// close lets go of the directory.
func (d *directory) close() {
	if d.work != nil {
		_ = d.work.Close() // only read
		d.work = nil
	}
}

// clear removes what the processes started in. What can't be removed is moved out
// of the way, and tried again at each start of the worker.
func (d *directory) clear(ctx context.Context) error {
	err := RemoveTree(ctx, d.runs, d.run, workDir)
	if err == nil {
		return nil
	}
	work, kept := filepath.Join(d.path(), workDir), filepath.Join(d.left, d.run)
	if !exists(work) {
		return nil // gone meanwhile
	}
	if moveErr := errors.Join(os.MkdirAll(d.left, 0o700), os.Rename(work, kept)); moveErr != nil {
		kept = work
	}
	return fmt.Errorf("left %s behind: %w", kept, err)
}

// open takes hold of the directory of a run that was found at the worker's start; nil
// where there is none, or a link in its place.
func (d *directory) open() *os.Root {
	path := filepath.Join(d.path(), workDir)
	before, err := os.Lstat(path)
	if err != nil || !before.IsDir() {
		return nil
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil
	}
	if opened, err := root.Stat("."); err != nil || !os.SameFile(before, opened) {
		_ = root.Close() // it was replaced in between
		return nil
	}
	return root
}

// in is a directory as seen from the run's.
func (d *directory) in(dir string) string {
	if filepath.IsAbs(dir) {
		return dir
	}
	if d.elsewhere != "" {
		return filepath.Join(d.elsewhere, dir)
	}
	return filepath.Join(d.path(), workDir, dir)
}

// hide takes the worker's own paths out of a message.
func (d *directory) hide(text string) string {
	return strings.ReplaceAll(text, filepath.Join(d.path(), workDir), "the run's directory")
}

// beginTeardown makes sure that the teardown has the directories to run in: a program
// may have removed them, or put something else in their place. The notes say so.
func (d *directory) beginTeardown(job *message.Job) (notes []string, err error) {
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	home := d.in("")
	if info, err := os.Lstat(home); err == nil && info.Mode()&os.ModeSymlink != 0 {
		_ = os.Remove(home) // the link: a teardown that deletes is not to do so where it leads
	}
	switch err := makeDir(home); {
	case err == nil:
	case errors.Is(err, errMade):
		note("the run's directory was gone, so its teardown ran in a new one")
	default:
		dir, tempErr := os.MkdirTemp("", "downbeat-teardown-")
		if tempErr != nil {
			return notes, errors.Join(err, tempErr)
		}
		d.elsewhere = dir
		note("the run's directory was gone and can't be made again, so its teardown ran in %s: %v", dir, plain(err))
	}
	for _, c := range job.In(message.PhaseTeardown) {
		if dir := c.Dir; dir != "" && !filepath.IsAbs(dir) && errors.Is(makeDir(d.in(dir)), errMade) {
			note("directory %s was gone, so %s ran in a new one", shownPath(dir), c.Name)
		}
	}
	return notes, nil
}

// errMade: the directory was not there, and is now.
var errMade = errors.New("it was made")

func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errMade
}

// endTeardown removes what beginTeardown has made elsewhere. The note says what is left
// of it.
func (d *directory) endTeardown() (note string) {
	if d.elsewhere == "" {
		return ""
	}
	if err := RemoveTree(context.Background(), filepath.Dir(d.elsewhere), filepath.Base(d.elsewhere)); err != nil {
		note = fmt.Sprintf("left %s behind: %v", d.elsewhere, err)
	}
	d.elsewhere = ""
	return note
}

// owe notes that the teardown is owed.
func (d *directory) owe() error {
	err := os.MkdirAll(d.path(), 0o700) // somebody may have removed it
	if err == nil {
		err = os.WriteFile(filepath.Join(d.path(), owedFile), nil, 0o600)
	}
	if err != nil {
		return fmt.Errorf("note that the setup begins: %w", err)
	}
	return nil
}

// owes reports whether the teardown is owed.
func (d *directory) owes() bool { return exists(filepath.Join(d.path(), owedFile)) }

// oweNoMore notes that the teardown is over.
func (d *directory) oweNoMore() error { return os.Remove(filepath.Join(d.path(), owedFile)) }

// keepEnd notes how the run has ended. What was noted before stays until it is written.
func (d *directory) keepEnd(done *message.DoneInfo) error {
	data, err := json.Marshal(done)
	if err != nil {
		return fmt.Errorf("encode the end of the run: %w", err)
	}
	path := filepath.Join(d.path(), endedFile)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// end is what keepEnd has noted. It is nil where the run had not come to its end, or that
// was not written in full.
func (d *directory) end() *message.DoneInfo {
	data, err := os.ReadFile(filepath.Join(d.path(), endedFile))
	if err != nil {
		return nil
	}
	done := new(message.DoneInfo)
	if json.Unmarshal(data, done) != nil {
		return nil
	}
	return done
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
