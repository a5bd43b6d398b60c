package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"downbeat/internal/experiment"
	"downbeat/internal/runner"
)

// An entry is a command as the user wrote it.
type entry struct {
	name, line string
	where      string // "Procfile:3: "
}

// commands splits the entries into commands for the runner, with this program's directory and
// environment.
func commands(entries []entry) ([]runner.Command, error) {
	env := os.Environ()
	cmds := make([]runner.Command, len(entries))
	for i, e := range entries {
		argv, err := experiment.SplitCommand(e.line)
		if err != nil {
			return nil, usageError("%scommand %s (%s): %w; to use a shell, say \"sh -c '...'\"", e.where, e.name, shorten(e.line), err)
		}
		if len(argv) == 0 {
			return nil, usageError("%scommand %s (%s) is empty", e.where, e.name, shorten(e.line))
		}
		cmds[i] = runner.Command{Name: e.name, Argv: argv, Env: env}
	}
	return cmds, nil
}

// readProcfile reads lines "name: command"; empty lines and those that begin with # are ignored.
func readProcfile(path string, in io.Reader) ([]entry, error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usageError("read the commands: %w", err)
		}
		defer f.Close()
		in = f
	}
	var entries []entry
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		where := fmt.Sprintf("%s:%d: ", path, number)
		name, command, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsAny(name, " \t'\"/") || name == "" {
			return nil, usageError("%sa line must read \"name: command\", not %s", where, shorten(line))
		}
		entries = append(entries, entry{name: name, line: strings.TrimSpace(command), where: where})
	}
	if err := lines.Err(); err != nil {
		return nil, usageError("read the commands in %s: %w", path, err)
	}
	return entries, nil
}

// shorten cuts a command to fit into a message.
func shorten(line string) string {
	const most = 60
	if r := []rune(line); len(r) > most {
		line = string(r[:most-3]) + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, line)
}
