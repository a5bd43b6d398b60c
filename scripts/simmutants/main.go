// Command simmutants checks that the simulator finds what it is there to find. It
// breaks one rule of the cores at a time, as mutants.txt says, and has the
// simulator look for a seed whose run breaks a promise.
//
// The module itself is left alone: each mutant is built from an overlay.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

//go:embed mutants.txt
var list string

// A mutant is one change of one file: the lines of old, which the file has once,
// become those of changed.
type mutant struct {
	name, file   string
	old, changed string
}

func main() {
	runs := flag.Int("runs", 20_000, "in how many runs a mutant must be found")
	limit := flag.Duration("limit", 5*time.Minute, "how long is looked for one")
	only := flag.String("only", "", "try only the mutants whose name contains this")
	flag.Parse()
	survivors, err := try(*runs, *limit, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "simmutants:", err)
		os.Exit(2)
	}
	if len(survivors) > 0 {
		fmt.Fprintf(os.Stderr, "simmutants: %d survived: %s\n", len(survivors), strings.Join(survivors, "; "))
		os.Exit(1)
	}
}

// try looks for each mutant, and returns the names of those that were not found.
func try(runs int, limit time.Duration, only string) (survivors []string, err error) {
	mutants, err := parse(list)
	if err != nil {
		return nil, fmt.Errorf("mutants.txt: %w", err)
	}
	dir, err := os.MkdirTemp("", "simmutants")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for i := range mutants {
		m := &mutants[i]
		if !strings.Contains(m.name, only) {
			continue
		}
		binary, err := m.build(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		began := time.Now()
		found, how := look(binary, runs, limit)
		if !found {
			survivors = append(survivors, m.name)
		}
		fmt.Fprintf(os.Stdout, "%5.1f s  %-70s %s\n", time.Since(began).Seconds(), m.name, how)
	}
	return survivors, nil
}

// parse reads the list: of each mutant a line "# NAME", the file, the lines that go,
// each after "- ", and those that come, each after "+ ".
func parse(text string) ([]mutant, error) {
	var all []mutant
	for n, line := range strings.Split(text, "\n") {
		prefix, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "":
		case prefix == "#":
			all = append(all, mutant{name: rest})
		case len(all) == 0:
			return nil, fmt.Errorf("line %d: a mutant begins with # and its name", n+1)
		case prefix == "-":
			all[len(all)-1].old += rest + "\n"
		case prefix == "+":
			all[len(all)-1].changed += rest + "\n"
		default:
			all[len(all)-1].file = line
		}
	}
	for _, m := range all {
		if m.file == "" || m.old == "" || m.old == m.changed {
			return nil, fmt.Errorf("%s: it lacks a file, or changes nothing", m.name)
		}
	}
	return all, nil
}

// build makes the simulator's test with the mutant in it. Indentation doesn't count
// when the lines that go are looked for.
func (m *mutant) build(dir string) (binary string, err error) {
	data, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	text, err := replace(string(data), m.old, m.changed)
	if err != nil {
		return "", fmt.Errorf("%s: %w", m.file, err)
	}
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	mutated, overlay, binary := filepath.Join(dir, "mutated.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim.test")
	config, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	if err != nil {
		return "", err
	}
	err = errors.Join(os.WriteFile(mutated, []byte(text), 0o600), os.WriteFile(overlay, config, 0o600))
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, "./internal/sim")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not build: %w\n%s", err, out)
	}
	return binary, nil
}

// replace puts changed in the place of old, whose lines must be there once.
func replace(text, old, changed string) (string, error) {
	lines, wanted := strings.SplitAfter(text, "\n"), strings.SplitAfter(strings.TrimSuffix(old, "\n"), "\n")
	at := -1
	for i := range len(lines) - len(wanted) + 1 {
		same := true
		for k := range wanted {
			same = same && strings.TrimSpace(lines[i+k]) == strings.TrimSpace(wanted[k])
		}
		switch {
		case same && at >= 0:
			return "", errors.New("the lines that go are there twice")
		case same:
			at = i
		}
	}
	if at < 0 {
		return "", errors.New("the lines that go are not there: the code has changed, so must the mutant")
	}
	return strings.Join(lines[:at], "") + changed + strings.Join(lines[at+len(wanted):], ""), nil
}

var seedPattern = regexp.MustCompile(`seed (\d+): (.*)`)

// look has the simulator look for the mutant and says how it was found, or that it
// was not.
func look(binary string, runs int, limit time.Duration) (found bool, how string) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	test := exec.CommandContext(ctx, binary, "-test.run=^TestPromisesHold$", "-sim.quick", "-sim.runs="+strconv.Itoa(runs))
	out, err := test.CombinedOutput()
	match := seedPattern.FindStringSubmatch(string(out))
	switch {
	case match != nil:
		return true, "seed " + match[1] + ": " + match[2]
	case ctx.Err() != nil:
		return false, fmt.Sprintf("NOT FOUND within %s", limit)
	case err != nil:
		return true, "it crashes"
	}
	return false, fmt.Sprintf("NOT FOUND in %d runs", runs)
}
