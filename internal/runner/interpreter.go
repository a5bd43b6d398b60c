package runner

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// headSize is how much of a program is read, as by the kernel.
const headSize = 256

// interpreterDepth is how many scripts may interpret one another, as in the kernel.
const interpreterDepth = 5

// head is the beginning of a file; empty if it can't be read, since programs need not be
// readable.
func head(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	buf := make([]byte, headSize)
	n, err := io.ReadFull(f, buf)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil
	}
	return buf[:n]
}

// interpreter is the interpreter that the first line of a script names; empty if there is none.
func interpreter(head []byte) (path, arg string) {
	line, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return "", ""
	}
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	path, arg, _ = strings.Cut(strings.Trim(string(line), " \t"), " ")
	return path, strings.Trim(arg, " \t")
}

// checkInterpreter reports why the script at path, as findProgram returned it, can't be
// interpreted. Files that are not scripts pass.
func checkInterpreter(c *Command, path string) error {
	script := path
	for range interpreterDepth {
		if !filepath.IsAbs(script) {
			script = filepath.Join(c.Dir, script)
		}
		name, arg := interpreter(head(script))
		if name == "" {
			return nil
		}
		if strings.HasSuffix(name, "\r") || strings.HasSuffix(arg, "\r") {
			return explain(fs.ErrPermission, "%q can't be executed: its first line ends in a carriage return, as written on Windows; "+
				"convert it (sed -i 's/\\r$//')", path)
		}
		if err := checkProgram(inDir(c.Dir, name), name); err != nil {
			return explain(fs.ErrPermission, "%q can't be executed: the interpreter %q of its first line: %v", path, name, err)
		}
		if err := checkEnvScript(c, path, name, arg); err != nil {
			return err
		}
		script = name
	}
	return nil
}

// checkEnvScript reports a script of the form "#!/usr/bin/env python3" whose
// python3 isn't there: it would end with 127 as soon as it is released.
func checkEnvScript(c *Command, path, name, arg string) error {
	if filepath.Base(name) != "env" || arg == "" || strings.ContainsAny(arg, " \t=-/") {
		return nil
	}
	if _, err := findInPath(c, arg); err != nil {
		return explain(fs.ErrPermission, "%q can't be executed: the interpreter of its first line: %v", path, err)
	}
	return nil
}

func inDir(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// checkFormat reports a file that the kernel would not execute. It is used only where programs
// are not loaded before the release, and lets everything pass that isn't plain text.
func checkFormat(path string) error {
	h := head(path)
	if h == nil || bytes.HasPrefix(h, []byte("#!")) || bytes.IndexByte(h, 0) >= 0 {
		return nil
	}
	return explainStart(path, syscall.ENOEXEC)
}

// explainStart explains an error of exec; path is the program.
func explainStart(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return explain(errors.Join(fs.ErrPermission, err), "%q is not a program that this machine can execute (exec format error); "+
			"a script's first line must name its interpreter, as in #!/bin/sh", path)
	case errors.Is(err, syscall.E2BIG):
		return explain(errors.Join(fs.ErrPermission, err), "%q has too many, or too long, arguments and environment entries", path)
	case errors.Is(err, syscall.ETXTBSY):
		return explain(errors.Join(fs.ErrPermission, err), "%q is being written to by another program", path)
	case errors.Is(err, fs.ErrNotExist): // it was there a moment ago: an ELF file's own interpreter
		return explain(errors.Join(fs.ErrPermission, err), "%q can't be executed: its dynamic loader isn't there; "+
			"it was made for another system or architecture", path)
	default:
		return explain(errors.Join(fs.ErrPermission, err), "%q can't be executed: %v", path, err)
	}
}
