package export

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A Format is what an experiment is exported to.
type Format string

// The formats.
const (
	CSV     Format = "csv"
	Parquet Format = "parquet"
	SQLite  Format = "sqlite"
	LaTeX   Format = "latex"
)

// Dir is where an experiment's exports are put, in its directory, if nothing else is said.
const Dir = "export"

// Write writes the experiment to path, and returns the files that it has written: a directory of
// a file for each table for CSV and Parquet, a file for SQLite and LaTeX. Where path is empty,
// that is in [Dir]. Each file is replaced whole.
func (d *Data) Write(ctx context.Context, f Format, path string) ([]string, error) {
	switch f {
	case CSV:
		return d.writeTables(path, ".csv", WriteCSV)
	case Parquet:
		return d.writeTables(path, ".parquet", WriteParquet)
	case SQLite:
		return d.writeFile(path, "results.sqlite", func(temp string) error { return WriteSQLite(ctx, temp, d.Tables()) })
	case LaTeX:
		return d.writeFile(path, "summary.tex", func(temp string) error { return writeTo(temp, d.WriteLaTeX) })
	}
	return nil, fmt.Errorf("there is no format %q", f)
}

func (d *Data) writeTables(dir, extension string, write func(io.Writer, Table) error) ([]string, error) {
	if dir == "" {
		dir = filepath.Join(d.Dir, Dir)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	var files []string
	for _, t := range d.Tables() {
		path := filepath.Join(dir, t.Name+extension)
		err := replace(path, func(temp string) error {
			return writeTo(temp, func(w io.Writer) error { return write(w, t) })
		})
		if err != nil {
			return files, fmt.Errorf("write %s: %w", path, err)
		}
		files = append(files, path)
	}
	return files, nil
}

func (d *Data) writeFile(path, name string, write func(temp string) error) ([]string, error) {
	if path == "" {
		path = filepath.Join(d.Dir, Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return nil, err
		}
	} else if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, name)
	}
	if err := replace(path, write); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return []string{path}, nil
}

// replace has a file written beside path, and puts it there once it is whole.
func replace(path string, write func(temp string) error) error {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".export-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // nothing that is needed is in it then
	temp := filepath.Join(dir, filepath.Base(path))
	if err := write(temp); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

func writeTo(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(f, 1<<16)
	err = errors.Join(write(b), b.Flush())
	return errors.Join(err, f.Close())
}
