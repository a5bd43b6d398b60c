package runner

import (
	"path/filepath"
	"strings"
)

// Locate says which file is executed for a command: where its program is, and, if that is a
// script, where the interpreter is that its first line names. What is wrong with the command
// is for [Runner.Prepare] to say.
func Locate(c *Command) (program, interpretedBy string, err error) {
	program, err = lookUp(c)
	if err != nil {
		return "", "", err
	}
	program = absolute(inDir(c.Dir, program))
	name, arg := interpreter(head(program))
	if name == "" {
		return program, "", nil
	}
	interpretedBy = inDir(c.Dir, name)
	if filepath.Base(name) == "env" && arg != "" && !strings.ContainsAny(arg, " \t=-/") {
		if found, err := findInPath(c, arg); err == nil {
			interpretedBy = found
		}
	}
	return program, absolute(interpretedBy), nil
}
