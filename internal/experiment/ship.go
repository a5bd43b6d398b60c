package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"

	"downbeat/internal/message"
)

// sources remembers what files hold. Each is read once for an experiment, so that
// all datapoints get the same content.
type sources struct {
	mu    sync.Mutex
	known map[string]source
}

type source struct {
	size int64
	mode uint32
	sum  string
	err  error
}

func (s *sources) read(name string) source {
	s.mu.Lock()
	defer s.mu.Unlock()
	if got, ok := s.known[name]; ok {
		return got
	}
	got := readSource(name)
	if s.known == nil {
		s.known = make(map[string]source)
	}
	s.known[name] = got
	return got
}

func readSource(name string) source {
	// A pipe or a device could block.
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return source{err: err}
	}
	f, err := os.Open(name)
	if err != nil {
		return source{err: err}
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return source{err: err}
	}
	return source{size: size, mode: uint32(info.Mode().Perm()), sum: hex.EncodeToString(sum.Sum(nil))}
}

// base is the directory that paths in the file are relative to.
func (f *File) base() string {
	switch {
	case f.dir != "":
		return f.dir
	case f.Path == Stdin:
		return "."
	}
	return filepath.Dir(f.Path)
}

// A shipping finds out which files go to which host.
type shipping struct {
	*evaluator
	load    *load
	busy    map[string]bool // the hosts that take part
	shipped map[string][]ShippedFile
}

// ship reads the sources, and executes their templates.
func (x *shipping) ship() {
	for _, s := range x.file.files {
		var files []ShippedFile
		if s.from != nil {
			files = x.sourceFiles(s)
		}
		for _, h := range x.file.Hosts {
			if !x.busy[h.Name] || s.on != nil && !slices.Contains(s.on, h.Name) {
				continue
			}
			if s.text != nil {
				files = x.textFile(s, h)
			}
			x.shipped[h.Name] = append(x.shipped[h.Name], files...)
		}
	}
	x.checkShipped()
}

// textFile is a file whose text is in the experiment file, for that host.
func (x *shipping) textFile(s *shipment, h Host) []ShippedFile {
	x.self = on(h.Name)
	defer func() { x.self = nil }()
	content, ok := x.evaluate(s.text, textKeys, x.dataOn(h.Name, x.file.address(h)))
	if !ok {
		return nil
	}
	x.load.add(h.Name, len(content))
	mode := s.mode
	if mode == 0 {
		mode = 0o644
	}
	return []ShippedFile{{File: message.File{Path: s.target, Mode: mode, Text: content}}}
}

// sourceFiles are the file that a source names, or all in the directory that it
// names.
func (x *shipping) sourceFiles(s *shipment) []ShippedFile {
	name, ok := x.evaluate(s.from, limitKeys, x.data())
	if !ok {
		return nil
	}
	if name == "" {
		return nil // a template that says: not this time
	}
	name = filepath.FromSlash(name)
	if !filepath.IsAbs(name) {
		name = filepath.Join(x.file.base(), name)
	}
	info, err := os.Stat(name)
	if err == nil && info.IsDir() {
		return x.directory(s, name)
	}
	if f, ok := x.sourceFile(s, s.target, name); ok {
		return []ShippedFile{f}
	}
	return nil
}

// directory gives all files in a directory, and its empty directories: the others
// come into being with their files.
func (x *shipping) directory(s *shipment, dir string) (files []ShippedFile) {
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		if len(files) == maxShipped {
			return fmt.Errorf("there are more than %d files in it", maxShipped)
		}
		below, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		target := path.Join(s.target, filepath.ToSlash(below))
		if e.IsDir() {
			empty, err := emptyDirectory(target, name, e)
			files = append(files, empty...)
			return err
		}
		f, ok := x.sourceFile(s, target, name)
		if !ok {
			return fs.SkipAll
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		x.fail(s.from, sourceProblem(dir, err))
	}
	if len(files) == 0 {
		x.fail(s.from, &textError{fmt.Sprintf("there is no file in the directory %s", dir), ""})
	}
	return files
}

// emptyDirectory gives the directory if there is nothing in it. There, its owner
// can always write to it.
func emptyDirectory(target, name string, e fs.DirEntry) ([]ShippedFile, error) {
	entries, err := os.ReadDir(name)
	if err != nil || len(entries) > 0 {
		return nil, err
	}
	info, err := e.Info()
	if err != nil {
		return nil, err
	}
	return []ShippedFile{{File: message.File{Path: target + "/", Mode: uint32(info.Mode().Perm() | 0o700)}}}, nil
}

func (x *shipping) sourceFile(s *shipment, target, name string) (ShippedFile, bool) {
	content := x.file.sources.read(name)
	if content.err != nil {
		x.fail(s.from, sourceProblem(name, content.err))
		return ShippedFile{}, false
	}
	mode := s.mode
	if mode == 0 {
		mode = content.mode
	}
	return ShippedFile{message.File{Path: target, Mode: mode, Bytes: content.size, SHA256: content.sum}, name}, true
}

// sourceProblem says why a file can't be shipped, with its full path.
func sourceProblem(name string, err error) error {
	if full, absErr := filepath.Abs(name); absErr == nil {
		name = full
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &textError{"there is no file " + name, "paths are relative to the directory of the experiment file"}
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return &textError{fmt.Sprintf("%s can't be shipped: %v", name, err), ""}
}

// checkShipped reports too many or too large files, and files in the same place.
func (x *shipping) checkShipped() {
	for _, h := range x.file.Hosts {
		files := x.shipped[h.Name]
		at := make(map[string]bool, len(files)) // of files
		total := int64(0)
		for _, f := range files {
			if _, ok := f.Directory(); ok {
				x.load.hosts[h.Name] += len(f.Path) + 150
				continue
			}
			if at[f.Path] {
				x.problem(x.placeOf(f.Path), &textError{fmt.Sprintf("two files would be at %s on host %s", f.Path, h.Name), "a directory that is shipped holds one of them"})
				return
			}
			at[f.Path] = true
			total += f.Bytes
			x.load.hosts[h.Name] += len(f.Path) + 150
		}
		for _, f := range files {
			target, isDir := f.Directory()
			if !isDir {
				target = path.Dir(target)
			}
			for dir := target; dir != "."; dir = path.Dir(dir) {
				if at[dir] {
					x.problem(x.placeOf(f.Path), &textError{fmt.Sprintf("%s would be a file and a directory on host %s", dir, h.Name), ""})
					return
				}
			}
		}
		first := &text{field: "files"}
		switch {
		case len(files) > maxShipped:
			x.problem(first, &textError{fmt.Sprintf("%d files for host %s, at most %d are shipped", len(files), h.Name, maxShipped), "ship an archive"})
		case total > maxShippedBytes:
			x.problem(first, &textError{fmt.Sprintf("%d MB for host %s, at most %d GiB are shipped", total/1_000_000, h.Name, maxShippedBytes>>30), "install it there beforehand"})
		case x.load.hosts[h.Name] > maxJob:
			x.problem(first, &textError{fmt.Sprintf("commands and files of host %s are too much for one job: more than %d MiB", h.Name, maxJob>>20), "ship texts as files of their own"})
		default:
			continue
		}
		return
	}
}

// placeOf finds which entry of the file made a target.
func (x *shipping) placeOf(target string) *text {
	for _, s := range slices.Backward(x.file.files) {
		if s.target == target || len(target) > len(s.target) && target[:len(s.target)+1] == s.target+"/" {
			return s.whole
		}
	}
	return &text{field: "files"}
}
