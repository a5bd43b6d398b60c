package runner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// script writes an executable file.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLookUpSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"plain": 0o644, "program": 0o755} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := []string{"PATH=" + dir + ":/usr/bin:/bin"}
	tests := map[string]struct {
		command Command
		want    string // part of the error
		is      error
	}{
		"empty":           {Command{}, "the command is empty", nil},
		"no name":         {Command{Argv: []string{""}}, "name is empty", nil},
		"NUL":             {Command{Argv: []string{"program", "a\x00b"}, Env: path}, "argument 1", nil},
		"NUL in env":      {Command{Argv: []string{"program"}, Env: append(path, "A=\x00")}, "NUL", nil},
		"not in PATH":     {Command{Argv: []string{"honu"}, Env: path}, `command "honu" not found in PATH (` + dir, fs.ErrNotExist},
		"no PATH":         {Command{Argv: []string{"program"}}, "no PATH", fs.ErrNotExist},
		"not executable":  {Command{Argv: []string{"plain"}, Env: path}, "chmod +x", fs.ErrPermission},
		"folder in PATH":  {Command{Argv: []string{"folder"}, Env: path}, "not found in PATH", fs.ErrNotExist},
		"folder":          {Command{Argv: []string{"./folder"}, Dir: dir}, "is a directory", fs.ErrPermission},
		"relative":        {Command{Argv: []string{"./honu"}, Dir: dir, Search: []string{"/usr"}}, `"./honu" not found in ` + dir + " or /usr", fs.ErrNotExist},
		"device":          {Command{Argv: []string{"/dev/null"}}, "not a regular file", fs.ErrPermission},
		"below a file":    {Command{Argv: []string{dir + "/plain/x"}}, "not found", fs.ErrNotExist},
		"dir missing":     {Command{Argv: []string{"program"}, Env: path, Dir: dir + "/none"}, "does not exist", fs.ErrNotExist},
		"dir a file":      {Command{Argv: []string{"program"}, Env: path, Dir: dir + "/plain"}, "is not a directory", nil},
		"no interpreter":  {Command{Argv: []string{script(t, "#!/no/such/python -u\n")}}, `interpreter "/no/such/python"`, fs.ErrPermission},
		"Windows":         {Command{Argv: []string{script(t, "#!/bin/sh\r\necho\r\n")}}, "carriage return", fs.ErrPermission},
		"env interpreter": {Command{Argv: []string{script(t, "#!/usr/bin/env python99\n")}, Env: path}, `"python99" not found`, fs.ErrPermission},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := lookUp(&tt.command)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

func TestLookUpFindsWhatAShellFinds(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	for path, mode := range map[string]os.FileMode{dir + "/a": 0o755, dir + "/b": 0o644, other + "/b": 0o755, other + "/c": 0o755} {
		if err := os.WriteFile(path, []byte("#!/usr/bin/env -S sh -u\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	path := []string{"PATH=/nowhere", "PATH=" + dir + ":" + other}
	tests := map[string]struct {
		command Command
		want    string
	}{
		"in PATH":                   {Command{Argv: []string{"a"}, Env: path}, dir + "/a"},
		"executable later in PATH":  {Command{Argv: []string{"b"}, Env: path}, other + "/b"},
		"relative entry of PATH":    {Command{Argv: []string{"a"}, Env: []string{"PATH=."}, Dir: dir}, dir + "/a"},
		"in Dir, as it was written": {Command{Argv: []string{"./a"}, Dir: dir, Search: []string{other}}, "./a"},
		"in Search":                 {Command{Argv: []string{"./c"}, Dir: dir, Search: []string{"/nowhere", other}}, other + "/c"},
		"from the root":             {Command{Argv: []string{dir + "/a"}}, dir + "/a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := lookUp(&tt.command); err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}
