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
	"strconv"
	"strings"
	"sync"

	"downbeat/internal/message"
)

// What can be shipped to one host, at most.
const (
	maxShipped      = 5000
	maxShippedBytes = 4 << 30
)

// A ShippedFile is one that is put into the run's directory on a host.
type ShippedFile struct {
	message.File
	// Source is where its content is read here; empty for one with text.
	Source string `json:"-"`
}

// A shipment is what the file says of one target.
type shipment struct {
	whole  *text // the place
	target string
	from   *text // one of these two is set
	text   *text
	mode   uint32 // 0: that of the source, or 0644
	on     []string
}

var textKeys = append([]string{"host", "address"}, limitKeys...)

// files reads what is shipped: a map of targets, each with where it comes from.
var files = binding[File]{
	words: "map", inner: []*table{shipmentFields.table()},
	schema: schema{
		"type": "object", "additionalProperties": anyOf(nonEmpty, ref(shipmentFields.def)),
		"propertyNames": schema{"not": schema{"pattern": `^/|(^|/)\.\.(/|$)`}},
	},
	read: func(v value, f *File) {
		if !v.isMap(`such as {bin/server: ./server, server.conf: {text: "port 7000\n"}}`, "must be a map") {
			return
		}
		for _, child := range v.pairs() {
			err := message.CheckTarget(child.key)
			if err == nil && strings.Contains(child.key, "{{") {
				err = fmt.Errorf("%q is not a template: the same file is there in each datapoint, from where a template says", child.key)
			}
			if err != nil {
				v.wrongKey(child, "", "%v", err)
				continue
			}
			s := &shipment{whole: &text{at: child.at, field: child.path}, target: child.key}
			if child.kind == mapNode {
				shipmentFields.read(child, s)
			} else {
				s.from = filled(limitKeys, "").read(child)
			}
			f.files = append(f.files, s)
		}
	},
}

// checkShipment reports what the fields of a file to ship have to say together.
func checkShipment(v value, _ *shipment, given found) {
	content, hasText := given.get("text")
	switch {
	case given.has("from") && hasText:
		v.in.add(content.pos, v.path, "", `give "from" or "text", not both`)
	case !given.meant("from", "text"):
		v.wrong("such as from: ./server", `"from" is missing: it is the file to ship`)
	}
}

// permissions are those of a file, in octal.
var permissions = shape[uint32]{
	"permissions in octal, in quotes",
	schema{"type": []string{"string", "integer"}, "pattern": "^0?[0-7]{1,3}$"},
	func(v value) uint32 {
		mode, err := strconv.ParseUint(v.node.text, 8, 32)
		if (v.kind != stringNode && v.kind != numberNode) || err != nil || mode > 0o777 || mode == 0 {
			v.wrong(`such as "0755"`, "must be permissions in octal")
		}
		return uint32(mode) //nolint:gosec // at most 0777
	},
}

// Sources remembers what files hold. Each is read once for an experiment, so that
// all its datapoints are measured with the same.
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
	// Nothing that would have to be waited for.
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

// base is the directory from which paths of the file are seen.
func (f *File) base() string {
	switch {
	case f.dir != "":
		return f.dir
	case f.Path == Stdin:
		return "."
	}
	return filepath.Dir(f.Path)
}

// ship says which files go to which host.
func (x *expansion) ship() {
	busy := make(map[string]bool)
	for _, p := range x.all {
		busy[p.Host] = true
	}
	x.shipped = make(map[string][]ShippedFile)
	for _, s := range x.file.files {
		var files []ShippedFile
		if s.from != nil {
			files = x.sourceFiles(s)
		}
		for _, h := range x.file.Hosts {
			if !busy[h.Name] || s.on != nil && !slices.Contains(s.on, h.Name) {
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

// textFile is a file that the experiment's own text makes, for that host.
func (x *expansion) textFile(s *shipment, h Host) []ShippedFile {
	data := x.data()
	data["host"], data["address"] = h.Name, x.file.address(h)
	content, ok := x.evaluate(s.text, textKeys, data)
	if !ok {
		return nil
	}
	x.jobBytes[h.Name] += len(content)
	x.runBytes += len(content)
	mode := s.mode
	if mode == 0 {
		mode = 0o644
	}
	return []ShippedFile{{File: message.File{Path: s.target, Mode: mode, Text: content}}}
}

// sourceFiles are the file that a source names, or all in the directory that it
// names.
func (x *expansion) sourceFiles(s *shipment) []ShippedFile {
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

// directory gives all files in a directory, and the directories that are empty:
// the others come with what is in them.
func (x *expansion) directory(s *shipment, dir string) (files []ShippedFile) {
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

// emptyDirectory gives the directory if there is nothing in it. Its owner can
// write to it in the run's directory, whatever it is here.
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

func (x *expansion) sourceFile(s *shipment, target, name string) (ShippedFile, bool) {
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

// sourceProblem words why a file can't be shipped, with the path looked at.
func sourceProblem(name string, err error) error {
	if full, absErr := filepath.Abs(name); absErr == nil {
		name = full
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &textError{"there is no file " + name, "paths are seen from the directory of the experiment file"}
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return &textError{fmt.Sprintf("%s can't be shipped: %v", name, err), ""}
}

// checkShipped reports what would be too much, or in the same place.
func (x *expansion) checkShipped() {
	for _, h := range x.file.Hosts {
		files := x.shipped[h.Name]
		at := make(map[string]bool, len(files)) // of files
		total := int64(0)
		for _, f := range files {
			if _, ok := f.Directory(); ok {
				x.jobBytes[h.Name] += len(f.Path) + 150
				continue
			}
			if at[f.Path] {
				x.problem(x.placeOf(f.Path), &textError{fmt.Sprintf("two files would be at %s on host %s", f.Path, h.Name), "a directory that is shipped holds one of them"})
				return
			}
			at[f.Path] = true
			total += f.Bytes
			x.jobBytes[h.Name] += len(f.Path) + 150
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
		case x.jobBytes[h.Name] > maxJob:
			x.problem(first, &textError{fmt.Sprintf("commands and files of host %s are too much for one job: more than %d MiB", h.Name, maxJob>>20), "ship texts as files of their own"})
		default:
			continue
		}
		return
	}
}

// placeOf finds which entry of the file made a target.
func (x *expansion) placeOf(target string) *text {
	for _, s := range slices.Backward(x.file.files) {
		if s.target == target || len(target) > len(s.target) && target[:len(s.target)+1] == s.target+"/" {
			return s.whole
		}
	}
	return &text{field: "files"}
}
